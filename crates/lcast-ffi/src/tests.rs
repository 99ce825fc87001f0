//! The header, the pages of the manual, and what holds at the border itself.

mod manual;
mod shuttled;

use std::path::{Path, PathBuf};

/// The groups of functions, in the order of the header.
const GROUPS: [&str; 9] =
    ["errors", "node", "question", "event", "report", "value", "variable", "members", "packed"];

/// What stands at the top of the header.
const HEADER: &str = "/* Librecast for C: ask, tell and watch a fleet over IPv6 multicast.
 *
 * Made by `cargo xtask generate` from crates/lcast-ffi/src/api; change that instead. Each group of
 * functions has a page in the manual: lcast_node(3), lcast_question(3), lcast_event(3),
 * lcast_report(3), lcast_value(3), lcast_variable(3), lcast_members(3), lcast_packed(3),
 * lcast_errors(3).
 *
 * Link with -llcast; `pkg-config --cflags --libs lcast` says how.
 *
 * What holds for all functions:
 * - Every handle may be used by several threads at once, and freed by one while others use it. What
 *   was got from it by pointer (texts, bytes) must not be read any more then.
 * - A handle that is null, was freed, is of another kind or is no handle at all is the error
 *   LCAST_INVALID. Freeing null is fine.
 * - Texts are UTF-8 with a zero byte behind them. What is no UTF-8 is LCAST_INVALID.
 * - A place for a result that is null is LCAST_INVALID, unless it is said that it may be. Where a
 *   handle was to be put, there is null after an error.
 * - No function calls the program back.
 */";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source(group: &str) -> PathBuf {
    root().join(format!("src/api/{group}.rs"))
}

fn header() -> String {
    let mut config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    config.header = Some(HEADER.to_owned());
    let mut builder = cbindgen::Builder::new().with_config(config);
    for group in GROUPS {
        builder = builder.with_src(source(group));
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

/// Compares a generated file, or writes it: `cargo xtask generate` sets `LIBRECAST_WRITE_PAGES`.
fn check_generated(path: &Path, made: &str) {
    if std::env::var_os("LIBRECAST_WRITE_PAGES").is_some() {
        std::fs::write(path, made).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == made, "{} is out of date: run `cargo xtask generate`", path.display());
}

#[test]
fn the_header_is_current() {
    check_generated(&root().join("include/lcast.h"), &header());
}

#[test]
fn the_pages_of_the_manual_are_current() {
    let header = header();
    for group in GROUPS {
        let source = std::fs::read_to_string(source(group)).unwrap();
        let folder = root().join("../../bindings/c/man");
        let example = std::fs::read_to_string(folder.join(format!("examples/{group}.c"))).unwrap();
        let page = manual::page(group, &source, &header, &example);
        check_generated(&folder.join(format!("lcast_{group}.3")), &page);
    }
}

/// A panic must not unwind into a program that speaks C.
#[test]
fn a_panic_ends_at_the_border_as_an_error() {
    use crate::api::errors::{lcast_last_error, lcast_last_status, lcast_status};

    let status = crate::failure::call(|| panic!("on purpose"));
    assert_eq!(status, lcast_status::LCAST_INTERNAL);
    assert_eq!(lcast_last_status(), lcast_status::LCAST_INTERNAL);
    assert!(!lcast_last_error().is_null());
    assert_eq!(crate::failure::value(7, || panic!("on purpose")), 7);
}

#[test]
fn every_status_has_a_word_that_the_kinds_have_as_well() {
    use crate::api::errors::lcast_status_name;

    let word = |status: i32| {
        let word = lcast_status_name(status);
        // SAFETY: it is null or a constant text.
        (!word.is_null()).then(|| unsafe { std::ffi::CStr::from_ptr(word) }.to_str().unwrap())
    };
    for kind in lcast::blocking::Kind::ALL {
        let error = lcast::blocking::Error::new(kind, "x");
        let status = crate::failure::Failure::from(error).status;
        assert_eq!(word(status as i32), Some(kind.as_str()));
    }
    assert_eq!((word(-1), word(16)), (None, None));
}

#[test]
fn lists_options_and_entries_are_taken_up_to_their_limit() {
    use crate::incoming::{LENGTH_MAX, LIST_MAX, OPTIONS_MAX};
    use crate::tree::Tree;
    use lcast::Value;
    use std::sync::Arc;

    let texts = vec![c"x".as_ptr(); LIST_MAX + 1];
    // SAFETY: so many pointers are there, each to a constant text.
    let taken = |count: usize| unsafe { crate::incoming::texts(texts.as_ptr(), count, "x") };
    assert_eq!(taken(LIST_MAX).unwrap().len(), LIST_MAX);
    let words = taken(LIST_MAX + 1).unwrap_err().message;
    assert_eq!(words, "'x' has 65537 entries: at most 65536 are taken");

    let mut options = vec![0usize; OPTIONS_MAX / size_of::<usize>() + 1];
    for (size, fits) in [(32, true), (OPTIONS_MAX, true), (OPTIONS_MAX + 1, false), (31, false)] {
        options[0] = size;
        // SAFETY: there is room for one byte more than is allowed.
        let read = unsafe { crate::incoming::options(options.as_ptr().cast::<[usize; 4]>(), "x") };
        assert_eq!(read.is_ok(), fits, "{size}");
    }

    // Zeros that nobody looks at take no memory.
    let zeros = vec![0; LENGTH_MAX];
    // SAFETY: so many bytes are there, and nothing is read where the length is refused.
    let taken = |length: usize| unsafe { crate::incoming::bytes(zeros.as_ptr(), length, "x") };
    assert_eq!(taken(LENGTH_MAX).unwrap().len(), LENGTH_MAX);
    let words = taken(LENGTH_MAX + 1).unwrap_err().message;
    assert_eq!(words, "'x' has 1073741825 bytes: at most 1073741824 are taken");

    let null = Arc::new(Tree::Null);
    let mut list = Arc::new(Tree::list(vec![null; Value::BYTES_MAX - 2]));
    assert!(Tree::push(&mut list, Arc::new(Tree::Null)).is_ok());
    assert!(Tree::push(&mut list, Arc::new(Tree::Null)).is_err());
}

#[test]
fn as_many_handles_live_as_there_are_slots() {
    use crate::registry::{HANDLES_MAX, Refused, Registry};

    let registry = Registry::new(0);
    let first = registry.insert(1, ()).unwrap();
    (1..HANDLES_MAX).for_each(|_| assert!(registry.insert(1, ()).is_ok()));
    assert_eq!(registry.live(), HANDLES_MAX);
    assert_eq!(registry.insert(1, ()), Err(Refused::Full));
    assert_eq!(registry.lend(first, 0, 1, ()), Err(Refused::Full));
    registry.remove(first).unwrap();
    assert_ne!(registry.insert(1, ()).unwrap(), first);
}

#[test]
fn a_slot_that_was_reserved_is_there_for_its_object_or_given_back() {
    use crate::registry::{HANDLES_MAX, Refused, Registry};

    let registry = Registry::new(0);
    let (first, second) = (registry.reserve().unwrap(), registry.reserve().unwrap());
    (2..HANDLES_MAX).for_each(|_| assert!(registry.insert(1, ()).is_ok()));
    assert_eq!(registry.insert(1, ()), Err(Refused::Full));
    let handle = first.fill(1, ());
    assert_eq!((registry.object(handle), registry.live()), (Ok(()), HANDLES_MAX - 1));
    drop(second);
    assert!(registry.insert(1, ()).is_ok());
    assert_eq!((registry.insert(1, ()), registry.live()), (Err(Refused::Full), HANDLES_MAX));
}
