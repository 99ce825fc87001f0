//! The doctor: each scenario breaks the network, has the doctor name the cause, runs the command
//! that it prints as it is printed, and finds the doctor content.

use lcast_lab::{DEADLINE, Host, Job, Lab, Realm, wait_until};
use serde_json::Value;

mod buffers;
mod fleet;
mod host;

/// What the doctor found.
struct Checkup {
    code: i32,
    json: Value,
}

impl Checkup {
    fn run(doctor: &Job) -> Self {
        let output = doctor.clone().arg("--json").run();
        let json = serde_json::from_str(&output.stdout);
        let json = json.unwrap_or_else(|error| panic!("no document ({error}): {output}"));
        Self { code: output.code, json }
    }

    fn ids(&self) -> Vec<&str> {
        let findings = self.json["findings"].as_array().expect("a list of findings");
        findings.iter().map(|it| it["id"].as_str().expect("an id")).collect()
    }

    /// The finding of this cause.
    fn finding(&self, id: &str) -> &Value {
        let findings = self.json["findings"].as_array().expect("a list of findings");
        let found = findings.iter().find(|it| it["id"] == id);
        found.unwrap_or_else(|| panic!("no {id}: {:#}", self.json))
    }
}

/// The doctor names this cause first, and the exit code says that there is something.
fn diagnosed(doctor: &Job, id: &str) -> Value {
    let checkup = Checkup::run(doctor);
    assert_eq!(checkup.code, 3, "{:#}", checkup.json);
    assert_eq!(checkup.ids().first(), Some(&id), "{:#}", checkup.json);
    checkup.finding(id).clone()
}

/// Runs the command of a finding, as printed, at a host.
fn mend(host: &Host, finding: &Value) {
    host.shell(finding["command"].as_str().expect("a command")).ok();
}

/// The doctor has nothing to say, whoever may not run.
fn sound(doctor: &Job) -> Checkup {
    let checkup = Checkup::run(doctor);
    assert_eq!((checkup.code, checkup.ids()), (0, Vec::new()), "{:#}", checkup.json);
    checkup
}

/// Waits until the doctor has nothing to say: a mended card takes a second to get an address.
fn content(doctor: &Job) {
    wait_until("the doctor to be content", DEADLINE, || Checkup::run(doctor).code == 0);
    sound(doctor);
}

/// Leaves the first card of a host with its link-local address alone.
fn narrow(host: &Host) {
    let address = host.addresses(0).1;
    host.shell(&format!("ip -6 address del {address}/64 dev eth0")).ok();
}

/// Rules of a host's own, for what comes in or goes out.
fn rules(host: &Host, hook: &str, rules: &str) {
    let rules = format!(
        "table inet own {{ chain {hook} {{ type filter hook {hook} priority 0; {rules}\n}}\n}}\n"
    );
    host.command("nft").args(["-f", "-"]).input(rules).ok();
}
