//! Several realms and agents on one wire, host and port.

use lcast_lab::{Answer, Lab, Member, Realm};

use crate::fleet::CONFIG;

#[test]
fn two_realms_on_one_wire_do_not_meet() {
    let lab = Lab::new(5).build();
    let red = Realm::create(&lab.host(0), "red", "");
    let blue = Realm::create(&lab.host(1), "blue", "");
    let members = |realm: &str| -> Vec<_> {
        (2..5).map(|host| (lab.host(host), Member::agent(format!("{realm}{host}")))).collect()
    };
    let _red_agents = red.start_all(&members("red"), CONFIG);
    let _blue_agents = blue.start_all(&members("blue"), CONFIG);
    for _ in 0..2 {
        let answer = red.ask("get host.name");
        answer.check(0, &[("answered", 3)]);
        assert_eq!(answer.answered(), ["red2", "red3", "red4"]);
        let answer = blue.ask("get host.name");
        answer.check(0, &[("answered", 3)]);
        assert_eq!(answer.answered(), ["blue2", "blue3", "blue4"]);
    }
    red.ask("set app.greeting=red").check(0, &[("answered", 3)]);
    assert_eq!(blue.ask("get app.greeting").value("blue2", "app.greeting"), "");

    // A credential of one realm opens nothing in the other, even where both names agree.
    let impostor = Realm::create(&lab.host(2), "red", "");
    impostor.issue(&Member::agent("red3"));
    let stranger = impostor.issue(&Member::client("stranger").role("admin"));
    let words = format!("get host.name --json --credential {stranger}");
    let answer = Answer::read(lab.host(2).librecast(&words).run());
    answer.check(4, &[("missing", 1)]);
}

/// [WIR-12]
#[test]
fn many_agents_share_one_host_and_port() {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let members: Vec<_> =
        (1..=10).map(|index| (lab.host(1), Member::agent(format!("n{index}")))).collect();
    let _agents = realm.start_all(&members, CONFIG);
    for _ in 0..3 {
        realm.ask("get host.name").check(0, &[("answered", 10)]);
    }
    // And with the asker on the same host.
    let asker = realm.issue(&Member::client("asker"));
    let words = format!("get host.name --json --credential {asker}");
    Answer::read(lab.host(1).librecast(&words).run()).check(0, &[("answered", 10)]);
}
