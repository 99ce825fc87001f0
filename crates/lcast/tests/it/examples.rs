//! The programs of the book, at work among real agents.

use lcast_lab::{Host, Job, programs};

/// An example, which cargo has built for the tests of the package.
fn built(example: &str) -> impl Fn(&Host) -> Job {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().unwrap().join("../examples").join(example);
    let path = path.canonicalize().expect("cargo test without --test builds the examples");
    move |host| host.command(path.to_str().unwrap())
}

#[test]
fn the_monitor_acts_where_the_load_is_high() {
    programs::monitor(built("monitor"));
}

#[test]
fn the_exporter_is_read_and_set() {
    programs::exporter(built("exporter"));
}

#[test]
fn the_dashboard_shows_what_changes() {
    programs::dashboard(built("dashboard"));
}
