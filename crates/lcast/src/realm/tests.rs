use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::file::tests::Folder;
use crate::home::Environment;

const NOW: Timestamp = Timestamp::from_millis(1_795_341_600_000);

struct Fixture {
    folder: Folder,
    home: Home,
}

impl Fixture {
    fn new() -> Self {
        let folder = Folder::new("realm");
        let home = Self::home_in(&folder, "home");
        create(&home.folder("prod"), Network::default(), NOW).unwrap();
        Self { folder, home }
    }

    fn home_in(folder: &Folder, name: &str) -> Home {
        let environment = Environment {
            librecast_home: Some(folder.path().join(name)),
            system_config: folder.path().join("etc"),
            ..Environment::default()
        };
        Home::of(environment)
    }

    fn prod(&self) -> RealmFolder {
        self.home.folder("prod")
    }

    fn request(&self, name: &str) -> Request {
        request(&self.folder, name)
    }

    fn issue(&self, names: &[&str]) -> Result<Vec<Issued>, RealmError> {
        let requests: Vec<Request> = names.iter().map(|name| self.request(name)).collect();
        issue(&self.prod(), &requests, NOW)
    }

    fn version(&self) -> u64 {
        self.prod().overview().unwrap().members.version()
    }
}

fn request(folder: &Folder, name: &str) -> Request {
    Request {
        name: name.to_owned(),
        kind: Kind::Agent,
        roles: Vec::new(),
        labels: Vec::new(),
        days: None,
        again: false,
        out: folder.path().join(format!("{name}.credential")),
    }
}

fn names_in(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<String> =
        entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn fails<T>(outcome: Result<T, RealmError>, parts: &[&str]) {
    let error = outcome.err().expect("it must fail").to_string();
    for part in parts {
        assert!(error.contains(part), "'{part}' is not in: {error}");
    }
}

/// [SEC-78]
#[test]
fn a_realm_is_made_private_and_whole() {
    let fixture = Fixture::new();
    let prod = fixture.prod();
    assert_eq!(names_in(prod.path()), ["authority", "credential", "members"]);
    assert_eq!(file::mode(prod.path()).unwrap(), 0o700);
    for name in names_in(prod.path()) {
        assert_eq!(file::mode(&prod.path().join(&name)).unwrap(), 0o600, "{name}");
    }
    assert_eq!(names_in(prod.path().parent().unwrap()), ["prod"]);
    let overview = prod.overview().unwrap();
    assert_eq!(overview.client.unwrap().as_str(), "admin");
    assert!(overview.has_authority && overview.agents.is_empty());
    fails(create(&prod, Network::default(), NOW), &["'prod' exists already", "another name"]);
    fails(create(&fixture.home.folder("a b"), Network::default(), NOW), &["a b"]);
}

#[test]
fn issued_credentials_are_members_and_complete() {
    let fixture = Fixture::new();
    let mut request = fixture.request("web1");
    request.labels = vec![("role".to_owned(), "web".to_owned())];
    request.days = Some(30);
    let issued = issue(&fixture.prod(), &[request], NOW).unwrap();
    let credential = read_credential(&issued[0].out, None).unwrap();
    assert_eq!(file::mode(&issued[0].out).unwrap(), 0o600);
    assert_eq!(credential.certificate().labels().get("role"), Some("web"));
    assert_eq!(credential.members().version(), 2);
    assert_eq!(credential.realm_name(), "prod");
    assert_eq!(
        credential.certificate().subject().not_after,
        NOW.saturating_add(Duration::from_secs(30 * 86_400))
    );
    fixture.issue(&["web2", "web3"]).unwrap();
    assert_eq!(fixture.version(), 3);
    let host = "any".parse().unwrap();
    let admin = fixture.prod().credential(Purpose::Ask, &host, NOW).unwrap();
    assert_eq!(admin.members().version(), 3);
}

#[test]
fn a_failed_issue_changes_nothing() {
    let fixture = Fixture::new();
    fixture.issue(&["web1"]).unwrap();
    let before = names_in(fixture.folder.path());
    fails(fixture.issue(&["web1"]), &["'web1' is a member", "--again"]);
    fails(fixture.issue(&["web2", "web2"]), &["'web2' is named twice"]);
    fails(fixture.issue(&["web2", "web/3"]), &["'web/3' is no name"]);
    fs::write(fixture.folder.path().join("web2.credential"), "mine").unwrap();
    fails(fixture.issue(&["web3", "web2"]), &["web2.credential' exists already"]);
    fs::remove_file(fixture.folder.path().join("web2.credential")).unwrap();
    let mut request = fixture.request("web2");
    request.out = fixture.folder.path().join("no/such/folder");
    fails(issue(&fixture.prod(), &[request], NOW), &["no/such/folder"]);
    let mut request = fixture.request("web2");
    request.roles = vec!["Web Master".to_owned()];
    fails(issue(&fixture.prod(), &[request], NOW), &["'Web Master' is no role"]);
    assert_eq!(names_in(fixture.folder.path()), before);
    assert_eq!(fixture.version(), 2);
}

/// All or nothing: who has the certificate before is shut out only when there is another. [SEC-34]
#[test]
fn a_member_is_issued_again_where_that_is_asked() {
    let fixture = Fixture::new();
    let first = fixture.issue(&["web1"]).unwrap().remove(0);
    let again = Request { again: true, ..fixture.request("web1") };
    fails(
        issue(&fixture.prod(), std::slice::from_ref(&again), NOW),
        &["web1.credential' exists already"],
    );
    assert_eq!(fixture.version(), 2);
    let out = fixture.folder.path().join("second.credential");
    let second = issue(&fixture.prod(), &[Request { out, ..again }], NOW).unwrap().remove(0);
    let credential = read_credential(&second.out, None).unwrap();
    assert!(credential.members().is_forgotten(&first.id));
    assert!(!credential.members().is_forgotten(&second.id));
    assert_eq!(fixture.version(), 3);
    // Who is no member yet is issued all the same.
    let unknown = Request { again: true, ..fixture.request("web2") };
    issue(&fixture.prod(), &[unknown], NOW).unwrap();
}

/// What a run leaves that is killed before or after the list is kept.
fn killed(fixture: &Fixture, names: &[&str], kept: bool, placed: usize) {
    let requests: Vec<Request> = names.iter().map(|name| fixture.request(name)).collect();
    let begun = issue::begin(&fixture.prod(), &requests, NOW).unwrap();
    if kept {
        fixture.prod().keep_members_locked(&begun.lock, &begun.members).unwrap();
    }
    for (index, file) in begun.files.into_iter().enumerate() {
        if index < placed {
            file.create().unwrap();
        }
        file.keep();
    }
}

#[test]
fn an_issue_killed_before_the_list_is_undone_by_the_next() {
    let fixture = Fixture::new();
    killed(&fixture, &["web1", "web2"], false, 0);
    assert_eq!(names_in(fixture.folder.path()).len(), 3, "home and two temporary files");
    fixture.issue(&["web1"]).unwrap();
    assert_eq!(names_in(fixture.folder.path()), ["home", "web1.credential"]);
    assert!(!names_in(fixture.prod().path()).contains(&"issuing".to_owned()));
    assert_eq!(fixture.version(), 2);
}

#[test]
fn an_issue_killed_after_the_list_is_finished_by_the_next() {
    for placed in 0..=2 {
        let fixture = Fixture::new();
        killed(&fixture, &["web1", "web2"], true, placed);
        fails(fixture.issue(&["web2"]), &["'web2' was issued", "web2.credential'"]);
        let names = ["home", "web1.credential", "web2.credential"];
        assert_eq!(names_in(fixture.folder.path()), names);
        for name in ["web1", "web2"] {
            let out = fixture.request(name).out;
            assert_eq!(read_credential(&out, None).unwrap().members().version(), 2);
        }
        fails(fixture.issue(&["web2"]), &["'web2' is a member"]);
        fixture.issue(&["web3"]).unwrap();
        assert_eq!(fixture.version(), 3);
    }
}

#[test]
fn a_record_that_means_other_files_moves_and_removes_none() {
    for (version, temporary, destination) in [
        (999, "victim", "nowhere"),
        (1, "victim", "nowhere"),
        (999, ".nowhere.4194399.0.tmp", "elsewhere"),
        (999, ".nowhere.4194399.0.tmp", "home/nowhere"),
    ] {
        let fixture = Fixture::new();
        let place = |name: &str| fixture.folder.path().join(name).display().to_string();
        fs::write(place(temporary), b"mine").unwrap();
        let record = format!("{version}\0x\0{}\0{}", place(temporary), place(destination));
        let journal = fixture.prod().path().join("issuing");
        file::write(&journal, record.as_bytes(), Durability::Cached).unwrap();
        fails(fixture.issue(&["web1"]), &["issuing'", "remove it"]);
        assert_eq!(fs::read(place(temporary)).unwrap(), b"mine");
        assert!(!Path::new(&place(destination)).exists());
    }
}

#[test]
fn what_stands_in_the_way_of_an_issued_credential_is_named() {
    let fixture = Fixture::new();
    killed(&fixture, &["web1"], true, 0);
    let out = fixture.request("web1").out;
    fs::write(&out, "mine").unwrap();
    for _ in 0..2 {
        fails(fixture.issue(&["web2"]), &["web1.credential'", "waits", "make way"]);
    }
    assert_eq!(fs::read(&out).unwrap(), b"mine");
    fs::remove_file(&out).unwrap();
    assert!(forget(&fixture.prod(), "web1").unwrap());
    read_credential(&out, None).unwrap();
    assert_eq!(names_in(fixture.folder.path()), ["home", "web1.credential"]);
    file::write(&fixture.prod().path().join("issuing"), b"x", Durability::Cached).unwrap();
    fails(fixture.issue(&["web2"]), &["issuing'", "remove it"]);
}

#[test]
fn issues_at_the_same_time_wait_for_each_other() {
    let fixture = Fixture::new();
    let names: Vec<String> = (0..8).map(|index| format!("web{index}")).collect();
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(|| fixture.issue(&[name]).unwrap());
        }
    });
    let overview = fixture.prod().overview().unwrap();
    assert_eq!(overview.members.version(), 9);
    for name in &names {
        assert!(overview.members.by_name(name).is_some(), "{name}");
    }
}

#[test]
fn forgetting_makes_the_next_list_and_issuing_undoes_it() {
    let fixture = Fixture::new();
    fixture.issue(&["web1"]).unwrap();
    assert!(forget(&fixture.prod(), "web1").unwrap());
    assert!(!forget(&fixture.prod(), "web1").unwrap());
    assert_eq!(fixture.version(), 3);
    let forgotten =
        |name: &str| fixture.prod().overview().unwrap().members.by_name(name).unwrap().forgotten;
    assert!(forgotten("web1"));
    fs::remove_file(fixture.folder.path().join("web1.credential")).unwrap();
    fixture.issue(&["web1"]).unwrap();
    assert!(!forgotten("web1"));
    fails(forget(&fixture.prod(), "web2"), &["no member 'web2'", "did you mean 'web1'"]);
    fails(forget(&fixture.prod(), "database"), &["no member 'database'", "realm show"]);
}

#[test]
fn what_needs_the_authority_says_where_it_is_missing() {
    let fixture = Fixture::new();
    fs::rename(fixture.prod().path().join("authority"), fixture.folder.path().join("a")).unwrap();
    fails(fixture.issue(&["web1"]), &["authority key of realm 'prod' is not here"]);
    fails(forget(&fixture.prod(), "admin"), &["authority key"]);
}

#[test]
fn joining_keeps_what_is_there() {
    let fixture = Fixture::new();
    let mut client = fixture.request("ann");
    client.kind = Kind::Client;
    let requests = [client.clone(), fixture.request("web1")];
    issue(&fixture.prod(), &requests, NOW).unwrap();
    let home = Fixture::home_in(&fixture.folder, "other");
    for (request, already) in requests.iter().flat_map(|it| [(it, false), (it, true)]) {
        let joined = join(&home, &request.out, Owner::User, NOW).unwrap();
        assert_eq!(joined.already, already, "{}", request.name);
        assert_eq!(file::mode(&joined.path).unwrap(), 0o600);
    }
    let host = "elsewhere".parse().unwrap();
    let folder = home.folder("prod");
    let agent = folder.credential(Purpose::Answer, &host, NOW).unwrap();
    assert_eq!(agent.certificate().name().as_str(), "web1");
    assert_eq!(folder.overview().unwrap().members.version(), 2);
    assert!(!folder.overview().unwrap().has_authority);
    fails(join(&fixture.home, &client.out, Owner::User, NOW), &["another credential", "'ann'"]);
    fixture.issue(&["web2"]).unwrap();
    join(&home, &fixture.request("web2").out, Owner::User, NOW).unwrap();
    assert_eq!(folder.overview().unwrap().members.version(), 3);
    let several = folder.credential(Purpose::Answer, &host, NOW);
    fails(several, &["several agents", "web1, web2", "--credential"]);
}

/// The files hold complete credentials. No process has such an id.
#[test]
fn what_a_killed_join_left_goes_with_the_next_change() {
    let fixture = Fixture::new();
    fixture.issue(&["web1"]).unwrap();
    let home = Fixture::home_in(&fixture.folder, "other");
    let source = fixture.request("web1").out;
    join(&home, &source, Owner::User, NOW).unwrap();
    let folder = home.folder("prod");
    let left =
        [".credential.4194399.0.tmp", ".members.4194399.1.tmp", "agents/.web2.4194399.2.tmp"];
    for name in left {
        fs::copy(&source, folder.path().join(name)).unwrap();
    }
    join(&home, &source, Owner::User, NOW).unwrap();
    for name in left {
        assert!(!folder.path().join(name).exists(), "{name}");
    }
}

/// 48 hours of grace: [SEC-22].
#[test]
fn what_has_ended_is_not_joined() {
    let fixture = Fixture::new();
    let request = Request { days: Some(3), ..fixture.request("web1") };
    issue(&fixture.prod(), std::slice::from_ref(&request), NOW).unwrap();
    let home = Fixture::home_in(&fixture.folder, "other");
    let day = |days: u64| NOW.saturating_add(Duration::from_secs(days * 24 * 60 * 60));
    let joined = join(&home, &request.out, Owner::User, day(6));
    fails(joined, &["certificate of 'web1' ended", "librecast realm issue", "clock"]);
    assert!(!home.folder("prod").path().exists());
    join(&home, &request.out, Owner::User, day(4)).unwrap();
}

#[test]
fn another_realm_of_the_same_name_is_refused() {
    let fixture = Fixture::new();
    fixture.issue(&["web1"]).unwrap();
    let home = Fixture::home_in(&fixture.folder, "other");
    create(&home.folder("prod"), Network::default(), NOW).unwrap();
    let joined = join(&home, &fixture.request("web1").out, Owner::User, NOW);
    fails(joined, &["another realm", "'prod'", "move that folder away"]);
}

#[test]
fn credentials_that_others_can_read_are_refused() {
    let fixture = Fixture::new();
    let path = fixture.prod().path().join("credential");
    let own_group = fs::metadata(&path).unwrap().gid();
    let check = |mode: u32, group: Option<u32>, readable: bool| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let outcome = read_credential(&path, group);
        assert_eq!(outcome.is_ok(), readable, "{mode:o} {group:?}");
        if !readable {
            fails(outcome, &[&format!("mode {mode:04o}"), "chmod 600 '"]);
        }
    };
    check(0o600, None, true);
    check(0o400, None, true);
    check(0o640, None, false);
    check(0o644, None, false);
    check(0o601, None, false);
    check(0o640, Some(own_group), true);
    check(0o640, Some(own_group + 1), false);
    check(0o660, Some(own_group), false);
    check(0o644, Some(own_group), false);
}

#[test]
fn damaged_files_are_named_with_what_is_wrong() {
    let fixture = Fixture::new();
    let prod = fixture.prod();
    let host = "any".parse().unwrap();
    let spoil = |name: &str, bytes: &[u8]| {
        file::write(&prod.path().join(name), bytes, Durability::Cached).unwrap();
    };
    let members = fs::read(prod.path().join("members")).unwrap();
    spoil("members", &members[..members.len() - 1]);
    let parts = ["members'", "not signed", "realms/prod/members", "librecast nodes --realm prod"];
    fails(prod.credential(Purpose::Ask, &host, NOW), &parts);
    fails(fixture.issue(&["web1"]), &parts);
    fs::remove_file(prod.path().join("members")).unwrap();
    fails(fixture.issue(&["web1"]), &["members'", "librecast nodes --realm prod"]);
    fs::rename(prod.path().join("authority"), prod.path().join("away")).unwrap();
    spoil("members", &members[..members.len() - 1]);
    fails(prod.credential(Purpose::Ask, &host, NOW), &["not signed", "remove it"]);
    fs::rename(prod.path().join("away"), prod.path().join("authority")).unwrap();
    fails(prod.credential(Purpose::Ask, &host, NOW), &["members'", "not signed"]);
    fails(fixture.issue(&["web1"]), &["members'", "not signed"]);
    spoil("members", &members);
    spoil("authority", b"nonsense");
    fails(fixture.issue(&["web1"]), &["authority'", "not a"]);
    spoil("credential", b"");
    fails(prod.credential(Purpose::Ask, &host, NOW), &["credential'", "not a", "anew"]);
    fs::remove_file(prod.path().join("credential")).unwrap();
    fails(prod.credential(Purpose::Ask, &host, NOW), &["no client's credential", "join"]);
    fails(prod.credential(Purpose::Answer, &host, NOW), &["no agent's credential"]);
}

/// What `join --system` makes of a client's credential is readable by the group. [SEC-78]
#[test]
fn a_realm_of_the_system_issues_with_a_credential_that_its_group_may_read() {
    let folder = Folder::new("realm");
    let group = rustix::process::getegid().as_raw();
    let system = |group| {
        let config = folder.path().join("etc");
        RealmFolder::new(&config, "prod", Owner::System, Some(group))
    };
    create(&system(group), Network::default(), NOW).unwrap();
    let credential = system(group).path().join("credential");
    fs::set_permissions(&credential, fs::Permissions::from_mode(0o640)).unwrap();
    let request = |name: &str| request(&folder, name);
    assert_eq!(issue(&system(group), &[request("web1")], NOW).unwrap().len(), 1);
    assert!(forget(&system(group), "web1").unwrap());
    fails(issue(&system(group + 1), &[request("web2")], NOW), &["credential'", "640"]);
}

/// Whoever may change the folder can put another file in its place at any moment.
#[test]
fn the_mode_of_a_credential_is_that_of_the_file_that_is_read() {
    let fixture = Fixture::new();
    let path = |name: &str| fixture.folder.path().join(format!("{name}.credential"));
    fixture.issue(&["private", "open"]).unwrap();
    fs::set_permissions(path("open"), fs::Permissions::from_mode(0o644)).unwrap();
    let (swapped, next) = (path("swapped"), path("next"));
    fs::hard_link(path("private"), &swapped).unwrap();
    std::thread::scope(|scope| {
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let (path, to) = (&path, &swapped);
        scope.spawn(move || {
            let more = || end.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty);
            for name in ["open", "private"].iter().cycle().take_while(|_| more()) {
                fs::hard_link(path(name), &next).unwrap();
                fs::rename(&next, to).unwrap();
            }
        });
        for round in 0..2000 {
            match read_credential(&swapped, None) {
                Ok(read) => assert_eq!(read.certificate().name().as_str(), "private", "{round}"),
                Err(RealmError::Mode { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        drop(ended);
    });
}

#[test]
fn member_lists_never_go_back() {
    let fixture = Fixture::new();
    let prod = fixture.prod();
    let old = prod.overview().unwrap().members;
    fixture.issue(&["web1"]).unwrap();
    prod.keep_members(&old).unwrap();
    assert_eq!(fixture.version(), 2);
}

#[test]
fn another_realms_authority_is_told_apart_from_a_damaged_member_list() {
    let fixture = Fixture::new();
    create(&fixture.home.folder("other"), Network::default(), NOW).unwrap();
    let path = fixture.prod().path().join("authority");
    for content in
        [fs::read(fixture.home.folder("other").path().join("authority")).unwrap(), vec![]]
    {
        fs::write(&path, content).unwrap();
        let error = fixture.issue(&["web1"]).unwrap_err();
        assert!(matches!(error, RealmError::Authority { .. }), "{error}");
        let error = forget(&fixture.prod(), "admin").unwrap_err();
        assert!(matches!(error, RealmError::Authority { .. }), "{error}");
    }
    assert_eq!(fixture.version(), 1);
}

#[test]
fn what_a_process_that_died_left_of_a_realm_is_removed() {
    let fixture = Fixture::new();
    let parent = fixture.prod().path().parent().unwrap().to_owned();
    let mine = format!(".next.{}.0", std::process::id());
    // No process has this number: the kernel's limit is 2^22.
    for name in [".next.4194305.7", ".prod.4194305.0", ".next.x.0", ".next.4194305.x", &mine] {
        fs::create_dir(parent.join(name)).unwrap();
    }
    fs::write(parent.join(".next.4194305.7/authority"), "key").unwrap();
    remove_unfinished(&parent, "next");
    let mut kept = [&mine, ".next.4194305.x", ".next.x.0", ".prod.4194305.0", "prod"];
    kept.sort_unstable();
    assert_eq!(names_in(&parent), kept);
}

/// Two nodes of one process may use the realm `local` for the first time at once.
#[test]
fn of_two_threads_that_make_a_realm_one_does_and_one_finds_it() {
    let fixture = Fixture::new();
    let mut made = vec!["prod".to_owned()];
    for round in 0..20 {
        let name = format!("r{round:02}");
        let (folder, barrier) = (fixture.home.folder(&name), std::sync::Barrier::new(2));
        let make = || {
            barrier.wait();
            create(&folder, Network::default(), NOW)
        };
        let (first, second) = std::thread::scope(|scope| {
            let other = scope.spawn(make);
            (make(), other.join().unwrap())
        });
        match (&first, &second) {
            (Ok(()), Err(RealmError::Exists { .. })) | (Err(RealmError::Exists { .. }), Ok(())) => {
            }
            outcomes => panic!("round {round}: {outcomes:?}"),
        }
        let host = "any".parse().unwrap();
        let credential = folder.credential(Purpose::Ask, &host, NOW).unwrap();
        assert_eq!(credential.realm(), &folder.overview().unwrap().id, "round {round}");
        fails(forget(&folder, "nobody"), &["'nobody'"]);
        made.push(name);
    }
    made.sort();
    let left = names_in(fixture.prod().path().parent().unwrap());
    assert_eq!(left, made, "nothing unfinished");
}

#[test]
fn who_waits_for_the_folder_too_long_is_told() {
    let fixture = Fixture::new();
    let _held = fixture.prod().lock().unwrap();
    let error = fixture.prod().lock_within(Duration::ZERO).unwrap_err();
    assert!(matches!(error, RealmError::Busy { .. }), "{error}");
}
