//! Realms and credentials, as files.

use std::fs;
use std::process::Stdio;

use crate::command::{Ended, Home, chmod};

#[test]
fn a_realm_grows_from_creation_to_membership() {
    let home = Home::new();
    let out = home.ok(&["realm", "create", "prod", "--scope", "link", "--interface", "none0"]);
    let shown = home.json(&["realm", "show", "--json"]);
    assert_eq!(shown["fingerprint"], out.trim());
    assert_eq!(shown["scope"], "link");
    assert_eq!(shown["interfaces"][0], "none0");
    assert_eq!(shown["port"], 24242);
    assert_eq!((&shown["epoch"], &shown["client"]), (&1.into(), &"admin".into()));
    home.ok(&[
        "realm",
        "issue",
        "--name",
        "web1",
        "--label",
        "role=web",
        "--out",
        "web1.credential",
    ]);
    home.ok(&["realm", "issue", "--name", "ann", "--client", "--role", "operator", "--out", "ann"]);
    let shown = home.json(&["realm", "show", "prod", "--json"]);
    let members: Vec<&str> = shown["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(members, ["admin", "ann", "web1"]);
    assert_eq!(shown["members"][2]["labels"]["role"], "web");
    assert_eq!(shown["members"][1]["roles"][0], "operator");
    assert_eq!(
        home.files(),
        [
            "ann 600",
            "home 700",
            "home/realms 700",
            "home/realms/prod 700",
            "home/realms/prod/authority 600",
            "home/realms/prod/credential 600",
            "home/realms/prod/lock 600",
            "home/realms/prod/members 600",
            "web1.credential 600",
        ]
    );
}

#[test]
fn tables_show_what_json_shows() {
    let home = Home::new();
    home.ok(&["realm", "create", "prod"]);
    home.ok(&["realm", "create", "test", "--port", "4000"]);
    let listed = home.ok(&["realm", "list"]);
    assert!(listed.starts_with("realm\towner\tscope\tport\t"), "{listed}");
    assert!(listed.contains("\nprod\tuser\tsite\t24242\t1\tadmin\t"), "{listed}");
    assert!(listed.contains("\ntest\tuser\tsite\t4000\t1\tadmin\t"), "{listed}");
    let shown = home.ok(&["realm", "show", "test"]);
    assert!(shown.contains("port         4000\n") && shown.contains("admin\tclient\t"), "{shown}");
    let realms = home.json(&["--json", "realm", "list"]);
    assert_eq!(realms["realms"][1]["name"], "test");
}

#[test]
fn which_realm_is_meant_follows_option_then_environment() {
    let home = Home::new();
    home.refused(&["realm", "show"], &["no realm here", "realm create"]);
    home.ok(&["realm", "create", "prod"]);
    home.ok(&["realm", "create", "test"]);
    home.refused(&["realm", "show"], &["prod, test", "--realm"]);
    home.refused(&["--realm", "tset", "realm", "show"], &["no realm 'tset'", "prod, test"]);
    let shown = |words: &[&str], environment: &str| {
        let output = home.command(words).env("LIBRECAST_REALM", environment).output().unwrap();
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        document["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(shown(&["realm", "show", "--json"], "test"), "test");
    assert_eq!(shown(&["realm", "show", "--json", "--realm", "prod"], "test"), "prod");
}

/// Root had used 'local' before the system's agent came: it is the agent's realm that is meant.
#[test]
fn the_doctor_looks_at_the_realm_of_the_system_s_agent() {
    let home = Home::new();
    home.ok(&["realm", "create", "prod", "--scope", "link", "--interface", "none0"]);
    home.ok(&["realm", "issue", "--name", "web1", "--out", "web1"]);
    let other = Home::new();
    let system = other.path("etc");
    let run =
        |words: &[&str]| Ended::of(other.command(words).env("CONFIGURATION_DIRECTORY", &system));
    let file = home.path("web1").to_string_lossy().into_owned();
    let realm = || {
        let looked = run(&["doctor", "--json"]);
        let document: serde_json::Value = serde_json::from_str(&looked.out).unwrap();
        document["facts"]["realm"].as_str().unwrap().to_owned()
    };
    assert_eq!(realm(), "local");
    assert_eq!(run(&["join", "--system", &file]).code, 0);
    assert_eq!(realm(), "prod");
}

/// An agent's credential beside it is none to ask with, and hid that.
#[test]
fn the_doctor_tells_why_the_client_s_credential_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let home = Home::new();
    home.ok(&["realm", "create", "prod", "--scope", "host"]);
    let file = home.path("home/realms/prod/credential");
    let open = || fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let check = |words: &[&str], id: Option<&str>| {
        let ended = Ended::of(&mut home.command(&[&["doctor", "--json"], words].concat()));
        let document: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        let found = document["findings"].as_array().unwrap().clone();
        let refused = found.iter().find(|it| it["id"] == "credential-refused").cloned();
        assert_eq!(refused.as_ref().and_then(|it| it["id"].as_str()), id, "{document:#}");
        if let Some(refused) = refused {
            assert_eq!(ended.code, 3);
            let command = refused["command"].as_str().unwrap();
            assert!(command.starts_with("chmod 600 /"), "{command}");
            let mended = std::process::Command::new("sh").args(["-c", command]).status().unwrap();
            assert!(mended.success(), "{command}");
        }
    };
    for words in [&[][..], &["--realm", "prod"]] {
        check(words, None);
        open();
        check(words, Some("credential-refused"));
        check(words, None);
    }
    home.ok(&["realm", "issue", "--name", "web1", "--out", "web1.credential"]);
    home.ok(&["join", "web1.credential"]);
    check(&[], None);
    open();
    check(&[], Some("credential-refused"));
    check(&[], None);
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let home = Home::new();
    home.ok(&["realm", "create", "prod"]);
    home.ok(&["realm", "issue", "--name", "web1", "--out", "web1.credential"]);
    let before = (home.files(), fs::read(home.path("home/realms/prod/members")).unwrap());
    let long = "n".repeat(64);
    let issue = |name: &str, more: &[&str], parts: &[&str]| {
        let words = ["realm", "issue", "--name", name, "--out", "out.credential"];
        home.refused(&[&words, more].concat(), parts);
    };
    issue("a b", &[], &["'a b' is no name"]);
    issue(&long, &[], &["1 to 63 bytes"]);
    issue("web1", &[], &["'web1' is a member", "--again"]);
    issue("web2", &["--label", "role"], &["'role'", "role=web"]);
    issue("web2", &["--label", "Role=web"], &["'Role'"]);
    issue("web2", &["--label", "a=1", "--label", "a=2"], &["'a' is given twice"]);
    issue("web2", &["--role", "Big Boss"], &["'Big Boss' is no role"]);
    issue("web2", &["--days", "0"], &["1..=36500"]);
    issue("web2", &["--realm", "none"], &["no realm 'none'"]);
    home.refused(
        &["realm", "issue", "--name", "web2", "--out", "web1.credential"],
        &["'web1.credential' exists already"],
    );
    home.refused(
        &["realm", "issue", "--name", "web2", "--out", "no/folder/x"],
        &["no/folder/x", "no folder 'no/folder'"],
    );
    home.refused(&["realm", "create", "prod"], &["'prod' exists already"]);
    home.refused(&["realm", "create", "a/b"], &["'a/b'"]);
    home.refused(&["realm", "create", "local"], &["made on first use"]);
    home.refused(&["realm", "create", "x", "--interface", "a b"], &["'a b'", "interface"]);
    home.refused(&["join", "missing"], &["'missing'", "No such file", "check the path"]);
    let after = (home.files(), fs::read(home.path("home/realms/prod/members")).unwrap());
    assert_eq!(before, after);
}

#[test]
fn many_are_issued_from_a_file_or_none() {
    let home = Home::new();
    home.ok(&["realm", "create", "prod"]);
    let hosts = |text: &str| fs::write(home.path("hosts.csv"), text).unwrap();
    let words = ["realm", "issue", "--from", "hosts.csv", "--out-dir", "out"];
    hosts("name,kind,roles,dc\nweb1,agent,,fra\nann,client,operator,\nweb2,agnet,,\n");
    home.refused(&words, &["'hosts.csv' line 4", "'agnet'"]);
    assert!(!home.path("out").exists());
    hosts("name,kind,roles,dc\nweb1,agent,,fra\nann,client,operator,\nweb2,agent,,ber\n");
    let issued = home.json(&[&words[..], &["--json"]].concat());
    assert_eq!(issued["issued"].as_array().unwrap().len(), 3);
    assert_eq!(issued["issued"][2]["out"], "out/web2.credential");
    let files = home.files();
    assert!(files.contains(&"out/ann.credential 600".to_owned()), "{files:?}");
    assert!(files.contains(&"out 700".to_owned()), "{files:?}");
    let shown = home.json(&["realm", "show", "--json"]);
    assert_eq!(shown["members_version"], 2);
    assert_eq!(shown["members"][2]["labels"]["dc"], "fra");
    home.refused(&words, &["'web1' is a member"]);
    hosts("host\nweb9\n");
    home.refused(&words, &["no column 'name'"]);
}

#[test]
fn joining_takes_a_credential_once() {
    let home = Home::new();
    home.ok(&["realm", "create", "prod"]);
    home.ok(&["realm", "issue", "--name", "web1", "--out", "web1.credential"]);
    home.ok(&["realm", "issue", "--name", "ann", "--client", "--out", "ann.credential"]);
    let other = Home::new();
    let file = |name: &str| home.path(name).to_string_lossy().into_owned();
    let joined = other.json(&["join", &file("ann.credential"), "--json"]);
    assert_eq!((&joined["realm"], &joined["kind"]), (&"prod".into(), &"client".into()));
    let words = ["--credential", &file("ann.credential"), "realm", "show", "--json"];
    let shown = home.json(&words);
    assert_eq!((&shown["name"], &shown["client"]), (&"prod".into(), &"ann".into()));
    let again = other.json(&["join", &file("ann.credential"), "--json"]);
    assert_eq!((&joined["already"], &again["already"]), (&false.into(), &true.into()));
    other.ok(&["join", &file("web1.credential")]);
    let shown = other.json(&["realm", "show", "--json"]);
    assert_eq!((&shown["client"], &shown["authority"]), (&"ann".into(), &false.into()));
    assert_eq!(shown["agents"][0], "web1");
    assert_eq!(shown["members_version"], 3);
    home.refused(&["join", "ann.credential"], &["another credential", "'ann'"]);
    let words = ["realm", "issue", "--name", "x", "--out", "x"];
    other.refused(&words, &["authority key of realm 'prod' is not here"]);
}

/// Whatever the roles: the member list is signed by the authority.
#[test]
fn forgetting_takes_the_authority_key() {
    let home = Home::new();
    home.ok(&["realm", "create", "prod"]);
    home.ok(&["realm", "issue", "--name", "web1", "--out", "web1"]);
    let ann = ["--name", "ann", "--client", "--role", "admin", "--out", "ann"];
    home.ok(&[&["realm", "issue"][..], &ann].concat());
    let other = Home::new();
    other.ok(&["join", &home.path("ann").to_string_lossy()]);
    let before = other.files();
    other.refused(&["forget", "web1"], &["authority key of realm 'prod' is not here"]);
    home.refused(&["forget", "web1", "--credential", "ann"], &["authority key", "--realm"]);
    assert_eq!(other.files(), before);
}

#[test]
fn credentials_that_others_can_read_are_refused() {
    let home = Home::new();
    home.ok(&["realm", "create", "prod"]);
    home.ok(&["realm", "issue", "--name", "web1", "--out", "web1.credential"]);
    chmod(home.path("web1.credential"), 0o644);
    home.refused(&["join", "web1.credential"], &["mode 0644", "chmod 600 'web1.credential'"]);
    chmod(home.path("home/realms/prod/authority"), 0o640);
    let words = ["realm", "issue", "--name", "web2", "--out", "web2"];
    home.refused(&words, &["authority' can be read by others", "chmod 600"]);
    chmod(home.path("home/realms/prod/authority"), 0o600);
    chmod(home.path("home/realms/prod"), 0o777);
    let ended = home.run(&words);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.err.contains("mode 0777") && ended.err.contains("chmod 700"), "{ended:?}");
    fs::write(home.path("nonsense"), [0xff; 64]).unwrap();
    chmod(home.path("nonsense"), 0o600);
    home.refused(&["join", "nonsense"], &["'nonsense'", "not a"]);
    home.refused(&["realm", "list", "--credential", "nonsense"], &["--credential"]);
}

#[test]
fn issues_at_the_same_time_lose_no_member() {
    let home = Home::new();
    home.ok(&["realm", "create", "prod"]);
    let start = |index: usize| {
        let (name, out) = (format!("web{index}"), format!("web{index}.credential"));
        let mut command = home.command(&["realm", "issue", "--name", &name, "--out", &out]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<_> = (0..6).map(start).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let shown = home.json(&["realm", "show", "--json"]);
    assert_eq!(shown["members"].as_array().unwrap().len(), 7);
    assert_eq!(shown["members_version"], 7);
}
