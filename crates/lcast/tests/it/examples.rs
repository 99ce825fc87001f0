//! The programs of the book, at work among real agents.

use lcast_lab::{DEADLINE, Lab, Member, Realm};
use rustix::process::Signal;

pub(crate) const EXAMPLES: [&str; 3] = ["monitor", "exporter", "dashboard"];

/// An agent's configuration: a load and a setting.
fn config(load: f64) -> String {
    format!(
        "[[variable]]\nname = \"app.load\"\ntype = \"float\"\nvalue = {load:?}\n\n\
         [[setting]]\nname = \"app.queue.workers\"\ntype = \"int\"\ndefault = 8\n"
    )
}

/// The path of an example, which cargo has built for the tests of the package.
fn built(example: &str) -> String {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().unwrap().join("../examples").join(example);
    let path = path.canonicalize().expect("cargo test without --test builds the examples");
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_monitor_acts_where_the_load_is_high() {
    let lab = Lab::new(3).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let _calm = realm.start(&lab.host(1), &Member::agent("calm"), &config(0.5));
    let _busy = realm.start(&lab.host(2), &Member::agent("busy"), &config(3.5));
    let words = ["app.load", "2.0", "app.queue.workers", "2"];
    let output = lab.host(0).command(&built("monitor")).args(words).ok();
    for line in ["calm: app.load = 0.5", "busy: app.load = 3.5", "2 of 2 answered"] {
        assert!(output.contains(line), "{output}");
    }
    assert!(output.contains("busy: app.queue.workers is applied"), "{output}");
    assert!(!output.contains("calm: app.queue.workers"), "{output}");
    let answer = realm.ask("get app.queue.workers");
    assert_eq!(answer.value("busy", "app.queue.workers"), 2);
    assert_eq!(answer.value("calm", "app.queue.workers"), 8);
}

#[test]
fn the_exporter_is_read_and_set() {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let credential = realm.issue(&Member::agent("queue"));
    let mut process = lab.host(1).command(&built("exporter")).arg(credential).start();
    process.wait_stdout("the exporter", DEADLINE, |out| out == b"queue: 17 jobs, 4 workers\n");
    let answer = realm.ask("get app.queue.length app.queue.workers");
    answer.check(0, &[("answered", 1)]);
    assert_eq!(answer.value("queue", "app.queue.workers"), 4);
    realm.ask("set app.queue.workers=8").check(0, &[("answered", 1)]);
    process.wait_stdout("the change", DEADLINE, |out| out.ends_with(b"working with 8\n"));
    process.signal(Signal::TERM);
    assert_eq!(process.wait(DEADLINE).code, 0);
}

#[test]
fn the_dashboard_shows_what_changes() {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let mut agent = realm.start(&lab.host(1), &Member::agent("web1"), &config(0.5));
    let dashboard = built("dashboard");
    let mut process = lab.host(0).command(&dashboard).arg("app.queue.workers").start();
    let has = |text: &'static str| {
        move |out: &[u8]| String::from_utf8_lossy(out).lines().any(|line| line.trim() == text)
    };
    process.wait_stdout("the first value", DEADLINE, has("web1: app.queue.workers = 8"));
    process.wait_stdout("the report", DEADLINE, has("1 nodes are watched"));
    realm.ask("set app.queue.workers=5").check(0, &[("answered", 1)]);
    process.wait_stdout("the change", DEADLINE, has("web1: app.queue.workers = 5"));
    agent.stop();
    process.wait_stdout("the goodbye", DEADLINE, has("web1: left"));
    process.signal(Signal::TERM);
    assert_eq!(process.wait(DEADLINE).code, 0);
}
