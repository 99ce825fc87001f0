//! What stays on one host: the realm `local`, realms of scope `host`, and the demonstration.

use std::collections::BTreeSet;

use lcast_lab::{Agent, Answer, Capture, DEADLINE, Frame, Host, Job, Lab, Member, Realm};
use lcast_lab::{wait_for, wait_until};

use crate::fleet::CONFIG;

/// Nothing of ours passed the card: no UDP, and no listener report for a host's own groups.
fn check_silent(capture: &mut Capture) {
    let frames = capture.frames();
    let udp: Vec<_> = frames.iter().filter_map(Frame::datagram).collect();
    assert_eq!(udp, [], "datagrams left the host");
    for group in frames.iter().flat_map(Frame::reported_groups) {
        let scope = group.octets()[1] & 0x0f;
        assert!(scope > 1, "the host's own group {group} was reported to its link");
    }
}

/// A lab of one host beside another, which has a card or only `lo`.
fn one_host(card: bool) -> (Lab, Host) {
    let lab = if card { Lab::new(2) } else { Lab::new(1).attach(0, &[]) };
    let lab = lab.build();
    let host = lab.host(0);
    (lab, host)
}

/// Whichever of the two is missing is what is told.
#[test]
fn a_demonstration_says_why_it_cannot_begin() {
    for (fault, told) in [
        ("ip link set lo down", "librecast: bring lo up with 'ip link set lo up'"),
        ("sysctl -w net.ipv6.conf.lo.disable_ipv6=1", "librecast: IPv6 is switched off"),
    ] {
        let (_lab, host) = one_host(false);
        host.shell(fault).ok();
        let output = host.librecast("demo").run();
        assert_eq!(output.code, 6, "{output}");
        assert!(output.stderr.starts_with(told), "{output}");
    }
}

fn local_realm(card: bool) {
    let (_lab, host) = one_host(card);
    let mut capture = card.then(|| host.capture("eth0"));
    let agent = host.librecast("agent").unprivileged();
    let mut agent = agent.start();
    let ask = || host.librecast("get host.name --json").unprivileged().run();
    let answer = wait_for("the agent of the realm 'local'", DEADLINE, || {
        let output = ask();
        (output.code == 0).then(|| Answer::read(output))
    });
    answer.check(0, &[("answered", 1)]);
    let value = answer.replies().values().next().unwrap()["variables"]["host.name"].clone();
    assert_eq!(value["value"], "h0");
    let scope = host.librecast("realm show local").unprivileged().ok();
    assert!(scope.contains("host"), "{scope}");
    assert!(agent.is_running());
    let log = agent.stderr();
    assert!(log.contains("'local'") && log.contains("no other machine sees"), "{log}");
    if let Some(capture) = &mut capture {
        check_silent(capture);
    }
}

#[test]
fn the_local_realm_needs_no_card() {
    local_realm(false);
}

/// [WIR-13]
#[test]
fn the_local_realm_sends_nothing_by_a_card() {
    local_realm(true);
}

/// What systemd gives a service: folders of the system, and no home.
fn service(host: &Host, words: &str) -> Job {
    let job = host.librecast(words).without_env("HOME").without_env("LIBRECAST_HOME");
    job.env("CONFIGURATION_DIRECTORY", host.path("etc")).env("STATE_DIRECTORY", host.path("var"))
}

#[test]
fn a_service_of_the_system_needs_no_home() {
    let (_lab, host) = one_host(false);
    let realm = Realm::create(&host, "prod", "--scope host");
    let credential = realm.issue(&Member::agent("web1"));
    service(&host, &format!("join --system {credential}")).ok();
    host.shell(&format!("cat >{}/agent.toml", host.path("etc"))).input(CONFIG).ok();
    let mut agent = service(&host, "agent").start();
    let answer = wait_for("the system's agent", DEADLINE, || {
        let output = host.librecast("get host.name app.greeting --json").run();
        (output.code == 0).then(|| Answer::read(output))
    });
    assert_eq!(answer.answered(), ["web1"]);
    assert!(answer.value("web1", "app.greeting").is_string(), "agent.toml was not read");
    assert!(agent.is_running());
    let kept = host.command("ls").arg(host.path("var/prod/web1")).ok();
    assert!(kept.contains("lock"), "no state in the system's folder: {kept}");
}

/// Root tries the agent by hand, sets something, and leaves the rest to systemd.
#[test]
fn settings_of_the_system_s_agent_are_kept_whoever_starts_it() {
    let (_lab, host) = one_host(false);
    let realm = Realm::create(&host, "prod", "--scope host");
    let credential = realm.issue(&Member::agent("web1"));
    let operator = realm.issue(&Member::client("operator").role("operator"));
    service(&host, &format!("join --system {credential}")).ok();
    host.shell(&format!("cat >{}/agent.toml", host.path("etc"))).input(CONFIG).ok();
    let by_hand = |words: &str| {
        let folder = |name: &str| host.path(name);
        let job = host.librecast(words).env("LIBRECAST_HOME", folder("root"));
        job.env("CONFIGURATION_DIRECTORY", folder("etc")).env("STATE_DIRECTORY", folder("var"))
    };
    let etc = host.path("etc");
    let file = format!("--credential {etc}/realms/prod/agents/web1 --config {etc}/agent.toml");
    let from_file = by_hand(&format!("agent {file}"));
    let mut kept = String::new();
    for start in [by_hand("agent"), service(&host, "agent"), from_file] {
        let mut agent = start.start();
        let answer = wait_for("the system's agent", DEADLINE, || {
            let words = "get app.greeting --json --credential";
            let output = host.librecast(&format!("{words} {operator}")).run();
            (output.code == 0).then(|| Answer::read(output))
        });
        assert_eq!(answer.value("web1", "app.greeting"), &*kept);
        kept.push('x');
        host.librecast(&format!("set app.greeting={kept} --credential {operator}")).ok();
        agent.signal(rustix::process::Signal::TERM);
        assert_eq!(agent.wait(DEADLINE).code, 0);
    }
    assert_ne!(host.command("test").args(["-e", &host.path("root/state")]).run().code, 0);
}

#[test]
fn a_realm_that_was_passed_over_is_named_before_the_one_taken() {
    let (_lab, host) = one_host(false);
    // Root may open any file, so the credential is something that nobody can open.
    let folder = host.path("etc/realms/prod");
    let line = format!("mkdir -p {folder} && ln -s credential {folder}/credential");
    host.shell(&line).ok();
    let ask = host.librecast("get host.name").env("CONFIGURATION_DIRECTORY", host.path("etc"));
    let output = ask.run();
    assert_eq!(output.code, 4, "{output}");
    let expected = "an agent of realm 'prod' runs here; its credential is readable by group \
                    librecast\nso realm 'local' was asked";
    assert!(output.stderr.contains(expected), "{output}");
    assert!(!output.stderr.contains("start one"), "{output}");
}

/// A job of another user: one with another uid where root made the lab, else one that shares
/// nothing but the uid.
fn other_user(lab: &Lab, host: &Host, job: Job) -> Job {
    let home = host.path("other");
    // Once: later an agent is at work in it.
    let owner = if lab.has_many_users() { "2001:2001" } else { "0:0" };
    let line = format!(
        "test -d {home} || {{ mkdir -p {home}/home {home}/runtime && chmod -R 700 {home} && \
         chown -R {owner} {home}; }}"
    );
    host.command("sh").args(["-c", &line]).ok();
    let job = job
        .env("HOME", format!("{home}/home"))
        .env("LIBRECAST_HOME", format!("{home}/librecast"))
        .env("XDG_RUNTIME_DIR", format!("{home}/runtime"))
        .env("TMPDIR", format!("{home}/home"));
    if !lab.has_many_users() {
        return job;
    }
    job.wrapped(&["setpriv", "--reuid=2001", "--regid=2001", "--clear-groups", "--"])
}

fn two_users(card: bool) {
    let (lab, host) = one_host(card);
    let mut capture = card.then(|| host.capture("eth0"));
    let realm = Realm::create(&host, "shared", "--scope host");
    let _mine = realm.start(&host, &Member::agent("mine"), CONFIG);
    let credential = realm.issue(&Member::agent("theirs"));
    if lab.has_many_users() {
        host.command("chown").args(["2001:2001", &credential]).ok();
    }
    let mut theirs = Agent::prepare(&host, "theirs", &credential, CONFIG);
    if lab.has_many_users() {
        // Its files are under a folder of root's.
        theirs.job = host
            .librecast("agent --credential")
            .arg(credential)
            .args(["--state".to_owned(), host.path("other/state")])
            .env("NOTIFY_SOCKET", theirs.notify.clone());
    }
    theirs.job = other_user(&lab, &host, theirs.job);
    theirs.start();
    let answer = realm.ask("get host.name");
    answer.check(0, &[("answered", 2)]);
    assert_eq!(answer.answered(), ["mine", "theirs"]);

    // Two users' realms `local` are two realms.
    let mut local = other_user(&lab, &host, host.librecast("agent")).start();
    let ask = |job: Job| Answer::read(job.run());
    let words = "get host.name --json --realm local";
    wait_until("the other user's own agent", DEADLINE, || {
        ask(other_user(&lab, &host, host.librecast(words))).code() == 0
    });
    assert!(local.is_running());
    assert_eq!(ask(host.librecast(words)).code(), 4, "a stranger's agent answered");
    if let Some(capture) = &mut capture {
        check_silent(capture);
    }
}

/// [SEC-78]
#[test]
fn users_of_one_host_meet_without_a_card() {
    two_users(false);
}

#[test]
fn users_of_one_host_meet_beside_a_card() {
    two_users(true);
}

fn demo(card: bool) {
    let (lab, host) = one_host(card);
    let mut capture = card.then(|| host.capture("eth0"));
    let home = host.path("no-such-home");
    let job = host.librecast("demo").env("HOME", home.clone()).without_env("LIBRECAST_HOME");
    let mut demo = job.env("XDG_RUNTIME_DIR", home).unprivileged().start();
    let mut agents = BTreeSet::new();
    while demo.is_running() {
        agents.extend(lab.programs().into_iter().filter(|(_, line)| {
            line.get(1..).is_some_and(|words| words.iter().any(|word| word == "agent"))
                && line[0] == lcast_lab::binary()
        }));
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    let output = demo.wait(DEADLINE * 2);
    assert_eq!(output.code, 0, "{output}");
    assert!(agents.len() >= 4, "only these agents ran: {agents:?}\n{output}");
    let said = format!("{}{}", output.stdout, output.stderr);
    let used = if card { "multicast" } else { "unicast" };
    for part in ["h0", "librecast get host.name system.cpu.load_1m", "missing", used] {
        assert!(said.contains(part), "no '{part}' in {output}");
    }
    wait_until("the demonstration's agents to be gone", DEADLINE, || {
        let left = lab.programs();
        !left.iter().any(|(pid, _)| agents.iter().any(|(agent, _)| agent == pid))
    });
    let left = host.command("ls").arg(host.path("tmp")).ok();
    assert_eq!(left, "", "the demonstration left files behind");
    if let Some(capture) = &mut capture {
        check_silent(capture);
    }
}

#[test]
fn the_demonstration_is_quiet_when_told_so() {
    let (_lab, host) = one_host(false);
    let output = host.librecast("demo --quiet").limit(DEADLINE * 2).run();
    assert_eq!((output.code, &*output.stderr), (0, ""), "{output}");
    assert!(output.stdout.contains("librecast get host.name"), "{output}");
}

#[test]
fn the_demonstration_runs_beside_a_card() {
    demo(true);
}

#[test]
fn the_demonstration_runs_with_only_lo() {
    demo(false);
}
