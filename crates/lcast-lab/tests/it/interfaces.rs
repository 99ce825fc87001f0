//! Hosts with several network cards, and cards that come and go.

use lcast_lab::{Agent, Answer, DEADLINE, Lab, Member, Realm, wait_until};

use crate::fleet::CONFIG;

/// Host 1 has a card on each of three segments; hosts 0, 2 and 3 are each on one of them.
fn star() -> (Lab, Realm, Vec<Agent>) {
    let lab = Lab::new(4).attach(1, &[0, 1, 2]).attach(2, &[1]).attach(3, &[2]).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let agents = [(1, "hub"), (2, "leaf2"), (3, "leaf3")];
    let members: Vec<_> =
        agents.map(|(host, name)| (lab.host(host), Member::agent(name))).into_iter().collect();
    let agents = realm.start_all(&members, CONFIG);
    (lab, realm, agents)
}

#[test]
fn an_agent_with_three_interfaces_answers_on_each() {
    let (lab, realm, _agents) = star();
    let asker = realm.issue(&Member::client("asker"));
    let ask = |host: usize, words: &str| {
        let words = format!("get host.name --json --credential {asker} {words}");
        Answer::read(lab.host(host).librecast(&words).run())
    };
    for host in [0, 2, 3] {
        let answer = ask(host, "--on hub");
        answer.check(0, &[("answered", 1)]);
        assert_eq!(answer.value("hub", "host.name"), "h1");
    }
    // From the middle everybody is heard, each once; from segment 0 only the hub.
    ask(1, "").check(0, &[("answered", 3)]);
    let answer = ask(0, "");
    answer.check(3, &[("answered", 1), ("missing", 2)]);
    assert_eq!(answer.named("missing"), ["leaf2", "leaf3"]);
}

#[test]
fn two_cards_on_one_wire_give_one_reply() {
    let lab = Lab::new(3).attach(0, &[0, 1]).attach(1, &[0, 1]).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let members = [(lab.host(1), Member::agent("both")), (lab.host(2), Member::agent("one"))];
    let _agents = realm.start_all(&members, CONFIG);
    let output = realm.admin("get host.name --jsonl").run();
    assert_eq!(output.code, 0, "{output}");
    let lines = output.json_lines();
    let replies = lines.iter().filter(|line| line["kind"] == "reply").count();
    assert_eq!(replies, 2, "{output}");
    realm.ask("get host.name").check(0, &[("answered", 2)]);
    // One of the two ways is enough.
    lab.host(1).plug(0, false);
    realm.ask("get host.name").check(0, &[("answered", 2)]);
    lab.host(1).plug(0, true);
    lab.host(1).plug(1, false);
    wait_until("the first card to work again", DEADLINE, || realm.ask("get host.name").code() == 0);
}

#[test]
fn an_address_that_is_still_being_checked_is_waited_for() {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let _agent = realm.start(&lab.host(1), &Member::agent("far"), CONFIG);
    realm.ask("get host.name").check(0, &[("answered", 1)]);
    // Without 'nodad' an address is tentative for one to two seconds.
    let line = "ip -6 address flush dev eth0 && ip address add fe80::77/64 dev eth0";
    lab.host(0).shell(line).ok();
    realm.ask("get host.name").check(0, &[("answered", 1)]);
}

#[test]
fn a_card_that_comes_late_is_used() {
    let lab = Lab::new(2).build();
    let host = lab.host(1);
    let realm = Realm::create(&lab.host(0), "prod", "--interface eth0");
    let link = |words: &str| host.command("ip").args(words.split(' ')).ok();
    link("link set eth0 name spare");
    let _agent = realm.start(&host, &Member::agent("web1"), CONFIG);
    realm.ask("get host.name").check(4, &[("missing", 1)]);
    link("link set spare down");
    link("link set spare name eth0");
    link("link set eth0 up");
    let (link_local, global) = host.addresses(0);
    for address in [link_local, global] {
        let known = host.command("ip").args(["-6", "addr", "show", "dev", "eth0"]).ok();
        if !known.contains(&address.to_string()) {
            link(&format!("addr add {address}/64 dev eth0 nodad"));
        }
    }
    wait_until("the new card to be used", DEADLINE, || realm.ask("get host.name").code() == 0);
}
