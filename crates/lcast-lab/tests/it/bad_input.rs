//! What is wrong is named, with its place and a way out, and changes nothing.

use serde_json::Value;

use lcast_lab::{DEADLINE, Lab, Member, Realm, wait_until};

use crate::fleet::{CONFIG, Fleet};

#[test]
fn malformed_words_are_refused_before_anything_is_sent() {
    let fleet = Fleet::new(1, 0, CONFIG);
    let mut capture = fleet.lab.host(0).capture("eth0");
    let cases: &[(&[&str], &str)] = &[
        (&["get", "system..load"], "system..load"),
        (&["get", "System.cpu"], "System"),
        (&["get", "system.filesystem[\"/var\""], "system.filesystem"),
        (&["get", "host.name", "--where", "system.memory.usage >"], "system.memory.usage >"),
        (&["get", "host.name", "--where", "a.b == 1 &&& c.d"], "^"),
        (&["get", "host.name", "--where", "a.b matches"], "^"),
        (&["get", "host.name", "--where", "a.b.matches('(')"], "^"),
        (&["get", "host.name", "--timeout", "5"], "5"),
        (&["get", "host.name", "--timeout", "5 parsecs"], "parsecs"),
        (&["get", "host.name", "--require", "most"], "most"),
        (&["get", "host.name", "--label", "role"], "role"),
        (&["get", "host.name", "--nodes-from", "/no/such/file"], "/no/such/file"),
        (&["get", "host.name", "--realm", "nowhere"], "nowhere"),
        (&["set", "app.limit"], "app.limit"),
        (&["set", "app.limit:=many"], "many"),
        (&["set", "app.limit=1", "--if-version", "seven"], "seven"),
        (&["gett", "host.name"], "get"),
        (&["get"], "PATTERN"),
    ];
    for (words, part) in cases {
        let output = fleet.realm.admin("").args(words.iter().copied()).run();
        assert_eq!(output.code, 2, "{output}");
        assert!(output.stderr.contains(part), "no '{part}' in {output}");
        assert!(output.stdout.is_empty(), "{output}");
        assert!(!output.stderr.contains("panicked"), "{output}");
        let output = fleet.realm.admin("").args(words.iter().copied()).arg("--json").run();
        assert_eq!(output.code, 2, "{output}");
        let document: Value = serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("not one document ({error}): {output}"));
        assert!(document["error"]["message"].is_string(), "{output}");
    }
    let own = fleet.lab.host(0).addresses(0);
    let sent = capture.datagrams().into_iter().filter(|datagram| {
        let source = *datagram.source.ip();
        source == own.0 || source == own.1
    });
    assert_eq!(sent.count(), 0, "something was sent");
}

/// A shell passes a pipe by `<(...)`: it is read, up to a limit, and Ctrl-C ends the wait for it.
#[test]
fn names_come_from_pipes_and_what_has_no_end_is_given_up() {
    let fleet = Fleet::new(2, 0, CONFIG);
    let host = fleet.lab.host(0);
    let ask = |source: &str| {
        let job = fleet.realm.admin("get host.name --names");
        job.args(["--nodes-from", source])
    };
    host.shell("mkfifo names silent && mkdir folder").ok();
    let writer = host.shell("echo db2 >names").start();
    let output = ask("names").run();
    assert_eq!((output.code, output.stdout.as_str()), (0, "db2\n"), "{output}");
    drop(writer);
    let output = ask("/dev/stdin").input("web1\n").run();
    assert_eq!((output.code, output.stdout.as_str()), (0, "web1\n"), "{output}");
    for (source, part) in [("/dev/zero", "longer than 16 MiB"), ("folder", "folder")] {
        let output = ask(source).run();
        assert_eq!(output.code, 2, "{output}");
        assert!(output.stderr.contains(&format!("'{source}'")), "{output}");
        assert!(output.stderr.contains(part), "{output}");
    }
    let mut waiting = ask("silent").start();
    // SIGINT may be ignored: the shell that runs the tests in its background has it so.
    waiting.signal(rustix::process::Signal::TERM);
    assert_eq!(waiting.wait(DEADLINE).code, 143);
}

#[test]
fn malformed_configurations_name_their_place() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "");
    let credential = realm.issue(&Member::agent("web1"));
    for (config, part) in [
        ("[[variable]\nname = 1", "1"),
        ("[[variable]]\nname = \"App.Release\"\nvalue = \"1\"", "App.Release"),
        ("[[variable]]\nname = \"app.release\"", "app.release"),
        ("[[variable]]\nname = \"app.release\"\nvalue = \"1\"\ncolour = \"red\"", "colour"),
        ("[[setting]]\nname = \"app.limit\"\ntype = \"integer\"", "integer"),
        ("[[setting]]\nname = \"app.limit\"\ntype = \"int\"\ndefault = \"five\"", "five"),
        (
            "[[variable]]\nname = \"app.a\"\nvalue = \"1\"\n\
             [[variable]]\nname = \"app.a.b\"\nvalue = \"1\"",
            "app.a.b",
        ),
        ("[[variable]]\nname = \"app.a\"\ncommand = [\"true\"]\ninterval = \"soon\"", "soon"),
        ("[[variable]]\nname = \"app.a\"\ncommand = [\"true\"]\nformat = \"xml\"", "xml"),
    ] {
        let words = format!("agent --credential {credential} --config bad.toml --state state");
        let line = format!("cat >bad.toml; exec librecast {words}");
        let output = host.shell(&line).input(config).run();
        assert_eq!(output.code, 2, "{config}\n{output}");
        for part in ["bad.toml", part] {
            assert!(output.stderr.contains(part), "no '{part}' for\n{config}\n{output}");
        }
    }
}

#[test]
fn broken_files_are_named() {
    let lab = Lab::new(2).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "");
    let credential = realm.issue(&Member::agent("web1"));
    let client = realm.issue(&Member::client("reader"));
    for line in [
        "head -c 100 {} >broken",
        "tr a-f b-g <{} >broken",
        "echo hello >broken",
        ": >broken",
        "head -c 3000000 /dev/zero >broken",
        "mkdir -p folder; rm -f broken; ln -s folder broken",
    ] {
        let make = format!("rm -rf broken; {}; chmod 600 broken", line.replace("{}", &client));
        host.shell(&make).ok();
        for verb in ["get host.name", "agent --state x", "join"] {
            let words = match verb {
                "join" => "join broken".to_owned(),
                verb => format!("{verb} --credential broken"),
            };
            let output = host.librecast(&words).run();
            assert_eq!(output.code, 2, "{line}: {output}");
            assert!(output.stderr.contains("broken"), "{line}: {output}");
        }
    }
    let words = format!("get host.name --credential {client} --realm prod");
    let output = host.librecast(&words).run();
    assert_eq!(output.code, 2, "{output}");

    // A state folder that others can enter is told, and used all the same.
    for (mode, told) in [("755", true), ("770", true), ("700", false)] {
        host.shell(&format!("mkdir -p open && chmod {mode} open")).ok();
        let words = format!("agent --credential {credential} --state open");
        let mut agent = host.librecast(&words).start();
        wait_until("the agent's word that it answers", DEADLINE_OF_START, || {
            agent.stderr().contains("the agent answers")
        });
        let part = format!("in 'open' (mode 0{mode}): chmod 700 open");
        assert_eq!(agent.stderr().contains(&part), told, "{mode}: {}", agent.stderr());
        agent.kill();
    }

    // Two agents cannot share a state folder; the second is told of the first.
    let agent = lcast_lab::Agent::prepare(&host, "web1", &credential, CONFIG);
    let mut agent = agent;
    agent.start();
    let second = agent.job.clone().without_env("NOTIFY_SOCKET").run();
    assert_eq!(second.code, 2, "{second}");
    assert!(second.stderr.chars().any(|char| char.is_ascii_digit()), "no pid: {second}");
    assert!(agent.process().is_running());
    realm.ask("get host.name").check(0, &[("answered", 1)]);
    agent.kill();

    // A state file that is none: refused with its name, or set aside, but never a panic.
    let files = format!("find {} -type f -size +0", agent.state);
    for file in host.command("sh").args(["-c", &files]).ok().lines() {
        let spoil = format!("cp {file} {file}.good; head -c 64 /dev/urandom >{file}");
        host.command("sh").args(["-c", &spoil]).ok();
        let output =
            agent.job.clone().without_env("NOTIFY_SOCKET").limit(DEADLINE_OF_START).start();
        let said = ended_or_running(output);
        assert!(!said.contains("panicked"), "{file}: {said}");
        host.command("mv").args([&format!("{file}.good"), file]).ok();
    }
}

const DEADLINE_OF_START: std::time::Duration = std::time::Duration::from_secs(10);

/// What a started agent says until it ends or says that it runs on.
fn ended_or_running(mut process: lcast_lab::Process) -> String {
    let start = std::time::Instant::now();
    while process.is_running() && start.elapsed() < std::time::Duration::from_secs(2) {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    process.stderr()
}

/// Whoever can change the configuration runs commands as the agent's user.
#[test]
fn a_configuration_that_others_can_change_is_told_and_another_users_commands_are_not_run() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "");
    let credential = realm.issue(&Member::agent("web1"));
    let start = "agent --exit-with-stdin --state state --config conf/agent.toml";
    let start = || host.librecast(start).args(["--credential", &credential]);
    host.shell("mkdir conf && cat >conf/agent.toml && chmod 660 conf/agent.toml && chmod 777 conf")
        .input("[[variable]]\nname = 'app.x'\ncommand = ['true']\n")
        .ok();
    let output = start().run();
    assert_eq!(output.code, 0, "{output}");
    for part in [
        "the configuration 'conf/agent.toml'",
        "(mode 0660)",
        "chmod go-w conf/agent.toml",
        "the configuration's folder 'conf'",
        "(mode 0777)",
        "chmod go-w conf\n",
    ] {
        assert!(output.stderr.contains(part), "no '{part}' in {output}");
    }
    // What everybody can write is everybody's: its commands are not run. Without any it only says
    // what it likes.
    host.shell("chmod 666 conf/agent.toml").ok();
    let output = start().run();
    assert_eq!(output.code, 2, "{output}");
    for part in ["'conf/agent.toml'", "(mode 0666)", "chmod go-w conf/agent.toml", "commands"] {
        assert!(output.stderr.contains(part), "no '{part}' in {output}");
    }
    host.shell("echo >conf/none.toml && chmod 666 conf/none.toml").ok();
    let line = "agent --exit-with-stdin --state state --config conf/none.toml";
    let output = host.librecast(line).args(["--credential", &credential]).run();
    assert!(output.code == 0 && output.stderr.contains("chmod go-w conf/none.toml"), "{output}");
    host.shell("chmod go-w conf conf/agent.toml").ok();
    let output = start().run();
    assert!(output.code == 0 && !output.stderr.contains("chmod"), "{output}");
    if !lab.has_many_users() {
        return;
    }
    host.shell("chown 2001 conf/agent.toml").ok();
    let output = start().run();
    assert_eq!(output.code, 2, "{output}");
    for part in ["'conf/agent.toml' belongs to user 2001", "chown -h 0 conf/agent.toml", "commands"]
    {
        assert!(output.stderr.contains(part), "no '{part}' in {output}");
    }
    // Without commands it only says what it likes.
    host.shell("echo >conf/agent.toml && chown 2001 state").ok();
    let output = start().run();
    assert_eq!(output.code, 0, "{output}");
    for part in ["'conf/agent.toml' belongs to user 2001", "the state folder 'state' belongs to"] {
        assert!(output.stderr.contains(part), "no '{part}' in {output}");
    }
}

/// A full disk, or a reader of the log that has ended, is no reason to leave a fleet.
#[test]
fn an_agent_whose_log_cannot_be_written_goes_on() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "");
    let credential = realm.issue(&Member::agent("web1"));
    let to_nowhere = ["sh", "-c", "exec \"$@\" 2>/dev/full", "sh"];
    let agent = host.librecast("agent --exit-with-stdin --state state");
    let output = agent.args(["--credential", &credential]).wrapped(&to_nowhere).run();
    assert_eq!(output.code, 0, "{output}");
}
