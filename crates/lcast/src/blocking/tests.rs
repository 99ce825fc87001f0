use std::path::PathBuf;
use std::time::{Duration, Instant};

use lcast_proto::keys::{Authority, Kind as MemberKind, Labels, MemberEdit, Roles, Scope, Subject};
use lcast_proto::name::Name;
use lcast_proto::presence::State;
use lcast_proto::question::answering::PATTERNS_MAX;
use lcast_proto::question::watched::EVERY_MIN;
use lcast_proto::value::{Type, Value};
use lcast_proto::variable::{Assigned, Constraint, Definition, Version};

use super::*;
use crate::file::tests::Folder;
use crate::{Outcome, PresenceItem, WatchItem};

/// A realm of this host: agents `n0` and `n1`, and a client who may write.
struct Realm {
    folder: Folder,
    credentials: Vec<Vec<u8>>,
}

impl Realm {
    fn new() -> Self {
        let wall = crate::wall();
        let subject = |name: &str, kind: MemberKind, role: Option<&str>| Subject {
            name: name.parse().unwrap(),
            kind,
            labels: Labels::default(),
            roles: Roles::new(role.map(str::to_owned)).unwrap(),
            not_before: wall,
            not_after: wall.saturating_add(Duration::from_secs(3600)),
        };
        let subjects = [
            subject("n0", MemberKind::Agent, None),
            subject("n1", MemberKind::Agent, None),
            subject("ann", MemberKind::Client, Some(Roles::ADMIN)),
        ];
        let network = lcast_proto::keys::Network { scope: Scope::Host, ..Default::default() };
        let mut random = crate::entropy::random();
        let authority = Authority::create("prod", &mut random).unwrap();
        let edit = MemberEdit::first();
        let enrolled = authority.enroll(edit, &subjects, &network, wall, &mut random).unwrap();
        let folder = Folder::new("blocking");
        std::fs::create_dir_all(folder.path()).unwrap();
        let credentials = enrolled.credentials.iter().map(|it| it.encode().to_vec()).collect();
        Self { folder, credentials }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn builder(&self, member: usize) -> Builder {
        Builder::bytes(&self.credentials[member]).registry(vec![self.path("run")])
    }

    fn open(&self, member: usize) -> Node {
        self.builder(member).open().unwrap()
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> Kind {
    result.unwrap_err().kind()
}

#[test]
fn a_question_gives_its_replies_and_then_the_report() {
    let realm = Realm::new();
    let (agent, other, client) = (realm.open(0), realm.open(1), realm.open(2));
    assert_eq!((client.realm(), client.name()), ("prod", "ann"));
    let length = agent.expose(Definition::gauge("app.length", Type::Int).unit("{job}")).unwrap();
    length.publish(Value::Int(17)).unwrap();
    let replies = client.get(&["app.*"]).unwrap().ask().unwrap();
    let values: Vec<_> = replies
        .iter()
        .filter_map(|reply| match reply.outcome {
            Outcome::Values(values) => Some((reply.node, values[0].value.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(values, [("n0".to_owned(), Value::Int(17))]);
    let report = replies.finish(None).unwrap();
    assert_eq!((report.expected, report.answered, report.empty.len()), (2, 1, 1), "{report:?}");
    assert_eq!(length.withdraw(), Ok(true));
    assert_eq!(length.withdraw(), Ok(false));
    other.close().unwrap();
}

#[test]
fn nodes_say_which_variables_they_have() {
    let realm = Realm::new();
    let (agent, other, client) = (realm.open(0), realm.open(1), realm.open(2));
    let length = Definition::gauge("app.length", Type::Int).unit("{job}");
    agent.expose(length.clone()).unwrap();
    let described = client.variables().unwrap().on("n0").unwrap().describe().unwrap();
    let told: Vec<Described> = described.iter().collect();
    let [Described::Variables { node, schema }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((node.as_str(), schema.definition("app.length")), ("n0", Some(&length)));
    let report = described.finish(None).unwrap();
    assert_eq!((report.expected, report.answered), (1, 1), "{report:?}");
    // What there is to say would be left out of values, and values have nothing of it.
    assert_eq!(kind(client.variables().unwrap().ask()), Kind::Invalid);
    assert_eq!(kind(client.get(&["app"]).unwrap().describe()), Kind::Invalid);
    let report = client.variables().unwrap().on("n0").unwrap().report().unwrap();
    assert_eq!((report.expected, report.answered), (1, 1), "{report:?}");
    other.close().unwrap();
}

#[test]
fn a_list_of_no_names_asks_and_expects_nobody() {
    let realm = Realm::new();
    let client = realm.open(2);
    let get = || client.get(&["app"]).unwrap();
    let report = get().only(Vec::new()).and_then(Question::report).unwrap();
    assert_eq!((report.expected, report.missing.len()), (0, 0), "{report:?}");
    let report = get().only(vec!["n0".to_owned()]).and_then(|it| it.expect(Vec::new()));
    assert_eq!(report.and_then(Question::report).unwrap().expected, 1);
}

/// Nodes would leave such a question unanswered, or do something else than what was said.
#[test]
fn spans_and_distances_that_nodes_do_not_keep_are_refused() {
    let realm = Realm::new();
    let client = realm.open(2);
    let watch = || client.watch(&["app"]).unwrap();
    for delta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(kind(watch().delta(delta)), Kind::Invalid, "{delta}");
    }
    for every in [Duration::ZERO, EVERY_MIN - Duration::from_nanos(1)] {
        let error = watch().every(every).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().contains("10ms"), "{error}");
    }
    watch().every(EVERY_MIN).unwrap();
    assert_eq!(kind(watch().timeout(Duration::ZERO)), Kind::Invalid);
    let patterns = vec!["a"; PATTERNS_MAX + 1];
    client.get(&patterns[1..]).unwrap();
    assert_eq!(kind(client.get(&patterns)), Kind::Invalid);
    assert_eq!(kind(client.watch(&patterns)), Kind::Invalid);
}

/// It must not go for the value of the variable itself.
#[test]
fn a_key_of_what_has_none_is_refused() {
    let realm = Realm::new();
    let (agent, client) = (realm.open(0), realm.open(2));
    let expose = |name: &str| agent.expose(Definition::gauge(name, Type::Int)).unwrap();
    let (load, usage) = (expose("app.load"), expose("app.disk[*].usage"));
    usage.publish_key("/\"[*]\\", Value::Int(1)).unwrap();
    let error = load.publish_key("k", Value::Int(2)).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(error.to_string(), "no variable 'app.load[*]' is defined here");
    let replies = client.get(&["app"]).unwrap().on("n0").unwrap().ask().unwrap();
    let Some(Outcome::Values(values)) = replies.iter().next().map(|it| it.outcome) else {
        panic!("{:?}", replies.finish(None))
    };
    let values: Vec<_> = values.into_iter().map(|it| (it.name, it.value)).collect();
    assert_eq!(values, [(r#"app.disk["/\"[*]\\"].usage"#.to_owned(), Value::Int(1))]);
}

#[test]
fn a_key_that_no_name_has_is_told() {
    let realm = Realm::new();
    let agent = realm.open(0);
    let usage = agent.expose(Definition::gauge("app.disk[*].usage", Type::Int)).unwrap();
    let publish = |key: &str| usage.publish_key(key, Value::Int(1));
    for length in [1, Name::KEY_LENGTH_MAX] {
        publish(&"k".repeat(length)).unwrap();
        publish(&"\"".repeat(length)).unwrap();
    }
    for length in [0, Name::KEY_LENGTH_MAX + 1, 70_000] {
        let error = publish(&"k".repeat(length)).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        let told = format!("'app.disk[*].usage': a key has 1 to 255 bytes, not {length}");
        assert_eq!(error.to_string(), told);
    }
}

#[test]
fn a_client_exposes_nothing() {
    let realm = Realm::new();
    let client = realm.open(2);
    let variable = client.expose(Definition::gauge("app.load", Type::Int));
    assert_eq!(kind(variable), Kind::Permission);
    let workers = Definition::setting("app.workers", Type::Int, Constraint::default());
    let error = client.expose_setting(workers, Value::Int(4)).unwrap_err();
    assert!(error.to_string().contains("without --client"), "{error}");
}

#[test]
fn a_setting_is_written_and_its_node_hears_of_it() {
    let realm = Realm::new();
    let agent = realm.builder(0).state(realm.path("state")).open().unwrap();
    let client = realm.open(2);
    let range = Constraint { min: Some(1.0), max: Some(64.0), ..Constraint::default() };
    let workers = Definition::setting("app.workers", Type::Int, range);
    let setting = agent.expose_setting(workers, Value::Int(4)).unwrap();
    assert_eq!(setting.value(), Ok(Value::Int(4)));
    let changes = setting.changes().unwrap();
    assert_eq!(kind(changes.next(Some(Duration::ZERO))), Kind::Timeout);
    let report = client.set("app.workers", "8").unwrap().on("n0").unwrap().report().unwrap();
    assert_eq!(report.answered, 1, "{report:?}");
    assert_eq!(changes.next(None), Ok(Some(Value::Int(8))));
    let nine = client.set_value("app.workers", Value::Int(9)).unwrap();
    let report = nine.on("n0").unwrap().report().unwrap();
    assert_eq!(report.answered, 1, "{report:?}");
    assert_eq!(changes.next(None), Ok(Some(Value::Int(9))));
    assert_eq!(setting.changes().unwrap().next(None), Ok(Some(Value::Int(9))));
    agent.close().unwrap();
    assert_eq!(changes.next(None), Ok(None));
    assert_eq!(kind(setting.changes().unwrap().finish(None)), Kind::Ended);
    assert_eq!(setting.value(), Ok(Value::Int(9)));
}

#[test]
fn several_settings_are_written_all_or_none() {
    let realm = Realm::new();
    let (agent, client) = (realm.open(0), realm.open(2));
    let define = |name| Definition::setting(name, Type::Int, Constraint::default());
    let expose = |name| agent.expose_setting(define(name), Value::Int(1)).unwrap();
    let (a, b) = (expose("app.a"), expose("app.b"));
    let held = || (a.value().unwrap(), b.value().unwrap());
    let report = |question: Result<Question, Error>| {
        question.and_then(|it| it.on("n0")).and_then(Question::report)
    };
    let dry_run = |question: Result<Question, Error>| question.and_then(Question::dry_run);
    let wrong = report(client.set_all(&[("app.a", "2"), ("app.b", "many")])).unwrap();
    assert_eq!((wrong.error.len(), held()), (1, (Value::Int(1), Value::Int(1))), "{wrong:?}");
    let both = [("app.a", "2"), ("app.b", "3")];
    let would = report(dry_run(client.set_all(&both))).unwrap();
    assert_eq!((would.answered, held()), (1, (Value::Int(1), Value::Int(1))), "{would:?}");
    let wrong = report(dry_run(client.set("app.a", "many"))).unwrap();
    assert_eq!(wrong.error.len(), 1, "{wrong:?}");
    let done = report(client.set_all(&both)).unwrap();
    assert_eq!((done.answered, held()), (1, (Value::Int(2), Value::Int(3))), "{done:?}");
    let typed =
        vec![("app.a", Assigned::Value(Value::Int(4))), ("app.b", Assigned::Text("5".into()))];
    let done = report(client.set_all_values(typed)).unwrap();
    assert_eq!((done.answered, held()), (1, (Value::Int(4), Value::Int(5))), "{done:?}");
}

#[test]
fn a_set_of_none_of_too_many_or_of_one_twice_is_not_asked() {
    let realm = Realm::new();
    let client = realm.open(2);
    // They fit into one packet where their names are short.
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let names = names.into_iter().flat_map(|left| names.map(|right| format!("{left}.{right}")));
    let names: Vec<String> = names.chain(["i.a".to_owned()]).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|it| (it.as_str(), "1")).collect();
    let refused =
        |assignments: &[(&str, &str)]| client.set_all(assignments).unwrap().report().unwrap_err();
    for (assignments, expected) in [
        (&[][..], "a set writes 1 to 64 settings, not 0"),
        (&all, "a set writes 1 to 64 settings, not 65"),
        (&[all[0], all[1], all[0]], "'a.a' is set twice"),
    ] {
        let error = refused(assignments);
        assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Invalid, expected));
    }
    let of_several = client.set_all(&all[..2]).unwrap().if_version(Version::default());
    assert_eq!(kind(of_several.unwrap().report()), Kind::Invalid);
    client.set_all(&all[..64]).unwrap().report().unwrap();
    assert_eq!(kind(client.set_all(&[all[0], ("no name", "1")])), Kind::Invalid);
}

#[test]
fn the_changes_of_a_setting_can_be_given_up() {
    let realm = Realm::new();
    let agent = realm.open(0);
    let workers = Definition::setting("app.workers", Type::Int, Constraint::default());
    let setting = agent.expose_setting(workers, Value::Int(4)).unwrap();
    let (kept, changes) = (setting.changes().unwrap(), setting.changes().unwrap());
    changes.cancel().unwrap();
    assert_eq!(changes.next(Some(Duration::from_secs(20))), Ok(None));
    assert_eq!(changes.end(), Ok(Some(Ok(()))));
    assert_eq!(kind(kept.next(Some(Duration::ZERO))), Kind::Timeout);
}

#[test]
fn a_watch_tells_changes_until_it_is_given_up() {
    let realm = Realm::new();
    let (agent, client) = (realm.open(0), realm.open(2));
    let length = agent.expose(Definition::gauge("app.length", Type::Int)).unwrap();
    length.publish(Value::Int(1)).unwrap();
    let watch = client.watch(&["app.length"]).unwrap().on("n0").unwrap().subscribe().unwrap();
    let first = watch.next(Some(Duration::from_secs(20))).unwrap();
    assert!(matches!(first, Some(WatchItem::Reply(_))), "{first:?}");
    length.publish(Value::Int(2)).unwrap();
    let changed = |item: &WatchItem| matches!(item, WatchItem::Changed { .. });
    let changed = watch.iter().find(changed);
    let Some(WatchItem::Changed { node, values, .. }) = changed else { panic!("{changed:?}") };
    assert_eq!((node.as_str(), &values[0].value.value), ("n0", &Value::Int(2)));
    watch.cancel().unwrap();
    watch.finish(None).unwrap();
    assert_eq!(kind(client.get(&["app"]).unwrap().subscribe()), Kind::Invalid);
}

#[test]
fn who_comes_and_goes_is_told() {
    let realm = Realm::new();
    let client = realm.open(2);
    let changes = client.presence().unwrap();
    let agent = realm.open(0);
    let of = |state: State| {
        let found = changes.iter().find(|item| {
            matches!(item, PresenceItem::Changed(it) if it.name == "n0" && it.state == state)
        });
        assert!(found.is_some());
    };
    of(State::Alive);
    let members = client.members().unwrap();
    let n0 = members.iter().find(|it| it.name == "n0").unwrap();
    assert_eq!((members.len(), n0.state), (3, State::Alive));
    client.get(&["app"]).unwrap().report().unwrap();
    assert!(client.ping("n0", Duration::from_secs(20)).unwrap().is_some());
    drop(agent);
    of(State::Left);
    client.close().unwrap();
    assert_eq!(changes.iter().count(), 0);
    assert_eq!(kind(changes.finish(None)), Kind::Ended);
}

#[test]
fn a_node_that_was_closed_says_so() {
    let realm = Realm::new();
    let node = realm.open(0);
    let exposed = node.expose(Definition::gauge("app.load", Type::Int)).unwrap();
    let question = node.get(&["app"]).unwrap();
    let watch = node.watch(&["app"]).unwrap().subscribe().unwrap();
    node.close().unwrap();
    node.close().unwrap();
    assert_eq!(kind(node.members()), Kind::Ended);
    assert_eq!(kind(node.presence()), Kind::Ended);
    assert_eq!(kind(question.report()), Kind::Ended);
    assert_eq!(kind(exposed.publish(Value::Int(1))), Kind::Ended);
    assert_eq!(kind(watch.finish(Some(Duration::from_secs(20)))), Kind::Ended);
}

#[test]
fn errors_have_kinds_and_the_words_of_the_async_interface() {
    let realm = Realm::new();
    let node = realm.builder(0).state(realm.path("state")).open().unwrap();
    let error = node.get(&["app..x"]).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    let told = "app..x".parse::<lcast_proto::select::Pattern>().unwrap_err();
    assert_eq!(error.to_string(), told.to_string());
    let get = || node.get(&["app"]).unwrap();
    assert_eq!(kind(get().on("[")), Kind::Invalid);
    assert_eq!(kind(get().matching("1 +")), Kind::Invalid);
    for none in ["", "web1,web2", "web 1", "web*"] {
        let error = get().only(vec!["web1".to_owned(), none.to_owned()]).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(error.to_string().starts_with(&format!("'{none}' is no name")), "{error}");
        assert_eq!(kind(get().expect(vec![none.to_owned()])), Kind::Invalid);
    }
    assert_eq!(kind(node.set("not a name", "1")), Kind::Invalid);
    assert_eq!(kind(get().timeout(Duration::from_secs(7200)).unwrap().report()), Kind::Invalid);
    let gauge = |name: &str| node.expose(Definition::gauge(name, Type::Int));
    let load = gauge("app.load").unwrap();
    assert_eq!(kind(load.publish(Value::from("x"))), Kind::Invalid);
    assert_eq!(kind(gauge("app.load.deeper")), Kind::Invalid);
    assert_eq!(kind(realm.builder(0).state(realm.path("state")).open()), Kind::Busy);
    assert_eq!(kind(Builder::bytes(b"no credential").open()), Kind::Credential);
    assert_eq!(kind(Builder::file(realm.path("absent")).open()), Kind::Credential);
    let readable = realm.path("readable");
    std::fs::write(&readable, &realm.credentials[0]).unwrap();
    assert_eq!(kind(Builder::file(&readable).open()), Kind::Permission);
    assert_eq!(kind(Builder::realm(Some("no such realm")).open()), Kind::NoRealm);
}

/// What was asked for and left out in silence could write where nothing was to be written.
#[test]
fn what_is_for_another_verb_is_refused() {
    let realm = Realm::new();
    let client = realm.open(2);
    let get = || client.get(&["app"]).unwrap();
    let set = || client.set("app.x", "1").unwrap();
    let watch = || client.watch(&["app"]).unwrap();
    let (version, second) = (Version::default(), Duration::from_secs(1));
    for refused in [
        get().if_version(version),
        watch().if_version(version),
        get().dry_run(),
        watch().dry_run(),
        get().every(second),
        set().every(second),
        get().delta(1.0),
        set().delta(1.0),
        client.get(&[]),
        client.watch(&[]),
    ] {
        assert_eq!(kind(refused), Kind::Invalid);
    }
    set().if_version(version).and_then(Question::dry_run).unwrap();
    watch().every(second).and_then(|it| it.delta(1.0)).unwrap();
}

#[test]
fn a_fork_can_do_nothing_with_a_node_and_leaves_it_alone() {
    let realm = Realm::new();
    let mut node = realm.open(0);
    let question = node.get(&["app"]).unwrap();
    node.disown();
    assert_eq!(kind(node.members()), Kind::Forked);
    assert_eq!(kind(node.get(&["app"])), Kind::Forked);
    assert_eq!(kind(node.expose(Definition::gauge("app.load", Type::Int))), Kind::Forked);
    assert_eq!(kind(node.close()), Kind::Forked);
    drop(node);
    // The thread that was left alone still works.
    assert_eq!(question.report().unwrap().expected, 2);
}

/// Two threads may ask at once, and one may close the node under the other.
#[test]
fn threads_share_a_node() {
    let realm = Realm::new();
    let node = realm.open(0);
    let ask = || {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            match node.get(&["app"]).and_then(Question::report) {
                Ok(_) => {}
                Err(error) => return error.kind(),
            }
        }
        panic!("the node was never closed");
    };
    std::thread::scope(|scope| {
        let asking = [scope.spawn(ask), scope.spawn(ask)];
        node.get(&["app"]).unwrap().report().unwrap();
        node.close().unwrap();
        for thread in asking {
            assert_eq!(thread.join().unwrap(), Kind::Ended);
        }
    });
}

#[test]
fn kinds_have_words_of_their_own() {
    let words: std::collections::BTreeSet<_> = Kind::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(words.len(), Kind::ALL.len());
}
