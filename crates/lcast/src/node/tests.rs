use lcast_proto::keys::{Authority, Kind, Labels, MemberEdit, Roles, Subject};

use super::*;
use crate::file::tests::Folder;

/// A realm of this host alone: two agents, and the authority.
fn realm(folder: &Folder) -> (Authority, Vec<Credential>) {
    let wall = Clock::start().now().wall;
    let subject = |name: &str| Subject {
        name: name.parse().unwrap(),
        kind: Kind::Agent,
        labels: Labels::default(),
        roles: Roles::default(),
        not_before: wall,
        not_after: wall.saturating_add(Duration::from_secs(3600)),
    };
    let network =
        lcast_proto::keys::Network { scope: Scope::Host, ..lcast_proto::keys::Network::default() };
    let mut random = crate::entropy::random();
    let authority = Authority::create("prod", &mut random).unwrap();
    let subjects = [subject("n0"), subject("n1")];
    let enrolled = authority.enroll(MemberEdit::first(), &subjects, &network, wall, &mut random);
    std::fs::create_dir_all(folder.path()).unwrap();
    (authority, enrolled.unwrap().credentials)
}

fn builder(folder: &Folder, credential: &Credential) -> Builder {
    let credential = Credential::decode(&credential.encode()).unwrap();
    Node::builder(credential).registry(vec![folder.path().join("run")])
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(test);
}

async fn names(node: &Node) -> Vec<String> {
    node.members().await.unwrap().into_iter().map(|it| it.name).collect()
}

/// [SEC-33]
#[test]
fn who_was_forgotten_is_forgotten_after_a_restart() {
    let folder = Folder::new("node");
    let (authority, credentials) = realm(&folder);
    let mut edit = credentials[0].members().edit();
    edit.forget("n1").unwrap();
    let newer = authority.sign_members(edit).unwrap();
    let state = folder.path().join("state");
    let start = || builder(&folder, &credentials[0]).state(&state).start().unwrap();
    run(async {
        let node = start();
        assert_eq!(names(&node).await, ["n0", "n1"]);
        node.install_members(newer).await.unwrap();
        assert_eq!(names(&node).await, ["n0"]);
        node.leave().await;
        let node = start();
        assert_eq!(names(&node).await, ["n0"]);
        node.leave().await;
        std::fs::write(state.join("members"), b"damaged").unwrap();
        let node = start();
        assert_eq!(names(&node).await, ["n0", "n1"]);
        node.leave().await;
    });
}

#[test]
fn a_question_of_a_closed_node_fails_at_once_and_it_opens_all_the_same() {
    let folder = Folder::new("node");
    let (_, credentials) = realm(&folder);
    run(async {
        let node = builder(&folder, &credentials[0]).closed().start().unwrap();
        let ask = node.get(&["app"]).unwrap().report();
        let ended = tokio::time::timeout(Duration::from_secs(20), ask).await;
        assert!(ended.expect("nobody waits for ever").is_err());
        node.open().await.unwrap();
        let report = node.get(&["app"]).unwrap().report().await.unwrap();
        assert_eq!((report.expected, report.empty.len()), (2, 1), "{report:?}");
        node.leave().await;
    });
}

/// [SEC-3]
#[test]
fn a_fork_of_the_process_that_started_a_node_cannot_use_it() {
    let folder = Folder::new("node");
    let (_, credentials) = realm(&folder);
    run(async {
        let mut forked = builder(&folder, &credentials[0]);
        forked.started_by = Some(std::process::id() + 1);
        let node = forked.start().unwrap();
        assert!(matches!(node.members().await, Err(NodeEnded)));
    });
}

#[test]
fn a_description_that_others_would_not_take_is_refused_with_the_way_out() {
    let folder = Folder::new("node");
    let (_, credentials) = realm(&folder);
    run(async {
        let node = builder(&folder, &credentials[0]).start().unwrap();
        let described = |length: usize| Definition {
            description: "d".repeat(length),
            ..Definition::gauge("app.load", lcast_proto::value::Type::Int)
        };
        let refused = node.expose(described(201)).await.map(|_| ()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the description of 'app.load' has 201 bytes, and 200 are the most: shorten it"
        );
        node.expose(described(200)).await.unwrap();
        node.leave().await;
    });
}
