//! Replies larger than a packet.

use std::fmt::Write;

use lcast_lab::{Loss, Member};

use crate::fleet::{CONFIG, Fleet};

const VARIABLES: usize = 2000;

#[test]
fn two_thousand_variables_come_complete() {
    let mut config = String::new();
    for index in 0..VARIABLES {
        let name = format!("app.number.v{index}");
        write!(config, "[[variable]]\nname = \"{name}\"\nvalue = \"value of {index}\"\n").unwrap();
    }
    let mut fleet = Fleet::new(2, 1, CONFIG);
    let big = fleet.realm.start(&fleet.lab.host(3), &Member::agent("big"), &config);
    fleet.agents.push(big);
    for loss in [0, 10] {
        fleet.lab.loss(0..4, Loss::Udp(loss));
        let words = ["get", "**", "--timeout", "20s", "--json"];
        let answer = lcast_lab::Answer::read(fleet.realm.admin("").args(words).run());
        answer.check(0, &[("answered", 3)]);
        let variables = answer.replies()["big"]["variables"].clone();
        for index in 0..VARIABLES {
            let value = &variables[format!("app.number.v{index}")]["value"];
            assert_eq!(value, &format!("value of {index}"), "at {loss} % loss");
        }
        assert!(!variables["system.memory.limit"].is_null(), "built-in variables too");
        assert_eq!(answer.value("web1", "app.release"), "1.2.3");
    }
}
