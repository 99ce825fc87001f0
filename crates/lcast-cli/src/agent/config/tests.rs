//! Configuration files, good and bad.

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("agent.toml"))
}

/// Expects an error at `place` whose message contains every one of `parts`.
fn check_error(text: &str, place: &str, parts: &[&str]) {
    let error = parse(text).expect_err(text);
    let shown = error.to_string();
    assert!(shown.starts_with(&format!("agent.toml:{place}: ")), "{shown}");
    for part in parts {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
}

const WHOLE: &str = r#"
[[variable]]
name = "app.disk_check"
command = ["/usr/lib/nagios/plugins/check_disk", "-w", "10%"]
format = "nagios"
interval = "5m"
timeout = "2s"
output_max = 1000
user = "nagios"
description = "disk space"

[[variable]]
name = "app.release"
file = "/etc/app/release"
type = "int"
unit = "1"
kind = "counter"

[[variable]]
name = "app.site"
value = "berlin"

[[variable]]
name = "app.ratio"
value = 1
type = "float"

[[setting]]
name = "app.greeting"
type = "text"
max_len = 64
default = ""
choices = ["", "hello"]

[[setting]]
name = "app.level"
type = "float"
min = 0
max = 1.5
default = 1
unit = "1"

[builtin]
filesystem = { include = ["/run"], exclude = ["nfs*"] }
processes = ["nginx"]

[network]
interfaces = ["eth0"]

[policy]
read_deny = ["host", "system.network"]
set_roles = ["operator"]
"#;

#[test]
fn a_whole_file_is_read() {
    let config = parse(WHOLE).unwrap();
    let [disk, release, site, ratio] = &config.variables[..] else { panic!() };
    let Source::Command(command) = &disk.source else { panic!() };
    assert_eq!(command.arguments.len(), 3);
    assert_eq!((command.timeout, command.output_max), (Duration::from_secs(2), 1000));
    assert_eq!(command.user.as_deref(), Some("nagios"));
    assert_eq!((disk.format, disk.interval), (Format::Nagios, Duration::from_secs(300)));
    assert_eq!(release.source, Source::File("/etc/app/release".into()));
    assert_eq!((release.value_type, release.kind), (Some(Type::Int), Kind::Counter));
    assert_eq!(release.interval, Variable::FILE_INTERVAL);
    assert_eq!((&site.source, site.kind), (&Source::Value("berlin".into()), Kind::Info));
    assert_eq!(ratio.source, Source::Value(Value::Float(1.0)));
    let [greeting, level] = &config.settings[..] else { panic!() };
    assert_eq!(greeting.default, Value::from(""));
    assert_eq!(greeting.definition.setting.as_ref().unwrap().length_max, Some(64));
    assert_eq!(level.default, Value::Float(1.0));
    assert_eq!(level.definition.setting.as_ref().unwrap().max, Some(1.5));
    assert_eq!(config.builtin.processes, ["nginx"]);
    assert_eq!(config.network.interfaces, ["eth0"]);
    assert_eq!(config.policy.read_deny.len(), 2);
    assert_eq!(config.policy.set_roles, Some(vec!["operator".to_owned()]));
}

#[test]
fn an_empty_file_is_no_error() {
    assert_eq!(parse(""), Ok(Config::default()));
    assert_eq!(parse("# nothing\n"), Ok(Config::default()));
}

#[test]
fn defaults_of_commands() {
    let config = parse("[[variable]]\nname = 'app.a'\ncommand = ['x']\ninterval = '5s'").unwrap();
    let Source::Command(command) = &config.variables[0].source else { panic!() };
    assert_eq!(command.timeout, Duration::from_secs(5));
    assert_eq!(command.output_max, 65_536);
    let config = parse("[[variable]]\nname = 'app.a'\ncommand = ['x']").unwrap();
    let Source::Command(command) = &config.variables[0].source else { panic!() };
    assert_eq!(command.timeout, Duration::from_secs(10));
    assert_eq!(config.variables[0].interval, Duration::from_secs(60));
}

#[test]
fn mistakes_are_named_with_their_place_and_a_way_out() {
    check_error("[[variable]\n", "1:12", &["expected `]`"]);
    check_error("intervall = 1", "1:1", &["`intervall`", "variable"]);
    check_error("[netwrok]\n", "1:2", &["`netwrok`", "network"]);
    check_error("[builtin]\nfilesystem = { inlcude = [] }", "2:16", &["`inlcude`", "include"]);
    check_error("[[variable]]\nfile = '/x'", "1:1", &["missing field `name`"]);
    let variable = |rest: &str| format!("[[variable]]\nname = 'app.a'\n{rest}");
    let command = |rest: &str| variable(&format!("command = ['x']\n{rest}"));
    for (text, place, parts) in [
        (variable(""), "2:8", &["'app.a'", "command", "file", "value"][..]),
        (variable("file = '/x'\nvalue = 1"), "2:8", &["exactly one"]),
        (variable("file = 'x'"), "3:8", &["'x'", "begin with /"]),
        (variable("file = 1"), "3:8", &["string"]),
        (variable("command = 'uptime -p'"), "3:11", &["uptime -p", "as a list", "[\"/usr/bin"]),
        (variable("command = []"), "3:11", &["empty"]),
        (variable("command = ['x', 1]"), "3:11", &["1 is no text"]),
        (variable("command = ['']"), "3:11", &["empty"]),
        (command("interval = 60"), "4:12", &["interval = 60", "\"60s\""]),
        (command("interval = 'soon'"), "4:12", &["'soon'", "250ms", "1h"]),
        (command("interval = '500ms'"), "4:12", &["1s to 30d"]),
        (command("interval = '31d'"), "4:12", &["1s to 30d"]),
        (command("interval = '1s'\ntimeout = '2s'"), "5:11", &["timeout", "interval"]),
        (command("timeout = '0s'"), "4:11", &["1ms"]),
        (command("output_max = 0"), "4:14", &["output_max = 0", "1048576"]),
        (command("output_max = 1048577"), "4:14", &["1048577", "1048576"]),
        (command("output_max = -1"), "4:14", &["-1"]),
        (command("user = ''"), "4:8", &["user is empty"]),
        (command("format = 'yaml'"), "4:10", &["'yaml'", "json", "nagios"]),
        (command("type = 'integer'"), "4:8", &["'integer'", "int, float"]),
        (command("type = 'null'"), "4:8", &["'null'", "text"]),
        (command("type = 'list'"), "4:8", &["format = \"json\""]),
        (command("format = 'lines'\ntype = 'int'"), "5:8", &["'int'", "remove"]),
        (command("kind = 'metric'"), "4:8", &["'metric'", "counter"]),
        (command("description = 'a\tb'"), "4:15", &["one line"]),
        (variable("file = '/x'\ntimeout = '1s'"), "4:11", &["only for commands"]),
        (variable("file = '/x'\nformat = 'nagios'"), "4:10", &["exit code"]),
        (variable("value = 1\ninterval = '1m'"), "4:12", &["only for commands and files"]),
        (variable("value = 1\nformat = 'json'"), "4:10", &["only for commands and files"]),
        (variable("value = 'x'\ntype = 'int'"), "3:9", &["is text", "'int'"]),
        (variable("value = 2026-11-22"), "3:9", &["2026-11-22T10:00:00Z"]),
        (command("unit = 'By'\nunits = 'By'"), "5:1", &["`units`", "`unit`"]),
    ] {
        check_error(&text, place, parts);
    }
    check_error("[network]\ninterfaces = ['eth0', 'a/b']", "2:23", &["'a/b'", "eth0"]);
    check_error("[network]\ninterfaces = ['abcdefghijklmnop']", "2:15", &["no name"]);
    check_error("[policy]\nread_deny = ['Host']", "2:14", &["'Host'", "system.network"]);
    let with_key = "[policy]\nread_deny = ['app.disk[\"/secret\"].usage']";
    check_error(with_key, "2:14", &["'app.disk[\"/secret\"].usage'", "write app.disk"]);
    check_error("[policy]\nset_roles = ['']", "2:14", &["empty"]);
}

#[test]
fn names_keep_to_their_rules() {
    for (name, place, parts) in [
        ("app", "2:8", &["'app'", "2 to 8 segments"][..]),
        ("App.x", "2:8", &["'App'", "lower-case"]),
        ("app.in", "2:8", &["'in'", "reserved"]),
        ("system.mine", "2:8", &["'system'", "begin with app"]),
        ("librecast.x", "2:8", &["'librecast'"]),
        ("app.x[\"k\"]", "2:8", &["no keys"]),
    ] {
        check_error(&format!("[[variable]]\nname = '{name}'\nvalue = 1"), place, parts);
    }
    let pair = |first: &str, second: &str| {
        let variable = format!("[[variable]]\nname = '{first}'\nvalue = 1\n");
        format!("{variable}[[setting]]\nname = '{second}'\ntype = 'int'")
    };
    check_error(&pair("app.a", "app.a"), "5:8", &["'app.a'", "line 2"]);
    check_error(&pair("app.a", "app.a.b"), "5:8", &["'app.a.b'", "'app.a'", "line 2"]);
    check_error(&pair("app.a.b", "app.a"), "2:8", &["'app.a.b'", "'app.a'", "line 5"]);
    assert!(parse(&pair("app.a", "app.ab")).is_ok());
    let deep = |name: &str, format: &str| {
        parse(&format!("[[variable]]\nname = '{name}'\ncommand = ['x']\nformat = '{format}'"))
    };
    assert!(deep("a.b.c.d.e.f", "json").is_ok());
    assert!(deep("a.b.c.d.e.f.g", "json").is_err());
    assert!(deep("a.b.c.d.e.f.g", "text").is_ok());
}

#[test]
fn settings_keep_to_their_rules() {
    let setting = |rest: &str| format!("[[setting]]\nname = 'app.s'\n{rest}");
    let many_choices = |count: usize, length: usize| {
        let choices = vec![format!("'{}'", "c".repeat(length)); count];
        format!("type = 'text'\nchoices = [{}]", choices.join(", "))
    };
    for (text, place, parts) in [
        (setting(""), "1:1", &["missing field `type`"][..]),
        (setting("type = 'int'\nmax_len = 3"), "4:11", &["max_len", "text and bytes", "int"]),
        (setting("type = 'text'\nmin = 3"), "4:7", &["min", "int and float"]),
        (setting("type = 'int'\nchoices = ['a']"), "4:11", &["choices", "text"]),
        (setting(&many_choices(65, 1)), "4:11", &["choices", "64"]),
        (setting(&many_choices(1, 256)), "4:11", &["choices", "255 bytes"]),
        (setting("type = 'text'\nmax_len = 0"), "4:11", &["max_len = 0", "512", "one packet"]),
        (setting("type = 'text'\nmax_len = 513"), "4:11", &["513"]),
        (setting("type = 'int'\nmin = 'a'"), "4:7", &["no number"]),
        (setting("type = 'int'\nmin = 2\nmax = 1"), "4:7", &["min = 2", "max = 1"]),
        (setting("type = 'int'\nmax = 1\ndefault = 2"), "5:11", &["2 is more than max = 1"]),
        (setting("type = 'text'\nmax_len = 1\ndefault = 'ab'"), "5:11", &["the most, 1"]),
        (setting("type = 'text'\nchoices = ['a']\ndefault = 'b'"), "5:11", &["'b'", "a"]),
        (setting("type = 'int'\ndefault = '1'"), "4:11", &["text", "'int'"]),
        (setting("type = 'int'\nvalue = 1"), "4:1", &["`value`", "`default`"]),
    ] {
        check_error(&text, place, parts);
    }
    let config = parse(&setting("type = 'text'\nmax_len = 512")).unwrap();
    assert_eq!(config.settings[0].default, Value::Null);
    let config = parse(&setting("type = 'timestamp'\ndefault = 2026-11-22T10:00:00Z")).unwrap();
    assert_eq!(config.settings[0].default.kind(), Type::Timestamp);
}

#[test]
fn users_that_are_not_there_are_refused() {
    let passwd = "root:x:0:0:root:/root:/bin/sh\nnagios:x:101:102::/:/bin/false\n";
    let check = |user: &str| {
        let text = format!("[[variable]]\nname = 'app.a'\ncommand = ['x']\nuser = '{user}'");
        Config::parse_for(&text, Path::new("agent.toml"), passwd).map_err(|it| it.to_string())
    };
    assert!(check("nagios").is_ok() && check("101").is_ok() && check("4711").is_ok());
    let error = check("nosuch").unwrap_err();
    assert!(error.starts_with("agent.toml:4:8: user = 'nosuch': no such user"), "{error}");
}

#[test]
fn limits_hold_at_max_and_break_at_one_more() {
    let entry = |index| format!("[[variable]]\nname = 'app.v{index}'\nvalue = 1\n");
    let file = |count: usize| (0..count).map(entry).collect::<String>();
    assert_eq!(parse(&file(Config::ENTRIES_MAX)).unwrap().variables.len(), Config::ENTRIES_MAX);
    check_error(&file(Config::ENTRIES_MAX + 1), "1:1", &["at most 3000"]);
    let list = |count: usize| format!("[builtin]\nprocesses = {:?}", vec!["x"; count]);
    assert!(parse(&list(100)).is_ok());
    check_error(&list(101), "2:514", &["101 entries; at most 100"]);
    let command =
        |count: usize| format!("[[variable]]\nname = 'a.b'\ncommand = {:?}", vec!["x"; count]);
    assert!(parse(&command(256)).is_ok());
    check_error(&command(257), "3:11", &["257 arguments; at most 256"]);
    let described = |length: usize| {
        format!("[[variable]]\nname = 'a.b'\nvalue = 1\ndescription = '{}'", "d".repeat(length))
    };
    assert!(parse(&described(200)).is_ok());
    check_error(&described(201), "4:15", &["200 bytes"]);
}

#[test]
fn errors_show_the_line_and_mark_the_place() {
    let error = parse("[[variable]]\nname = 'app.a'\nfile = 'x'").unwrap_err();
    let expected = "agent.toml:3:8: file = 'x' is no absolute path; begin with /\n  |\n\
                    3 | file = 'x'\n  |        ^^^";
    assert_eq!(error.to_string(), expected);
    let long = parse(&format!("[network]\n{}x = 1", " ".repeat(200))).unwrap_err();
    assert_eq!(long.to_string().lines().count(), 1);
    assert!(parse("\u{feff}[network]\nx = '\u{1b}[31m'").unwrap_err().to_string().is_ascii());
}
