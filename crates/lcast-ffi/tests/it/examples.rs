//! The programs of the book, at work among real agents.

use lcast_lab::{Host, Job, programs};

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

#[test]
fn the_monitor_acts_where_the_load_is_high() {
    programs::monitor(built("monitor", How::C));
}

#[test]
fn the_exporter_is_read_and_set() {
    programs::exporter(built("exporter", How::Cpp));
}

#[test]
fn the_dashboard_shows_what_changes() {
    programs::dashboard(built("dashboard", How::C));
}
