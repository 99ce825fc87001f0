//! Member lists: versions, signatures, limits.

use std::time::Duration;

use lcast_proto::keys::{Authority, Certificate, MemberEdit, MemberList, MemberListError, NodeId};
use lcast_proto::time::Timestamp;

use super::{authority, random, subject};

fn list(authority: &Authority, count: u32) -> MemberList {
    let mut edit = MemberEdit::first();
    for index in 0..count {
        edit.issue(subject(&format!("n{index:05}")), id(index)).unwrap();
    }
    authority.sign_members(edit).unwrap()
}

fn id(index: u32) -> NodeId {
    NodeId(*blake3::hash(&index.to_be_bytes()).as_bytes().first_chunk().unwrap())
}

#[test]
fn a_list_is_read_as_it_was_signed() {
    let authority = authority();
    let list = list(&authority, 100);
    let bytes = list.bytes().to_vec();
    let read = MemberList::verify(bytes, authority.public(), authority.realm()).unwrap();
    assert_eq!(read.members(), list.members());
    assert_eq!((read.version(), read.members().len()), (1, 100));
    for index in 0..100 {
        let by_name = read.by_name(&format!("n{index:05}")).unwrap();
        assert_eq!(by_name.id, id(index));
        assert_eq!(read.by_id(&id(index)), Some(by_name));
    }
    assert_eq!((read.by_name("n00100"), read.by_id(&id(100))), (None, None));
}

#[test]
fn issuing_and_forgetting_make_the_next_version() {
    let authority = authority();
    let first = list(&authority, 2);
    let mut edit = first.edit();
    edit.forget("n00001").unwrap();
    let unknown = MemberListError::Unknown("n9".to_owned());
    assert_eq!(edit.forget("n9"), Err(unknown));
    let second = authority.sign_members(edit).unwrap();
    assert_eq!((second.version(), second.by_name("n00001").unwrap().forgotten), (2, true));
    let mut edit = second.edit();
    edit.issue(subject("n00001"), id(7)).unwrap();
    let third = authority.sign_members(edit).unwrap();
    let again = third.by_name("n00001").unwrap();
    assert_eq!((third.version(), again.forgotten, again.id), (3, false, id(7)));
    assert_eq!(first.version(), 1);
}

/// [SEC-34]
#[test]
fn keys_whose_name_was_issued_again_stay_forgotten_until_their_certificate_is_over() {
    let authority = authority();
    let end = subject("n00001").not_after;
    let list = list(&authority, 2);
    let mut edit = list.edit();
    edit.forget("n00001").unwrap();
    edit.issue(subject("n00001"), id(7)).unwrap();
    edit.issue(subject("n00001"), id(8)).unwrap();
    let signed = authority.sign_members(edit).unwrap();
    let read = MemberList::verify(signed.bytes().to_vec(), authority.public(), authority.realm());
    let read = read.unwrap();
    let forgotten = |list: &MemberList| [0, 1, 7, 8, 9].map(|it| list.is_forgotten(&id(it)));
    assert_eq!(forgotten(&read), [false, true, true, false, false]);
    assert_eq!((read.members().len(), read.by_id(&id(1))), (2, None));
    assert_eq!(authority.sign_members(read.edit()).map(|it| forgotten(&it)), Ok(forgotten(&read)));
    let after = |wall: Timestamp| {
        let mut edit = read.edit();
        edit.leave_out_ended(wall);
        forgotten(&authority.sign_members(edit).unwrap())
    };
    let last = end.saturating_add(Certificate::GRACE);
    assert_eq!(after(last), forgotten(&read));
    assert_eq!(after(last.saturating_add(Duration::from_millis(1))), [false; 5]);
    // Keys that are certified again are no longer those of before.
    let mut edit = read.edit();
    edit.issue(subject("n00001"), id(1)).unwrap();
    let again = authority.sign_members(edit).unwrap();
    assert_eq!(forgotten(&again), [false, false, true, true, false]);
}

/// [SEC-32] [SEC-34]
#[test]
fn a_list_remembers_as_many_replaced_keys_as_it_may() {
    let authority = authority();
    let max = u32::try_from(MemberList::REPLACED_MAX).unwrap();
    let mut edit = list(&authority, 1).edit();
    for index in 1..=max {
        edit.issue(subject("n00000"), id(index)).unwrap();
    }
    let full = edit.issue(subject("n00000"), id(max + 1));
    assert_eq!(full, Err(MemberListError::TooManyReplaced));
    let full = authority.sign_members(edit).unwrap();
    let read = MemberList::verify(full.bytes().to_vec(), authority.public(), authority.realm());
    let read = read.unwrap();
    assert!((0..max).all(|index| read.is_forgotten(&id(index))) && !read.is_forgotten(&id(max)));
}

/// [SEC-31]
#[test]
fn a_list_changed_at_any_place_or_of_another_realm_is_refused() {
    let authority = authority();
    let bytes = list(&authority, 2).bytes().to_vec();
    let verify = |bytes: Vec<u8>| MemberList::verify(bytes, authority.public(), authority.realm());
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        assert_eq!(verify(changed), Err(MemberListError::Signature), "byte {place}");
        assert!(verify(bytes[..place].to_vec()).is_err(), "cut at {place}");
    }
    let other = Authority::create("prod", &mut random(9)).unwrap();
    let verdict = MemberList::verify(bytes.clone(), other.public(), authority.realm());
    assert_eq!(verdict, Err(MemberListError::Signature));
    let verdict = MemberList::verify(bytes, authority.public(), other.realm());
    assert_eq!(verdict, Err(MemberListError::Signature));
}

/// [SEC-32]
#[test]
fn a_realm_has_at_most_as_many_members_as_it_may() {
    let authority = authority();
    let max = u32::try_from(MemberList::MEMBERS_MAX).unwrap();
    let full = list(&authority, max);
    let bytes = full.bytes().to_vec();
    let read = MemberList::verify(bytes, authority.public(), authority.realm()).unwrap();
    assert_eq!(read.members().len(), MemberList::MEMBERS_MAX);
    let mut edit = full.edit();
    assert_eq!(edit.issue(subject("one-more"), id(max)), Err(MemberListError::TooMany));
    edit.issue(subject("n00000"), id(max)).unwrap();
}
