//! The three programs that the book shows in every language, at work among real agents.

use rustix::process::Signal;

use crate::{DEADLINE, Host, Job, Lab, Member, Realm};

/// The names of their files, without what ends those of a language.
pub const NAMES: [&str; 3] = ["monitor", "exporter", "dashboard"];

/// An agent's configuration: a load and a setting.
fn config(load: f64) -> String {
    format!(
        "[[variable]]\nname = \"app.load\"\ntype = \"float\"\nvalue = {load:?}\n\n\
         [[setting]]\nname = \"app.queue.workers\"\ntype = \"int\"\ndefault = 8\n"
    )
}

/// A monitor sets a setting where a variable is too high, and nowhere else.
pub fn monitor(command: impl Fn(&Host) -> Job) {
    let lab = Lab::new(3).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let _calm = realm.start(&lab.host(1), &Member::agent("calm"), &config(0.5));
    let _busy = realm.start(&lab.host(2), &Member::agent("busy"), &config(3.5));
    let words = ["app.load", "2.0", "app.queue.workers", "2"];
    let output = command(&lab.host(0)).args(words).ok();
    for line in ["calm: app.load = 0.5", "busy: app.load = 3.5", "2 of 2 answered"] {
        assert!(output.contains(line), "{output}");
    }
    assert!(output.contains("busy: app.queue.workers is applied"), "{output}");
    assert!(!output.contains("calm: app.queue.workers"), "{output}");
    let answer = realm.ask("get app.queue.workers");
    assert_eq!(answer.value("busy", "app.queue.workers"), 2);
    assert_eq!(answer.value("calm", "app.queue.workers"), 8);
}

/// An exporter is read and set, and ends in order.
pub fn exporter(command: impl Fn(&Host) -> Job) {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let credential = realm.issue(&Member::agent("queue"));
    let mut process = command(&lab.host(1)).arg(credential).start();
    process.wait_stdout("the exporter", DEADLINE, |out| out == b"queue: 17 jobs, 4 workers\n");
    let answer = realm.ask("get app.queue.length app.queue.workers");
    answer.check(0, &[("answered", 1)]);
    assert_eq!(answer.value("queue", "app.queue.workers"), 4);
    realm.ask("set app.queue.workers=8").check(0, &[("answered", 1)]);
    process.wait_stdout("the change", DEADLINE, |out| out.ends_with(b"working with 8\n"));
    process.signal(Signal::TERM);
    assert_eq!(process.wait(DEADLINE).code, 0);
}

/// A dashboard shows what is there, what changes, and who leaves.
pub fn dashboard(command: impl Fn(&Host) -> Job) {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let mut agent = realm.start(&lab.host(1), &Member::agent("web1"), &config(0.5));
    let mut process = command(&lab.host(0)).arg("app.queue.workers").start();
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
