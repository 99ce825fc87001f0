//! Newer member lists: that they reach everybody, whatever processes come, go and claim.

use super::*;
use crate::keys::members::MemberList;
use crate::wire::frame::{Blob, PageFrame};

/// The next versions of the realm's member list, so many.
fn newer(bench: &Bench, count: usize) -> Vec<MemberList> {
    let authority = Authority::create("prod", &mut Random::from_seed([9; 32])).unwrap();
    let mut lists = vec![bench.nodes[0].endpoint.members().clone()];
    for _ in 0..count {
        let edit = lists[lists.len() - 1].edit();
        lists.push(authority.sign_members(edit).unwrap());
    }
    lists.split_off(1)
}

/// A command of the client, with this list: asks, and is gone after `lasts`.
fn command(bench: &mut Bench, list: &MemberList, seed: u8, lasts: Duration) {
    let credential = bench.nodes[0].endpoint.credential.clone();
    let mut endpoint = Endpoint::new(Config::default(), credential, [seed; 32], bench.now);
    let link = Link { index: 2, addresses: vec![bench.nodes[0].address], multicast: true };
    endpoint.handle_input(bench.now, Input::Links(vec![link]));
    bench.nodes[0].endpoint = endpoint;
    bench.nodes[0].up = true;
    bench.settle();
    let now = bench.now;
    bench.nodes[0].endpoint.install_members(now, list.clone());
    let ask = Box::new(Ask { verb: Verb::Ping, ..get("app", Selector::default()) });
    bench.input(0, Input::Ask(QuestionId(u64::from(seed)), ask));
    bench.pass(lasts);
    bench.nodes[0].up = false;
}

fn versions(bench: &Bench) -> Vec<u64> {
    bench.nodes[2..].iter().map(|it| it.endpoint.members().version()).collect()
}

/// [PRE-40]: `get` is over in milliseconds, before anybody fetches the list that it announced;
/// `forget`, by the same member, comes soon after.
#[test]
fn a_command_that_left_too_soon_does_not_keep_the_list_of_the_next_away() {
    for pause in [100, 500, 1_500, 5_000] {
        let mut bench = bench(4);
        let lists = newer(&bench, 2);
        command(&mut bench, &lists[0], 50, Duration::ZERO);
        bench.pass(Duration::from_millis(pause));
        assert_eq!(versions(&bench), [1; 4], "{pause}: nobody could fetch it");
        command(&mut bench, &lists[1], 51, Duration::from_millis(600));
        assert_eq!(versions(&bench), [3; 4], "{pause}");
    }
}

/// [PRE-40]: the network was away for as long as a fetch takes.
#[test]
fn a_list_that_could_not_be_fetched_is_fetched_later() {
    let mut bench = bench(3);
    let lists = newer(&bench, 1);
    bench.nodes[2].endpoint.install_members(bench.now, lists[0].clone());
    bench.unicast_lost = true;
    bench.input(2, Input::Ask(QuestionId(9), Box::new(get("app.load", Selector::default()))));
    bench.run(Duration::from_millis(1_500), |_| false);
    assert_eq!(versions(&bench), [2, 1, 1]);
    bench.unicast_lost = false;
    bench.run(Duration::from_secs(2), |_| false);
    assert_eq!(versions(&bench), [2; 3]);
}

/// [PRE-40]: pages come fast enough to be headway, of a list that this realm does not have.
#[test]
fn a_liar_that_delivers_without_end_delays_the_true_list_by_a_moment() {
    for (total, liars, within) in [(20_000, 1, 150), (8_000_000, 1, 150), (8_000_000, 2, 600)] {
        let mut bench = bench(5);
        // The processes meet by a question of each.
        for asker in [3, 4, 5] {
            bench.ask(asker, get("app.load", Selector::default()));
        }
        let lists = newer(&bench, 1);
        bench.nodes[3].endpoint.install_members(bench.now, lists[0].clone());
        let liars = &[4, 5][..liars];
        for liar in liars {
            bench.nodes[*liar].up = false;
            let liar = super::hostile::claim(&bench, *liar, u64::MAX);
            let now = bench.now;
            bench.nodes[2].endpoint.members_seen(now, liar);
            bench.run(Duration::from_millis(150), |_| false);
        }
        let honest = super::hostile::claim(&bench, 3, 2);
        let (mut now, start) = (bench.now, bench.now.instant);
        bench.nodes[2].endpoint.members_seen(now, honest);
        let mut index = 0;
        while bench.nodes[2].endpoint.members().version() < 2 {
            for liar in liars {
                let sender = bench.nodes[*liar].endpoint.sender();
                let blob = Blob::Members(u64::MAX);
                let page = PageFrame { blob, index, total, bytes: vec![7; 900] };
                // One that gave way is not asked for more.
                let _ = bench.nodes[2].endpoint.handle_page(now, sender, &page);
            }
            index += 1;
            bench.run(Duration::from_millis(13), |_| false);
            now = bench.now;
            assert!(now.instant.since(start) < Duration::from_millis(within), "{total} {liars:?}");
        }
    }
}

/// The credential of an agent that nobody knows yet, with the list that names it.
fn issued(bench: &Bench, name: &str) -> Credential {
    let edit = bench.nodes[0].endpoint.members().edit();
    let newcomer = [subject(name, Kind::Agent, "web")];
    let authority = Authority::create("prod", &mut Random::from_seed([9; 32])).unwrap();
    let mut random = Random::from_seed([42; 32]);
    let enrolled = authority.enroll(edit, &newcomer, &network(), bench.now.wall, &mut random);
    enrolled.unwrap().credentials.into_iter().next().unwrap()
}

/// [PRE-41]: the third beacon of a start is the first, sent again, where another agent tells of the
/// list already; who had to fetch that list heard the newcomer an interval later.
#[test]
fn who_was_just_issued_is_there_as_soon_as_the_list_is() {
    for leaves in [false, true] {
        let mut bench = bench(2);
        bench.pass(Duration::from_secs(5));
        let credential = issued(&bench, "n9");
        bench.events.clear();
        bench.add(credential);
        bench.pass(Duration::from_millis(100));
        let (now, id) = (bench.now, bench.nodes[4].endpoint.certificate().id());
        bench.nodes[2].endpoint.send_beacon(now, Duration::from_secs(10), false);
        if leaves {
            bench.input(4, Input::Leave);
        }
        bench.pass(Duration::from_millis(900));
        let expected = if leaves { State::Left } else { State::Alive };
        for node in [0, 2, 3] {
            assert_eq!(bench.nodes[node].endpoint.state(bench.now, &id), expected, "{node}");
        }
        let told = |it: &(usize, Event)| match it {
            (0, Event::Presence(it)) => it.id == id && it.state == State::Alive,
            _ => false,
        };
        assert!(bench.events.iter().any(told), "{:?}", bench.events);
    }
}

/// Those that follow the newcomer have to fetch the list that names it first. [PRE-27]
#[test]
fn who_was_just_issued_hears_of_those_that_follow_it() {
    let mut bench = bench(20);
    bench.pass(Duration::from_secs(15));
    let credential = issued(&bench, "n99");
    // They fetch it from another, so that nobody speaks with the newcomer meanwhile.
    bench.parted = Some(Box::new(|_, to| to == 22));
    bench.add(credential);
    bench.pass(Duration::from_millis(100));
    let (now, list) = (bench.now, bench.nodes[22].endpoint.members().clone());
    bench.nodes[2].endpoint.install_members(now, list);
    bench.nodes[2].endpoint.send_beacon(now, Duration::from_secs(10), false);
    bench.pass(Duration::from_millis(300));
    bench.parted = None;
    bench.pass(Duration::from_millis(1_200));
    let id = bench.nodes[22].endpoint.certificate().id();
    let following: Vec<NodeId> = bench.nodes[0].endpoint.roster.successors(&id).take(6).collect();
    let state = |it: &NodeId| bench.nodes[22].endpoint.state(bench.now, it);
    assert_eq!(following.iter().map(state).collect::<Vec<_>>(), [State::Alive; 6]);
    let known: Vec<NodeId> = bench.nodes[22].endpoint.roster.successors(&id).take(6).collect();
    assert_eq!(known, following, "it heard them itself");
}

/// Who told the newest list to others sees who holds it.
#[test]
fn a_report_names_those_that_hold_an_older_list() {
    let mut bench = bench(3);
    let lists = newer(&bench, 1);
    for node in [0, 3] {
        bench.nodes[node].endpoint.install_members(bench.now, lists[0].clone());
    }
    let ping = || Ask { verb: Verb::Ping, ..get("app", Selector::default()) };
    let (_, report) = bench.ask(0, ping());
    assert_eq!((report.answered, report.behind), (3, vec!["n0".to_owned(), "n2".to_owned()]));
    bench.run(Duration::from_secs(1), |_| false);
    let (_, report) = bench.ask(0, ping());
    assert_eq!((report.answered, report.behind), (3, Vec::new()));
}
