use super::*;
use crate::file::tests::Folder;

fn environment(folder: &Folder) -> Environment {
    Environment {
        librecast_home: Some(folder.path().join("home")),
        system_config: folder.path().join("etc"),
        system_state: folder.path().join("var"),
        host: "web1.example".to_owned(),
        ..Environment::default()
    }
}

fn home(folder: &Folder) -> Home {
    Home::of(environment(folder))
}

const NOW: Timestamp = Timestamp::from_millis(1_795_341_600_000);

fn make(folder: &RealmFolder) {
    realm::create(folder, Network::default(), NOW).unwrap();
}

fn selected(home: &Home, name: Option<&str>) -> Result<(String, Owner), String> {
    match home.select(name, Purpose::Ask, NOW) {
        Ok(selected) => Ok((selected.folder.name().to_owned(), selected.folder.owner())),
        Err(error) => Err(error.to_string()),
    }
}

fn user(name: &str) -> Result<(String, Owner), String> {
    Ok((name.to_owned(), Owner::User))
}

#[test]
fn folders_follow_the_environment() {
    let path = |text: &str| Some(PathBuf::from(text));
    let base = Environment {
        system_config: PathBuf::from("/etc/librecast"),
        system_state: PathBuf::from("/var/lib/librecast"),
        ..Environment::default()
    };
    let check = |environment: Environment, config: &str, state: &str| {
        let home = Home::of(environment);
        let name = "web1".parse().unwrap();
        assert_eq!(home.folder("prod").path(), Path::new(config));
        assert_eq!(home.state_folder(Owner::User, "prod", &name), Path::new(state));
        let system = Path::new("/var/lib/librecast/prod/web1");
        assert_eq!(home.state_folder(Owner::System, "prod", &name), system);
    };
    check(
        Environment { librecast_home: path("/lc"), home: path("/h"), ..base.clone() },
        "/lc/realms/prod",
        "/lc/state/prod/web1",
    );
    check(
        Environment { home: path("/h"), ..base.clone() },
        "/h/.config/librecast/realms/prod",
        "/h/.local/state/librecast/prod/web1",
    );
    let xdg = Environment { config_home: path("/c"), state_home: path("/s"), ..base.clone() };
    check(xdg, "/c/librecast/realms/prod", "/s/librecast/prod/web1");
    check(
        Environment { is_system: true, home: path("/h"), ..base.clone() },
        "/etc/librecast/realms/prod",
        "/var/lib/librecast/prod/web1",
    );
    let (config, state) = ("/etc/librecast/realms/prod", "/var/lib/librecast/prod/web1");
    check(Environment { config_home: path("/c"), ..base.clone() }, config, state);
    check(base, config, state);
}

/// A home of a process that has none: a service of the system, or root at boot.
fn homeless(folder: &Folder) -> Home {
    Home::of(Environment { librecast_home: None, ..environment(folder) })
}

#[test]
fn without_a_home_the_system_s_realms_are_meant() {
    let folder = Folder::new("home");
    let home = homeless(&folder);
    let error = selected(&home, None).unwrap_err();
    for part in ["/etc'", "HOME", "join --system"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!folder.path().join("etc").exists(), "nothing is made for the asking");
    assert!(selected(&home, Some("local")).is_err());
    make(&home.folder("prod"));
    assert_eq!(home.realms().unwrap().0.len(), 1);
    let chosen = home.select(None, Purpose::Answer, NOW).map(|it| it.folder).unwrap_err();
    assert!(chosen.to_string().contains("no realm to use"), "{chosen}");
    assert_eq!(selected(&home, None), Ok(("prod".to_owned(), Owner::System)));
    let config = home.folder("prod").agent_config();
    assert_eq!(config, folder.path().join("etc/agent.toml"));
}

#[test]
fn a_system_s_realm_without_a_client_is_told() {
    let folder = Folder::new("home");
    let home = home(&folder);
    let system = home.system_folder("prod");
    make(&system);
    let agents = system.path().join("agents");
    std::fs::create_dir(&agents).unwrap();
    std::fs::rename(system.path().join("credential"), agents.join("web1")).unwrap();
    let seen = |purpose| {
        let chosen = home.select(None, purpose, NOW).unwrap();
        let seen: Vec<String> = chosen.seen.iter().map(ToString::to_string).collect();
        (chosen.folder.name().to_owned(), seen.concat())
    };
    let (chosen, told) = seen(Purpose::Ask);
    assert_eq!(chosen, "local");
    assert!(
        told.contains("agent of realm 'prod' runs here") && told.contains("--client"),
        "{told}"
    );
    assert_eq!(seen(Purpose::Answer), ("prod".to_owned(), String::new()));
    // Root may open any file, so the test makes the file something that nobody can open.
    std::fs::remove_file(agents.join("web1")).unwrap();
    std::os::unix::fs::symlink("web1", agents.join("web1")).unwrap();
    let (chosen, told) = seen(Purpose::Answer);
    assert_eq!(chosen, "local");
    assert!(told.contains("'prod' on this host is the system's"), "{told}");
}

#[test]
fn without_a_realm_local_is_made() {
    let folder = Folder::new("home");
    let home = home(&folder);
    assert!(home.realms().unwrap().0.is_empty());
    assert_eq!(selected(&home, None), user("local"));
    let local = home.folder(LOCAL);
    let credential = local.credential(Purpose::Ask, &home.host_name(), NOW).unwrap();
    assert_eq!(credential.network().scope, Scope::Host);
    assert_eq!(selected(&home, Some("local")), user("local"));
    let agent = local.credential(Purpose::Answer, &home.host_name(), NOW).unwrap();
    assert_eq!(agent.certificate().name().as_str(), "web1.example");
    let again = local.credential(Purpose::Answer, &home.host_name(), NOW).unwrap();
    assert_eq!(agent.certificate().id(), again.certificate().id());
    let client = local.credential(Purpose::Ask, &home.host_name(), NOW).unwrap();
    assert!(client.members().by_name("web1.example").is_some());
}

#[test]
fn the_only_realm_is_meant_and_several_must_be_named() {
    let folder = Folder::new("home");
    let home = home(&folder);
    selected(&home, None).unwrap();
    make(&home.folder("prod"));
    assert_eq!(selected(&home, None), user("prod"));
    make(&home.folder("test"));
    let error = selected(&home, None).unwrap_err();
    assert!(error.contains("prod, test") && error.contains("--realm"), "{error}");
    assert_eq!(selected(&home, Some("test")), user("test"));
    let error = selected(&home, Some("none")).unwrap_err();
    assert!(error.contains("'none'") && error.contains("local, prod, test"), "{error}");
    assert!(!error.contains("did you mean"), "{error}");
    let error = selected(&home, Some("prd")).unwrap_err();
    assert!(error.contains("did you mean 'prod'?"), "{error}");
}

#[test]
fn the_system_s_realm_comes_second() {
    let folder = Folder::new("home");
    let home = home(&folder);
    make(&home.system_folder("prod"));
    assert_eq!(selected(&home, None), Ok(("prod".to_owned(), Owner::System)));
    assert_eq!(selected(&home, Some("prod")), Ok(("prod".to_owned(), Owner::System)));
    make(&home.folder("mine"));
    assert_eq!(selected(&home, None), user("mine"));
}

#[test]
fn an_unreadable_realm_of_the_system_is_told() {
    let folder = Folder::new("home");
    let home = home(&folder);
    make(&home.system_folder("prod"));
    // Root may open any file, so the test makes the file something that nobody can open.
    let credential = home.system_folder("prod").path().join("credential");
    std::fs::remove_file(&credential).unwrap();
    std::os::unix::fs::symlink("credential", &credential).unwrap();
    let chosen = home.select(None, Purpose::Ask, NOW).unwrap();
    assert_eq!(chosen.folder.name(), "local");
    let told = chosen.seen.first().unwrap().to_string();
    let expected = "an agent of realm 'prod' runs here; its credential is readable by group \
                    librecast";
    assert_eq!(told, expected);
    assert_eq!(selected(&home, Some("prod")), Err(expected.to_owned()));
}

/// Does this on a thread that may do no more than others may, whoever runs the test.
fn unprivileged<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let act = || {
        let mut capabilities = rustix::thread::capabilities(None).unwrap();
        capabilities.effective = rustix::thread::CapabilitySet::empty();
        rustix::thread::set_capabilities(None, capabilities).unwrap();
        act()
    };
    std::thread::scope(|scope| scope.spawn(act).join().unwrap())
}

#[test]
fn a_folder_of_the_system_that_nobody_may_read_holds_no_realms_and_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new("home");
    let home = home(&folder);
    let closed = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let system = folder.path().join("etc/realms");
    make(&home.system_folder("prod"));
    closed(&system, 0o000);
    unprivileged(|| {
        let chosen = home.select(None, Purpose::Ask, NOW).unwrap();
        assert_eq!(chosen.folder.name(), "local");
        let told: String = chosen.seen.iter().map(ToString::to_string).collect();
        assert!(told.contains("etc/realms'") && told.contains("may not read"), "{told}");
        assert_eq!(selected(&home, Some("local")), user("local"));
        let error = selected(&home, Some("prod")).unwrap_err();
        assert!(error.contains("'prod'") && error.contains("etc/realms'"), "{error}");
        make(&home.folder("mine"));
        assert_eq!(selected(&home, None), user("mine"));
        let error = selected(&homeless(&folder), None).unwrap_err();
        assert!(error.contains("etc/realms': Permission denied"), "the only one: {error}");
        closed(home.folder("mine").path().parent().unwrap(), 0o000);
        let error = selected(&home, None).unwrap_err();
        assert!(error.contains("home/realms': Permission denied"), "the user's own: {error}");
        closed(home.folder("mine").path().parent().unwrap(), 0o700);
    });
    closed(&system, 0o700);
    std::fs::remove_dir_all(&system).unwrap();
    std::fs::write(&system, "no folder").unwrap();
    let error = selected(&home, None).unwrap_err();
    assert!(error.contains("etc/realms': Not a directory"), "{error}");
}

#[test]
fn a_file_in_the_system_s_folder_is_the_system_s_however_it_is_named() {
    let here = std::env::current_dir().unwrap();
    let environment = Environment {
        system_config: here.join("etc"),
        librecast_group: Some(7),
        ..Environment::default()
    };
    let absolute = here.join("etc/realms/prod/credential");
    for (file, owner, group) in [
        (absolute.as_path(), Owner::System, Some(7)),
        (Path::new("etc/realms/prod/credential"), Owner::System, Some(7)),
        (Path::new("./etc/prod"), Owner::System, Some(7)),
        (Path::new("etc2/prod"), Owner::User, None),
        (Path::new("prod"), Owner::User, None),
        (Path::new(""), Owner::User, None),
    ] {
        assert_eq!(environment.owner_of(file), owner, "{}", file.display());
        assert_eq!(environment.group_of(file), group, "{}", file.display());
    }
}

#[test]
fn host_names_become_names_of_members() {
    for (host, expected) in [
        ("web1.example", "web1.example"),
        ("my host!", "my-host-"),
        ("-x", "x"),
        ("", "host"),
        ("...", "host"),
        ("\u{fc}ber", "ber"),
    ] {
        assert_eq!(host_name(host).as_str(), expected, "{host}");
    }
    assert_eq!(host_name(&"h".repeat(64)).as_str().len(), 63);
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let folder = Folder::new("home");
    std::fs::write(folder.path().join("home"), "a file").unwrap();
    let error = selected(&home(&folder), None).unwrap_err();
    assert!(error.contains("LIBRECAST_HOME") && error.contains("home"), "{error}");
}
