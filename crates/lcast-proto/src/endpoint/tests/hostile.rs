//! Members and outsiders that wish the realm ill, one trick at a time.

use super::*;
use crate::endpoint::fetching::Claim;
use crate::wire::frame::{Blob, PageFrame};

/// The claim of a node to hold this version of the member list.
fn claim(bench: &Bench, index: usize, version: u64) -> Claim {
    let endpoint = &bench.nodes[index].endpoint;
    Claim { member: endpoint.certificate().id(), sender: endpoint.sender(), version }
}

/// [PRE-40]
#[test]
fn a_false_claim_of_a_newer_list_does_not_keep_the_true_one_away() {
    let mut bench = bench(4);
    // The processes meet by a question of each.
    for asker in [3, 4] {
        bench.ask(asker, get("app.load", Selector::default()));
    }
    let mut random = Random::from_seed([9; 32]);
    let authority = Authority::create("prod", &mut random).unwrap();
    let newer = authority.sign_members(bench.nodes[0].endpoint.members().edit()).unwrap();
    let version = newer.version();
    bench.nodes[4].endpoint.install_members(bench.now, newer);
    let liar = claim(&bench, 3, u64::MAX);
    bench.nodes[3].up = false;
    let now = bench.now;
    bench.nodes[2].endpoint.members_seen(now, liar);
    bench.run(Duration::from_millis(30), |_| false);
    let honest = claim(&bench, 4, version);
    let now = bench.now;
    bench.nodes[2].endpoint.members_seen(now, honest);
    // The liar sends a page now and then, so that its pull never ends.
    for index in 0..4 {
        let page = PageFrame {
            blob: Blob::Members(u64::MAX),
            index,
            total: 8_000_000,
            bytes: vec![7; 900],
        };
        let now = bench.now;
        let taken = bench.nodes[2].endpoint.handle_page(now, liar.sender, &page);
        assert_eq!(taken, Ok(()), "{index}");
        bench.run(Duration::from_millis(100), |_| false);
    }
    assert_eq!(bench.nodes[2].endpoint.members().version(), version);
}
