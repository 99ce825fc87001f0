//! A node: this process's part in a realm.
//!
//! `lcast_open` gives a node, which runs on a thread of its own until `lcast_close`. Any thread may
//! use it. Signals are left to the threads of the program. A program may have several nodes.
//!
//! After a fork, the child can do nothing with what was made before: each use is `LCAST_FORKED`. It
//! can open a node of its own.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::path::PathBuf;

use lcast::blocking::{Builder, Node};

use super::errors::lcast_status;
use crate::failure::{Failure, call, value};
use crate::text::Text;
use crate::{handles, incoming};

/// A node.
pub struct lcast_node {
    _opaque: [u8; 0],
}

/// What is behind it.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) node: Node,
    name: Text,
    realm: Text,
}

/// How a node is to be opened. Set `size` to `sizeof(lcast_open_options)` and the rest to zero,
/// then what differs from the default.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lcast_open_options {
    /// `sizeof(lcast_open_options)`.
    pub size: usize,
    /// The realm of which the user or the system has a credential. Null: as the commands choose,
    /// by `LIBRECAST_REALM`, the only one, the system's, or "local".
    pub realm: *const c_char,
    /// A credential file to use instead.
    pub credential_file: *const c_char,
    /// What such a file holds, to use instead; also when it is empty, unless null.
    pub credential: *const u8,
    /// The length of `credential`.
    pub credential_length: usize,
    /// Not zero: with the agent's credential of the realm, to expose variables. The credential in
    /// a file or in memory says itself whose it is.
    pub agent: i32,
    /// A folder to keep settings and the member list in, locked by this node. Null: nothing is
    /// kept.
    pub state: *const c_char,
    /// A folder to remember presence and schemas in for the next process, shared by many. Null:
    /// with a realm, where the commands do; else nowhere.
    pub memory: *const c_char,
    /// Names of interfaces to use in place of the credential's.
    pub interfaces: *const *const c_char,
    /// How many `interfaces` there are.
    pub interface_count: usize,
    /// A folder in which nodes of this host find each other without multicast. Null: the usual.
    pub registry: *const c_char,
    /// The version of the program, told to others. Null: this library's.
    pub software: *const c_char,
}

/// Opens a node: it takes part in the realm from here on. Null options are the default: to ask, in
/// the realm that the commands would choose. Of the descriptors 0, 1 and 2 those that are closed
/// are opened on /dev/null, and stay so: what the program prints goes into nothing of the node.
///
/// `LCAST_NO_REALM`, `LCAST_CREDENTIAL`, `LCAST_PERMISSION`, `LCAST_BUSY` (the state folder is in
/// use), `LCAST_START` and `LCAST_LIMIT` (no file descriptors left) say what is missing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_open(
    options: *const lcast_open_options,
    node: Option<&mut MaybeUninit<*mut lcast_node>>,
) -> lcast_status {
    call(|| {
        let node = handles::place(node, "node")?;
        // SAFETY: see the module.
        let builder = unsafe { builder(options) }?;
        let opened = builder.open()?;
        let (name, realm) = (Text::new(opened.name()), Text::new(opened.realm()));
        node.put(Open { node: opened, name, realm });
        Ok(())
    })
}

/// # Safety
/// As of the function above.
unsafe fn builder(options: *const lcast_open_options) -> Result<Builder, Failure> {
    // SAFETY: the caller's, here and below: what is in the options is as the module says.
    let options = unsafe { incoming::options(options, "options") }?;
    // SAFETY: as above.
    let text = |text, what| unsafe { incoming::optional(text, what) };
    let realm = text(options.realm, "realm")?;
    let file = text(options.credential_file, "credential_file")?;
    // SAFETY: as above.
    let bytes =
        unsafe { incoming::bytes(options.credential, options.credential_length, "credential") }?;
    // An empty one is a credential too, a damaged one: no reason to take another.
    let bytes = (!options.credential.is_null()).then_some(bytes);
    let mut builder = match (realm, file, bytes) {
        (realm, None, None) if options.agent != 0 => Builder::agent(realm),
        (realm, None, None) => Builder::realm(realm),
        (None, Some(file), None) => Builder::file(file),
        (None, None, Some(bytes)) => Builder::bytes(bytes),
        _ => {
            return Err(Failure::invalid(
                "'realm', 'credential_file' and 'credential' exclude each other",
            ));
        }
    };
    if let Some(folder) = text(options.state, "state")? {
        builder = builder.state(folder);
    }
    if let Some(folder) = text(options.memory, "memory")? {
        builder = builder.memory(folder);
    }
    if options.interface_count > 0 {
        let (names, count) = (options.interfaces, options.interface_count);
        // SAFETY: as above.
        let names = unsafe { incoming::texts(names, count, "interfaces") }?;
        builder = builder.interfaces(names.into_iter().map(str::to_owned).collect());
    }
    if let Some(folder) = text(options.registry, "registry")? {
        builder = builder.registry(vec![PathBuf::from(folder)]);
    }
    if let Some(version) = text(options.software, "software")? {
        builder = builder.software(version);
    }
    Ok(builder)
}

/// Says goodbye to the realm, ends the node and frees its handle; null is fine. What was made from
/// it keeps its handles, and says `LCAST_ENDED` where it needs the node: what has arrived, and the
/// last value of a setting, can still be read.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_close(node: *mut lcast_node) -> lcast_status {
    call(|| match handles::take(node)? {
        Some(open) => Ok(open.node.close()?),
        None => Ok(()),
    })
}

/// The certified name of this node, good as long as its handle is.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_node_name(node: *const lcast_node) -> *const c_char {
    value(std::ptr::null(), || Ok(handles::of(node)?.name.as_ptr()))
}

/// The name of the realm, good as long as the handle is.
#[unsafe(no_mangle)]
pub extern "C" fn lcast_node_realm(node: *const lcast_node) -> *const c_char {
    value(std::ptr::null(), || Ok(handles::of(node)?.realm.as_ptr()))
}

/// The round trip to a node by unicast, in microseconds. `LCAST_TIMEOUT` when it does not answer
/// in `timeout_ms`, or was never heard. A signal does not end the waiting: where it has to, ask
/// with a short timeout, and again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lcast_ping(
    node: *const lcast_node,
    name: *const c_char,
    timeout_ms: i64,
    round_trip_us: Option<&mut MaybeUninit<i64>>,
) -> lcast_status {
    call(|| {
        let place = incoming::place(round_trip_us, "round_trip_us")?;
        let node = handles::of(node)?;
        // SAFETY: see the module.
        let name = unsafe { incoming::text(name, "name") }?;
        let timeout = incoming::span(timeout_ms, "timeout_ms")?;
        let trip = node.node.ping(name, timeout)?.ok_or_else(|| {
            Failure::new(lcast_status::LCAST_TIMEOUT, format!("'{name}' did not answer in time"))
        })?;
        place.write(i64::try_from(trip.as_micros()).unwrap_or(i64::MAX));
        Ok(())
    })
}
