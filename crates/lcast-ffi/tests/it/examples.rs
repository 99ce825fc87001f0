//! The programs of the book and of the manual, at work among real agents.

use lcast_lab::{DEADLINE, Host, Job, Lab, Member, Realm, programs};

use crate::stage::{self, How};

/// An example, built so.
fn built(example: &str, how: How) -> impl Fn(&Host) -> Job {
    let path = stage::build(&format!("examples/{example}.c"), how);
    move |host| host.command(&path).env("LD_LIBRARY_PATH", stage::libraries())
}

#[test]
fn the_examples_are_c_and_cpp_without_a_warning() {
    for example in programs::NAMES {
        for how in [How::C, How::Cpp] {
            stage::build(&format!("examples/{example}.c"), how);
        }
    }
}

/// The example of a page of the manual, built as C++ too.
fn of_the_manual(page: &str) -> impl Fn(&Host) -> Job {
    let source = format!("man/examples/{page}.c");
    stage::build(&source, How::Cpp);
    let path = stage::build(&source, How::C);
    move |host| host.command(&path).env("LD_LIBRARY_PATH", stage::libraries())
}

#[test]
fn every_example_of_the_manual_does_what_it_says() {
    let lab = Lab::new(2).build();
    let (own, other) = (lab.host(0), lab.host(1));
    let realm = Realm::create(&own, "prod", "");
    let _web1 = realm.start(&other, &Member::agent("web1").label("role=web"), "");
    let mut variable =
        of_the_manual("variable")(&own).arg(realm.issue(&Member::agent("queue"))).start_dialogue();
    variable.wait_stdout("the variable", DEADLINE, |out| out == b"queue: 17\n");
    for (page, word, lines) in [
        ("node", "web1", ["of the realm prod\n", "web1 answered after"]),
        ("question", "", ["web1: ", "1 answered\n"]),
        ("report", "", ["1 of 2 answered\n", "queue: no_variable\n"]),
        ("value", "", ["17 jobs\n", "{\"jobs\": 17, \"queue\": \"mail\"}\n"]),
        ("members", "", ["web1 (agent) is alive role=web\n", "queue (agent) is alive\n"]),
        ("packed", "", ["kind 1, ", "kind 2, "]),
    ] {
        let output =
            of_the_manual(page)(&own).args(word.split_whitespace().map(str::to_owned)).ok();
        lines.iter().for_each(|line| assert!(output.contains(line), "{page}: {output}"));
    }
    let nowhere = of_the_manual("errors")(&own).run();
    assert_eq!(nowhere.code, 1, "{nowhere}");
    assert!(nowhere.stdout.contains("no_realm: "), "{nowhere}");
    let mut event = of_the_manual("event")(&own).arg("app.queue.*").start();
    let wanted: &[u8] = b"queue: app.queue.length = 17 {job}\n";
    event.wait_stdout("an event", DEADLINE, |out| out.ends_with(wanted));
    event.kill();
    variable.hush();
    assert_eq!(variable.wait(DEADLINE).code, 0);
}

#[test]
fn the_monitor_acts_where_the_load_is_high() {
    programs::monitor(built("monitor", How::C));
}

#[test]
fn the_variables_that_there_are_are_listed() {
    let lab = Lab::new(2).build();
    let (own, other) = (lab.host(0), lab.host(1));
    let realm = Realm::create(&own, "prod", "");
    let _web1 = realm.start(&other, &Member::agent("web1"), "");
    stage::build("examples/variables.c", How::Cpp);
    let output = built("variables", How::C)(&own).ok();
    assert!(output.contains("web1: system.cpu.load_1m float [{thread}]\n"), "{output}");
}

#[test]
fn the_exporter_is_read_and_set() {
    programs::exporter(built("exporter", How::Cpp));
}

#[test]
fn the_dashboard_shows_what_changes() {
    programs::dashboard(built("dashboard", How::C));
}
