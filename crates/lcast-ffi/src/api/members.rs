//! Who is there: the members of the realm with their presence.
//!
//! `lcast_members_of` gives a list as of that moment, in order of name; `lcast_presence` follows
//! what changes. A node that has just started knows of few others; who answers a question is known.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ptr;

use lcast::lcast_proto::keys;
use lcast::lcast_proto::presence::Via;

use super::errors::lcast_status;
use super::event::beyond;
use super::node::lcast_node;
use crate::failure::{Failure, call, value};
use crate::handles;
use crate::text::Text;

/// A list of members.
pub struct lcast_members {
    _opaque: [u8; 0],
}

/// A member.
#[derive(Debug)]
pub(crate) struct Member {
    name: Text,
    kind: Text,
    state: Text,
    via: Text,
    software: Text,
    labels: Vec<(Text, Text)>,
    roles: Vec<Text>,
    last_heard_ms: i64,
    is_duplicate: bool,
}

impl From<lcast::node::Member> for Member {
    fn from(it: lcast::node::Member) -> Self {
        let kind = match it.kind {
            keys::Kind::Agent => "agent",
            keys::Kind::Client => "client",
        };
        let label = |(key, value): &(String, String)| (Text::new(key), Text::new(value));
        Self {
            name: Text::new(&it.name),
            kind: Text::new(kind),
            state: Text::new(it.state.as_str()),
            via: Text::new(it.via.map_or("", Via::as_str)),
            software: Text::new(&it.software),
            labels: it.labels.iter().map(label).collect(),
            roles: it.roles.iter().map(|role| Text::new(role)).collect(),
            last_heard_ms: it.last_heard.map_or(-1, |it| it.as_millis()),
            is_duplicate: it.duplicate,
        }
    }
}

/// All members of the realm, to be freed by `lcast_members_free`.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_of(
    node: *const lcast_node,
    members: Option<&mut MaybeUninit<*mut lcast_members>>,
) -> lcast_status {
    call(|| {
        let members = handles::place(members, "members")?;
        let found = handles::of(node)?.node.members()?;
        let found: Vec<Member> = found.into_iter().map(Member::from).collect();
        members.put(found);
        Ok(())
    })
}

/// How many members there are.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_count(members: *const lcast_members) -> usize {
    value(0, || Ok(handles::of(members)?.len()))
}

/// The certified name of a member.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_name(members: *const lcast_members, index: usize) -> *const c_char {
    value(ptr::null(), || of(members, index, |it| it.name.as_ptr()))
}

/// What it is: "agent" or "client".
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_kind(members: *const lcast_members, index: usize) -> *const c_char {
    value(ptr::null(), || of(members, index, |it| it.kind.as_ptr()))
}

/// Its presence: "alive", "suspect", "gone", "left" or "never".
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_state(
    members: *const lcast_members,
    index: usize,
) -> *const c_char {
    value(ptr::null(), || of(members, index, |it| it.state.as_ptr()))
}

/// How that is known: "multicast", "unicast", "told", "remembered", or empty.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_via(members: *const lcast_members, index: usize) -> *const c_char {
    value(ptr::null(), || of(members, index, |it| it.via.as_ptr()))
}

/// The version of its software; empty when it has not said.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_software(
    members: *const lcast_members,
    index: usize,
) -> *const c_char {
    value(ptr::null(), || of(members, index, |it| it.software.as_ptr()))
}

/// When it was last heard: milliseconds since 1970; -1 for never.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_last_heard_ms(members: *const lcast_members, index: usize) -> i64 {
    value(-1, || of(members, index, |it| it.last_heard_ms))
}

/// Not zero when two processes of it are alive at once: a copied credential.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_is_duplicate(members: *const lcast_members, index: usize) -> i32 {
    value(0, || of(members, index, |it| i32::from(it.is_duplicate)))
}

/// How many certified labels it has.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_label_count(members: *const lcast_members, index: usize) -> usize {
    value(0, || of(members, index, |it| it.labels.len()))
}

/// The key of a label.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_label_key(
    members: *const lcast_members,
    index: usize,
    label: usize,
) -> *const c_char {
    let key = |it: &Member| nth(&it.labels, label).map(|(key, _)| key.as_ptr());
    value(ptr::null(), || of(members, index, key)?)
}

/// The value of a label.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_label_value(
    members: *const lcast_members,
    index: usize,
    label: usize,
) -> *const c_char {
    let text = |it: &Member| nth(&it.labels, label).map(|(_, value)| value.as_ptr());
    value(ptr::null(), || of(members, index, text)?)
}

/// How many certified roles it has.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_role_count(members: *const lcast_members, index: usize) -> usize {
    value(0, || of(members, index, |it| it.roles.len()))
}

/// A role, like "operator".
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_role(
    members: *const lcast_members,
    index: usize,
    role: usize,
) -> *const c_char {
    let text = |it: &Member| nth(&it.roles, role).map(Text::as_ptr);
    value(ptr::null(), || of(members, index, text)?)
}

/// Frees a list of members; null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_members_free(members: *mut lcast_members) -> lcast_status {
    call(|| handles::take(members).map(drop))
}

fn of<T>(
    members: *const lcast_members,
    index: usize,
    read: impl FnOnce(&Member) -> T,
) -> Result<T, Failure> {
    let members = handles::of(members)?;
    Ok(read(nth(&members, index)?))
}

fn nth<T>(list: &[T], index: usize) -> Result<&T, Failure> {
    list.get(index).ok_or_else(|| beyond(index, list.len()))
}
