//! The programs that check the library: as they are, with the address sanitizer, in valgrind.

use std::process::Command;
use std::time::Duration;

use lcast_lab::{Lab, Member, Realm};

use crate::stage::{self, How};

const VALGRIND: [&str; 6] = [
    "valgrind",
    "--quiet",
    "--leak-check=full",
    // Of what the main thread keeps to its end, pointers into the middle are left.
    "--show-leak-kinds=definite",
    "--errors-for-leak-kinds=definite",
    "--error-exitcode=99",
];

/// Runs a program with an agent's and an operator's credential, on one host, by real multicast.
fn check(name: &str, how: How, wrapper: &[&str], arguments: &[&str]) {
    let program = stage::build(&format!("tests/{name}.c"), how);
    let lab = Lab::new(1).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let agent = realm.issue(&Member::agent("app1"));
    let client = realm.issue(&Member::client("ops").role("operator"));
    let job = lab.host(0).command(&program).args([agent, client]);
    let job = job.args(arguments.iter().copied()).env("LD_LIBRARY_PATH", stage::libraries());
    let job = job.limit(Duration::from_secs(300));
    let output = match wrapper {
        [] => job.ok(),
        // Fifty times slower: what depends on time is for the other runs.
        _ => job.env("CHECK_MEMORY_ALONE", "1").wrapped(wrapper).ok(),
    };
    assert!(output.contains(&format!("{name}: ok")), "{output}");
}

#[test]
fn bad_input_is_refused_and_breaks_nothing() {
    check("input", How::C, &[], &[]);
    check("input", How::Sanitized, &[], &[]);
}

#[test]
fn bad_input_touches_no_memory_that_is_not_ours() {
    check("input", How::C, &VALGRIND, &[]);
}

#[test]
fn threads_signals_forks_and_few_descriptors_are_borne() {
    check("host", How::C, &[], &[]);
    check("host", How::Sanitized, &[], &[]);
}

#[test]
fn threads_signals_and_forks_touch_no_memory_that_is_not_ours() {
    check("host", How::C, &VALGRIND, &[]);
}

#[test]
fn what_a_program_prints_goes_into_nothing_of_ours() {
    check("closed", How::C, &[], &[]);
}

#[test]
fn however_few_descriptors_there_are_a_node_is_opened_or_the_limit_is_told() {
    check("limits", How::C, &[], &[]);
}

#[test]
fn a_program_may_end_in_the_middle_of_everything() {
    for _ in 0..5 {
        check("exit", How::C, &[], &[]);
    }
}

#[test]
fn values_go_there_and_back() {
    check("values", How::C, &[], &[]);
    check("values", How::Sanitized, &[], &[]);
    check("values", How::Static, &[], &[]);
}

#[test]
fn values_leave_nothing_behind() {
    check("values", How::C, &VALGRIND, &[]);
}

/// What valgrind is told to leave out is of the library's own threads.
#[test]
fn valgrind_tells_of_what_a_program_has_not_set() {
    let told = stage::tree().join("opt/librecast/share/lcast/valgrind.supp");
    let [valgrind, options @ ..] = VALGRIND;
    let mut careless = Command::new(valgrind);
    careless.args(options).arg("--num-callers=40");
    careless.arg(format!("--suppressions={}", told.display()));
    careless.arg(stage::build("tests/careless.c", How::C));
    careless.env("LD_LIBRARY_PATH", stage::libraries());
    careless.env("LIBRECAST_REALM", "a realm that nobody has");
    let output = careless.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(99), "{words}");
    assert!(words.contains("depends on uninitialised value(s)"), "{words}");
    assert!(words.contains("by 0x") && words.contains("main (careless.c:"), "{words}");
}

#[test]
fn ten_thousand_rounds_leave_nothing_behind() {
    check("leak", How::C, &[], &["10000"]);
}

#[test]
fn a_few_rounds_leave_not_a_byte_behind() {
    check("leak", How::C, &VALGRIND, &["100"]);
}
