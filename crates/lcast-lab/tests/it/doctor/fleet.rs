//! What is wrong between the doctor's host and the agents of the realm.

use std::net::Ipv6Addr;

use lcast_lab::{Agent, DEADLINE, Firewall, Member, wait_for, wait_until};
use serde_json::json;

use super::*;
use crate::fleet::{CONFIG, Fleet};

/// The bytes that every packet of a realm has: its header and its seal.
const SEALED_MIN: usize = 42;

/// What a switch lets through so that neighbours still find each other.
const NEIGHBOURS: &str = "ip6 daddr { ff02::1:ff00:0/104, ff02::1, ff02::2, ff02::16 } accept;";

/// A fleet whose doctor is content, and knows the agents' addresses from an earlier question.
fn fleet(count: usize) -> (Fleet, Job) {
    let fleet = Fleet::new(count, 0, CONFIG);
    let doctor = fleet.realm.admin("doctor");
    content(&doctor);
    (fleet, doctor)
}

/// The same with an agent on the doctor's host.
fn fleet_beside(count: usize) -> (Fleet, Job, Vec<Agent>) {
    let (fleet, doctor) = fleet(count);
    let beside = (fleet.lab.host(0), Member::agent("beside"));
    let beside = fleet.realm.start_all(&[beside], CONFIG);
    content(&doctor);
    (fleet, doctor, beside)
}

/// Rules for what the switch forwards.
fn filter(fleet: &Fleet, rules: &str) {
    let rules = format!(
        "table bridge fault {{ chain f {{ type filter hook forward priority 0; {rules}\n}}\n}}\n"
    );
    fleet.lab.switch().command("nft").args(["-f", "-"]).input(rules).ok();
}

/// Lets in what the kernel needs, and tracks nothing.
const CLOSED: &str = "policy drop; iif lo accept; meta l4proto ipv6-icmp accept;";

fn nodes(finding: &Value) -> Vec<&str> {
    finding["nodes"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect()
}

#[test]
fn this_hosts_firewall_drops_the_replies() {
    let (fleet, doctor) = fleet(3);
    fleet.lab.host(0).firewall(Firewall::Stateful);
    // What the firewall remembers of the doctor's own questions changes nothing.
    diagnosed(&doctor, "replies-filtered");
    let finding = diagnosed(&doctor, "replies-filtered");
    // All answer, if not at once.
    assert_eq!((&finding["where"], &finding["severity"]), (&"here".into(), &"warning".into()));
    fleet.realm.ask("get host.name").check(0, &[("answered", 3)]);
    mend(&fleet.lab.host(0), &finding);
    content(&doctor);
}

/// What the firewall remembers of questions lets answers in, and no announcement.
#[test]
fn this_hosts_firewall_is_blamed_after_a_question_too() {
    let (fleet, doctor) = fleet(3);
    fleet.lab.host(0).firewall(Firewall::Stateful);
    diagnosed(&doctor, "replies-filtered");
    for question in ["get host.name --on 'web*'", "get host.name"] {
        fleet.lab.host(0).shell(&format!("librecast {question}")).ok();
        let checkup = Checkup::run(&doctor);
        assert_eq!((checkup.code, checkup.ids()), (3, vec!["replies-filtered"]), "{question}");
        let what = checkup.finding("replies-filtered")["what"].as_str().unwrap();
        assert!(what.contains("db3, web1, web2"), "{question}: {what}");
    }
    mend(&fleet.lab.host(0), &diagnosed(&doctor, "replies-filtered"));
    content(&doctor);
}

/// The kernel tracks connections, and the host receives what it gives to nobody: for other reasons.
#[test]
fn a_filter_is_told_from_a_firewall_of_this_host_that_lets_answers_in() {
    let open = "nft insert rule inet lab input udp dport 24242 accept; \
                nft insert rule inet lab input udp sport 24242 accept";
    // What connections the kernel knew it still counts when nothing tracks them any more.
    for rules in [open, "librecast get host.name; nft flush ruleset"] {
        let fleet = Fleet::in_lab(Lab::new(5).snooping(false).build(), 3, CONFIG);
        let (host, doctor) = (fleet.lab.host(0), fleet.realm.admin("doctor"));
        host.firewall(Firewall::Stateful);
        host.shell(rules).ok();
        content(&doctor);
        filter(&fleet, "oifname \"h2s0\" ip6 daddr ff00::/8 udp dport 24242 drop;");
        // A switch that does not snoop floods what others say to each other, here without pause.
        let line = "while :; do echo >/dev/udp/ff15::9999/9; read -rt 0.005 <> <(:); done";
        let mut others = fleet.lab.host(4).command("bash").args(["-c", line]).start();
        let finding = diagnosed(&doctor, "multicast-one-way");
        assert_eq!(nodes(&finding), ["web2"]);
        others.kill();
        mend(&fleet.lab.switch(), &finding);
        content(&doctor);
    }
}

/// A firewall that tracks nothing lets no answer in, however agents are asked.
#[test]
fn this_hosts_firewall_lets_nothing_in() {
    for closed in [CLOSED, "meta l4proto udp drop;"] {
        let (fleet, doctor) = fleet(3);
        rules(&fleet.lab.host(0), "input", closed);
        let checkup = Checkup::run(&doctor);
        assert_eq!((checkup.code, checkup.ids()), (3, vec!["replies-filtered"]), "{closed}");
        let finding = checkup.finding("replies-filtered");
        assert_eq!((&finding["where"], &finding["severity"]), (&"here".into(), &"error".into()));
        mend(&fleet.lab.host(0), finding);
        content(&doctor);
        fleet.realm.ask("get host.name").check(0, &[("answered", 3)]);
    }
}

/// It drops what others say to each other, and what this host says to itself.
#[test]
fn agents_that_do_not_run_are_no_firewall_of_this_host() {
    let mut fleet = Fleet::in_lab(Lab::new(4).snooping(false).build(), 2, CONFIG);
    let doctor = fleet.realm.admin("doctor");
    content(&doctor);
    ["web1", "db2"].iter().for_each(|name| fleet.agent(name).kill());
    rules(&fleet.lab.host(0), "input", CLOSED);
    sound(&doctor);
    let line = "while :; do echo >/dev/udp/ff15::9999/9; read -rt 0.05 <> <(:); done";
    let mut others = fleet.lab.host(3).command("bash").args(["-c", line]).start();
    sound(&doctor);
    others.kill();
}

/// Where it lets in what goes to the realm's port, answers come to who has that.
#[test]
fn a_rule_for_the_port_is_enough_without_tracking() {
    let (fleet, doctor) = fleet(2);
    rules(&fleet.lab.host(0), "input", &format!("{CLOSED} udp dport 24242 accept;"));
    fleet.realm.ask("get host.name").check(0, &[("answered", 2)]);
    sound(&doctor);
}

#[test]
fn this_hosts_firewall_lets_no_question_out() {
    for (closed, what) in [
        ("udp dport 24242 drop;", "forbids all questions"),
        ("policy drop; oif lo accept;", "forbids all questions"),
        ("ip6 daddr ff00::/8 drop;", "by multicast"),
    ] {
        let (fleet, doctor) = fleet(3);
        rules(&fleet.lab.host(0), "output", closed);
        let checkup = Checkup::run(&doctor);
        assert_eq!((checkup.code, checkup.ids()), (3, vec!["questions-blocked"]), "{closed}");
        let finding = checkup.finding("questions-blocked");
        assert_eq!((&finding["where"], &finding["severity"]), (&"here".into(), &"error".into()));
        assert!(finding["what"].as_str().unwrap().contains(what), "{finding}");
        mend(&fleet.lab.host(0), finding);
        content(&doctor);
        fleet.realm.ask("get host.name").check(0, &[("answered", 3)]);
    }
}

/// What is sent to see whether a firewall forbids it is for this node alone.
#[test]
fn only_sealed_packets_leave_the_host_of_a_doctor() {
    let (fleet, doctor) = fleet(2);
    let mut capture = fleet.lab.host(0).capture("eth0");
    sound(&doctor);
    let sent = capture.datagrams();
    assert!(sent.iter().any(|it| it.is_multicast()), "its question: {sent:?}");
    let open = sent.iter().find(|it| it.payload.len() < SEALED_MIN);
    assert_eq!(open, None, "no packet of the realm");
}

/// Agents on a host: the first has the realm's port, and the others have ports of their own.
fn crowd(on: usize) -> (Lab, Realm, Job, Vec<Agent>) {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let members = ["a", "b", "c"].map(|name| (lab.host(on), Member::agent(name)));
    let agents = realm.start_all(&members, CONFIG);
    let doctor = realm.admin("doctor");
    content(&doctor);
    (lab, realm, doctor, agents)
}

/// Lets the realm's port through and no other.
const ONLY_PORT: &str = "udp dport 24242 accept; udp sport 24242 accept; meta l4proto udp drop;";

/// Rules for a hook of the doctor's host are mended by one command.
fn mended_at_once(crowd: &(Lab, Realm, Job, Vec<Agent>), hook: &str, closed: &str, id: &str) {
    let (lab, realm, doctor, _) = crowd;
    rules(&lab.host(0), hook, closed);
    let finding = diagnosed(doctor, id);
    assert_eq!(finding["where"], "here", "{hook} {closed}: {finding}");
    mend(&lab.host(0), &finding);
    content(doctor);
    realm.ask("get host.name --on a,b,c").check(0, &[("answered", 3)]);
    lab.host(0).shell("nft flush ruleset").ok();
}

#[test]
fn a_firewall_is_between_several_agents_and_who_asks_on_their_host() {
    let crowd = crowd(0);
    for closed in ["meta l4proto udp drop;", ONLY_PORT] {
        mended_at_once(&crowd, "input", closed, "replies-filtered");
        mended_at_once(&crowd, "output", closed, "questions-blocked");
    }
}

#[test]
fn a_firewall_knows_one_port_of_several_agents_on_another_host() {
    let crowd = crowd(1);
    mended_at_once(&crowd, "output", ONLY_PORT, "questions-blocked");
    let (lab, realm, doctor, _) = &crowd;
    // Answers come to who has the realm's port; where another has it, they do not.
    rules(&lab.host(0), "input", ONLY_PORT);
    content(doctor);
    realm.ask("get host.name").check(0, &[("answered", 3)]);
    lab.host(0).shell("nft flush ruleset").ok();
    let _beside = realm.start_all(&[(lab.host(0), Member::agent("beside"))], CONFIG);
    content(doctor);
    mended_at_once(&crowd, "input", ONLY_PORT, "replies-filtered");
}

#[test]
fn the_rule_of_the_book_is_enough_for_an_asker() {
    let (fleet, doctor) = fleet(3);
    fleet.lab.host(0).firewall(Firewall::OnlyPort(24_242));
    sound(&doctor);
    fleet.realm.ask("get host.name").check(0, &[("answered", 3)]);
}

/// What a firewall drops then are this host's own questions, which come back to it.
#[test]
fn agents_that_do_not_run_are_no_firewall_beside_one_that_does() {
    let (mut fleet, doctor, _beside) = fleet_beside(1);
    fleet.agent("web1").kill();
    fleet.lab.host(0).firewall(Firewall::Stateful);
    sound(&doctor);
}

/// An agent on the asker's host has the realm's port, so answers come to another, where that rule
/// does not let them in; announcements come in by it.
#[test]
fn the_rule_of_the_port_is_not_enough_beside_an_agent() {
    let (fleet, doctor, _beside) = fleet_beside(2);
    fleet.lab.host(0).firewall(Firewall::OnlyPort(24_242));
    let finding = diagnosed(&doctor, "replies-filtered");
    mend(&fleet.lab.host(0), &finding);
    content(&doctor);
}

#[test]
fn link_local_addresses_are_enough() {
    let lab = Lab::new(3).build();
    lab.hosts().for_each(|host| narrow(&host));
    let mut fleet = Fleet::in_lab(lab, 2, CONFIG);
    let doctor = fleet.realm.admin("doctor");
    content(&doctor);
    // An asker with more addresses than the agents is answered all the same.
    let (host, address) = (fleet.lab.host(0), fleet.lab.host(0).addresses(0).1);
    host.shell(&format!("ip -6 address add {address}/64 dev eth0 nodad")).ok();
    let agents = sound(&doctor).json["facts"]["agents"].clone();
    assert!(agents.as_array().unwrap().iter().all(|it| it["by_multicast"] == true), "{agents}");
    narrow(&host);
    // One that does not run is told, and is no finding.
    fleet.agent("db2").kill();
    fleet.realm.issue(&Member::agent("never"));
    let output = doctor.run();
    assert_eq!((output.code, &*output.stdout), (0, ""), "{output}");
    assert!(output.stderr.contains("nothing is heard of db2, never"), "{output}");
}

#[test]
fn an_asker_with_fewer_addresses_than_the_agents_is_answered() {
    let (fleet, doctor) = fleet(2);
    narrow(&fleet.lab.host(0));
    sound(&doctor);
    fleet.realm.ask("get **").check(0, &[("answered", 2)]);
}

#[test]
fn agents_of_one_host_alone_hear_each_other() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "");
    let members = ["web1", "web2"].map(|name| (host.clone(), Member::agent(name)));
    let mut agents = realm.start_all(&members, CONFIG);
    let doctor = realm.admin("doctor");
    sound(&doctor);
    // A firewall that opens the realm's port alone is no reason why those are not heard that do not
    // run, though somebody here listens.
    rules(
        &host,
        "input",
        "policy drop; iif lo accept; ct state established,related accept; \
         meta l4proto ipv6-icmp accept; udp dport 24242 accept;",
    );
    agents.iter_mut().for_each(Agent::kill);
    let mut watch = realm.admin("nodes --watch --jsonl").start();
    watch.wait_stdout("the roster", DEADLINE, |text| !text.is_empty());
    sound(&doctor);
    watch.kill();
}

#[test]
fn agents_firewalls_drop_the_questions() {
    let (fleet, doctor) = fleet(3);
    for host in [1, 3] {
        fleet.lab.host(host).firewall(Firewall::Stateful);
    }
    let finding = diagnosed(&doctor, "questions-filtered");
    assert_eq!(nodes(&finding), ["db3", "web1"]);
    for host in [1, 3] {
        mend(&fleet.lab.host(host), &finding);
    }
    content(&doctor);
}

#[test]
fn multicast_does_not_pass_the_switch() {
    let (fleet, doctor) = fleet(3);
    filter(&fleet, &format!("{NEIGHBOURS} ip6 daddr ff00::/8 drop;"));
    let finding = diagnosed(&doctor, "multicast-filtered");
    assert_eq!((&finding["where"], nodes(&finding).len()), (&Value::from("path"), 3));
    mend(&fleet.lab.switch(), &finding);
    content(&doctor);
}

/// The agent's own doctor knows better than whoever asks; and the command that is printed says it
/// there, with the one that mends it.
#[test]
fn what_an_agent_finds_on_its_own_host_is_told_before_the_switch_is_blamed() {
    let (fleet, doctor) = fleet(3);
    let host = fleet.lab.host(1);
    host.shell("ip -6 route del multicast ff00::/8 dev eth0 table local").ok();
    let finding = diagnosed(&doctor, "no-multicast-route");
    assert_eq!((&finding["where"], nodes(&finding)), (&Value::from("nodes"), vec!["web1"]));
    let there = host.shell(&format!("{} --json", finding["command"].as_str().unwrap())).run();
    let there: Value = serde_json::from_str(&there.stdout).unwrap();
    mend(&host, &there["findings"][0]);
    content(&doctor);
}

/// It answers nobody and is heard by nobody; who looks at its host sees it.
#[test]
fn an_agent_whose_firewall_lets_nothing_out() {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let (host, path) = (lab.host(1), realm.issue(&Member::agent("web1")));
    let doctor = host.librecast(&format!("doctor --credential {path}"));
    content(&doctor);
    for closed in ["meta l4proto udp drop;", "ip6 daddr ff00::/8 drop;", "policy drop;"] {
        rules(&host, "output", closed);
        let finding = diagnosed(&doctor, "questions-blocked");
        mend(&host, &finding);
        content(&doctor);
        host.shell("nft flush ruleset").ok();
    }
}

#[test]
fn multicast_passes_in_one_direction_only() {
    for direction in ["iifname", "oifname"] {
        let (fleet, doctor) = fleet(3);
        filter(&fleet, &format!("{NEIGHBOURS} {direction} \"h0s0\" ip6 daddr ff00::/8 drop;"));
        let finding = diagnosed(&doctor, "multicast-one-way");
        mend(&fleet.lab.switch(), &finding);
        content(&doctor);
    }
}

/// Two beacons in a row, with which others of a lossy network get lost as well.
#[test]
fn lost_beacons_are_no_one_way_multicast() {
    let (fleet, doctor) = fleet(1);
    let lost = "ip6 daddr ff00::/8 udp dport 24242 limit rate 1/hour burst 2 packets drop;";
    filter(&fleet, &format!("iifname \"h1s0\" {lost}"));
    sound(&doctor);
}

/// Two of three agents get on well; with the third multicast passes in one direction only.
#[test]
fn multicast_passes_in_one_direction_only_for_one_agent() {
    for direction in ["iifname", "oifname"] {
        let (fleet, doctor) = fleet(3);
        filter(&fleet, &format!("{NEIGHBOURS} {direction} \"h2s0\" ip6 daddr ff00::/8 drop;"));
        let finding = diagnosed(&doctor, "multicast-one-way");
        assert_eq!(nodes(&finding), ["web2"]);
        mend(&fleet.lab.switch(), &finding);
        content(&doctor);
    }
}

/// An MLDv1 general query (RFC 2710) as a querier at this address sends it.
fn mld_query(from: Ipv6Addr) -> Vec<u8> {
    let to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let mut icmp = vec![130, 0, 0, 0, 0, 10, 0, 0];
    icmp.extend([0; 16]);
    let mut pseudo = [from.octets(), to.octets()].concat();
    pseudo.extend([0, 0, 0, 24, 0, 0, 0, 58]);
    let words = pseudo.chunks(2).chain(icmp.chunks(2));
    let mut sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let checksum = !u16::try_from(sum).unwrap();
    icmp[2..4].copy_from_slice(&checksum.to_be_bytes());
    // Payload of 32 bytes, hop-by-hop options first, hop limit 1; then the router alert.
    let mut packet = vec![0x60, 0, 0, 0, 0, 32, 0, 1];
    packet.extend([from.octets(), to.octets()].concat());
    packet.extend([58, 0, 5, 2, 0, 0, 1, 0]);
    packet.extend(icmp);
    packet
}

#[test]
fn a_switch_forgets_who_listens() {
    let lab = Lab::new(5).snooping(false).build();
    let switch = lab.switch();
    // The second report of a group that is joined, by default up to a second after the first, must
    // not come when the switch listens.
    for host in 0..5 {
        let line = "echo 1 >/proc/sys/net/ipv6/conf/eth0/mldv2_unsolicited_report_interval";
        lab.host(host).shell(line).ok();
    }
    let fleet = Fleet::in_lab(lab, 3, CONFIG);
    let doctor = fleet.realm.admin("doctor");
    content(&doctor);
    // The switch begins to snoop, so that it does not know the agents' groups; neighbours it
    // knows, as real switches do. Its table counts while it believes in a querier: it heard one,
    // and the hosts did not.
    filter(&fleet, "icmpv6 type mld-listener-query drop;");
    // A report that an agent's host sends late is not heard either.
    let reports = "table bridge fault { chain r { type filter hook prerouting priority -300; \
                   iifname { h1s0, h2s0, h3s0 } \
                   icmpv6 type { mld-listener-report, mld2-listener-report } drop; }; }";
    switch.command("nft").args(["-f", "-"]).input(reports).ok();
    let line = "ip address add fe80::ffff/64 dev br0 nodad; \
                ip link set br0 type bridge mcast_snooping 1 mcast_querier_interval 1500; \
                for i in 0 1 2 3; do bridge link set dev h${i}s0 mcast_flood off; \
                bridge mdb add dev br0 port h${i}s0 grp ff02::1:ff00:10$i permanent; done";
    switch.shell(line).ok();
    fleet.lab.host(4).inject("eth0", &[mld_query(fleet.lab.host(4).addresses(0).0)]);
    let finding = diagnosed(&doctor, "snooping-no-querier");
    assert_eq!(finding["where"], "path");
    switch.command("nft").args(["delete", "table", "bridge", "fault"]).ok();
    mend(&switch, &finding);
    content(&doctor);
}

#[test]
fn this_hosts_clock_is_wrong() {
    let (fleet, doctor) = fleet(3);
    let finding = diagnosed(&doctor.clone().clock("+2h"), "clock-skew");
    assert_eq!(finding["where"], "here");
    assert!(finding["what"].as_str().unwrap().contains("ahead of"), "{finding}");
    content(&doctor);
    drop(fleet);
}

/// An agent remembers 64 processes of a client, and of the others how late they were. [SEC-47]
#[test]
fn this_hosts_clock_was_set_back() {
    let (fleet, doctor) = fleet(1);
    let ahead = fleet.realm.admin("get host.name --timeout 200ms").clock("+20s");
    (0..70).for_each(|_| drop(ahead.run()));
    // What fails leaves the trace of it as it is.
    assert_eq!(fleet.realm.admin("get host.name").run().code, 4);
    let finding = diagnosed(&doctor, "clock-skew");
    assert!(finding["what"].as_str().unwrap().contains("was set back"), "{finding}");
    mend(&fleet.lab.host(0), &finding);
    sound(&doctor);
    fleet.realm.ask("get host.name").check(0, &[("answered", 1)]);
}

#[test]
fn two_agents_have_one_certificate() {
    let lab = Lab::new(3).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let member = Member::agent("web1").label("note=it's red").role("spare");
    let path = realm.issue(&member);
    let start = |host: usize, path: &str| {
        let mut agent = Agent::prepare(&lab.host(host), "web1", path, CONFIG);
        agent.start();
        agent
    };
    let _first = start(1, &path);
    let doctor = realm.admin("doctor");
    content(&doctor);
    let mut second = start(2, &path);
    // On a busy host the two answers may be too far apart once.
    let both = |doctor: &Job| {
        wait_for("both to answer at once", DEADLINE, || {
            Some(Checkup::run(doctor)).filter(|it| it.code == 3)
        })
    };
    let seen = both(&doctor);
    assert_eq!(seen.ids().first(), Some(&"duplicate-identity"));
    let finding = seen.finding("duplicate-identity");
    // Asked what they find, neither of the two knows of the other; who asks them does.
    let remote = realm.admin("doctor --on web1");
    assert_eq!(both(&remote).finding("duplicate-identity"), finding);
    wait_until("it to be told to people", DEADLINE, || {
        remote.run().stdout.contains("two processes speak as 'web1'")
    });
    assert_eq!(second.stop(), 0);
    mend(&lab.host(0), finding);
    let _second = start(2, &lab.host(0).path("home/web1-2.credential"));
    content(&doctor);
    // It is what the first one is.
    let nodes = realm.admin("nodes --json").ok();
    let nodes: Value = serde_json::from_str(&nodes).unwrap();
    let nodes = nodes["nodes"].as_array().unwrap().iter();
    let agents = nodes.filter(|it| it["kind"] == "agent");
    let agents: Vec<_> = agents.map(|it| (&it["labels"], &it["roles"])).collect();
    let same = (&json!({ "note": "it's red" }), &json!(["spare"]));
    assert_eq!(agents, [same, same]);
}

#[test]
fn a_credential_expires() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "");
    let issue = "librecast forget admin && librecast realm issue --realm prod --name admin \
                 --client --role admin --days 1 --out admin.credential && \
                 mv ../librecast/realms/prod/credential first && \
                 librecast join admin.credential";
    host.shell(issue).ok();
    let doctor = realm.admin("doctor");
    let finding = diagnosed(&doctor, "credential-soon-expired");
    diagnosed(&doctor.clone().clock("+49h"), "credential-expired");
    // Beyond the grace, where all other verbs refuse it.
    diagnosed(&doctor.clone().clock("+100h"), "credential-expired");
    let path = host.path("home/admin.credential");
    let from_file = host.librecast(&format!("doctor --credential {path}")).clock("+100h");
    let finding_of_file = diagnosed(&from_file, "credential-expired");
    assert_eq!(finding_of_file["where"], "authority");
    mend(&host, &finding);
    content(&doctor);
}

/// Its file lies where it was issued; until the new one is at the agent's host, the old one serves.
#[test]
fn an_agents_credential_is_issued_again_beside_its_file() {
    let lab = Lab::new(2).build();
    let (host, other) = (lab.host(0), lab.host(1));
    let realm = Realm::create(&host, "prod", "");
    let issue = "librecast realm issue --realm prod --name web1 --label role=web --days 5 \
                 --out web1.credential";
    host.shell(issue).ok();
    let path = host.path("home/web1.credential");
    let mut agent = Agent::prepare(&other, "web1", &path, CONFIG);
    agent.start();
    let doctor = other.librecast(&format!("doctor --credential {path}"));
    let finding = diagnosed(&doctor, "credential-soon-expired");
    assert_eq!(finding["where"], "authority");
    mend(&host, &finding);
    let command = finding["command"].as_str().unwrap();
    let out = command.rsplit(' ').next().unwrap();
    // It was one command: a second time it leaves all as it is.
    let again = host.shell(command).run();
    assert!(again.stderr.contains("exists already"), "{again}");
    assert_eq!(agent.stop(), 0);
    let path = host.path(&format!("home/{out}"));
    let mut agent = Agent::prepare(&other, "web1", &path, CONFIG);
    agent.start();
    realm.ask("get host.name --label role=web").check(0, &[("answered", 1)]);
    sound(&other.librecast(&format!("doctor --credential {path}")));
}

#[test]
fn a_credential_of_another_realm() {
    let lab = Lab::new(3).build();
    let ours = Realm::create(&lab.host(0), "prod", "");
    let theirs = Realm::create(&lab.host(1), "prod", "");
    ours.issue(&Member::agent("web1"));
    let _agent = theirs.start(&lab.host(2), &Member::agent("web1"), CONFIG);
    theirs.issue(&Member::agent("web9"));
    let doctor = ours.admin("doctor");
    // Whoever misses an agent looks for it at the realm's port of every neighbour.
    let address = lab.host(0).addresses(0).1.to_string();
    let line = format!("echo >/dev/udp/{address}/9");
    lab.host(1).command("bash").args(["-c", &line]).ok();
    let mut asking = theirs.admin("get host.name --timeout 60s").start();
    let finding = diagnosed(&doctor, "credential-other-realm");
    let name = theirs.issue(&Member::client("visitor"));
    lab.host(0).shell(&format!("cp {name} admin.credential")).ok();
    mend(&lab.host(0), &finding);
    asking.kill();
    theirs.admin("forget web9").ok();
    content(&ours.admin("doctor"));
}

/// Issued again, and nobody brought the new file to the host.
#[test]
fn an_agent_runs_with_a_forgotten_credential() {
    let (mut fleet, doctor) = fleet(3);
    let issue = "librecast forget db3 && librecast realm issue --realm prod --name db3 --out \
                 again.credential";
    fleet.lab.host(0).shell(issue).ok();
    let finding = diagnosed(&doctor, "credential-forgotten");
    assert_eq!(nodes(&finding), ["db3"]);
    let output = doctor.run();
    assert!(!output.stderr.contains("not running"), "{output}");
    let output = fleet.realm.admin("get host.name").run();
    assert_eq!(output.code, 3, "{output}");
    assert!(output.stderr.contains("'db3' speaks, but with a credential"), "{output}");
    wait_until("the agent's log to say why nobody hears it", DEADLINE, || {
        fleet.agent("db3").process().stderr().contains("likely forgotten this credential")
    });
}

/// It comes back as it was: with its labels and roles.
#[test]
fn a_forgotten_agent_is_had_back() {
    let lab = Lab::new(2).build();
    let (host, other) = (lab.host(0), lab.host(1));
    let realm = Realm::create(&host, "prod", "");
    let issue = "librecast realm issue --realm prod --name db2 --label role=db --role spare \
                 --out db2.credential";
    host.shell(issue).ok();
    let start = |file: &str| {
        let mut agent = Agent::prepare(&other, "db2", &host.path(&format!("home/{file}")), CONFIG);
        agent.start();
        agent
    };
    let mut agent = start("db2.credential");
    let doctor = realm.admin("doctor");
    content(&doctor);
    realm.admin("forget db2").ok();
    let finding = diagnosed(&doctor, "credential-forgotten");
    mend(&host, &finding);
    let out = finding["command"].as_str().unwrap().rsplit(' ').next().unwrap();
    // Issued again, and not started with it yet.
    let finding = diagnosed(&doctor, "credential-forgotten");
    assert_eq!(nodes(&finding), ["db2"]);
    let what = finding["what"].as_str().unwrap();
    assert!(what.contains("stop the agent that runs"), "{what}");
    assert_eq!(agent.stop(), 0);
    let _agent = start(out);
    let question = "get host.name --label role=db --timeout 60s";
    realm.ask(question).check(0, &[("answered", 1)]);
    content(&doctor);
}

/// A certificate that ends in a few days is no error yet.
#[test]
fn what_is_a_warning_on_an_agents_host_is_one_where_it_is_asked() {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let issue = "librecast realm issue --realm prod --name web1 --days 5 --out web1.credential";
    lab.host(0).shell(issue).ok();
    let path = lab.host(0).path("home/web1.credential");
    let mut agent = Agent::prepare(&lab.host(1), "web1", &path, CONFIG);
    agent.start();
    let doctor = realm.admin("doctor --on web1");
    wait_until("web1 to tell what it finds", DEADLINE, || doctor.run().code == 3);
    let finding = diagnosed(&doctor, "credential-soon-expired");
    assert_eq!((&finding["severity"], &finding["where"]), (&json!("warning"), &json!("nodes")));
    let text = doctor.run().stdout;
    assert!(text.starts_with("warning credential-soon-expired on web1:\n"), "{text}");
}

#[test]
fn agents_tell_what_they_find() {
    let (fleet, doctor) = fleet(2);
    let fault = "ip -6 route del multicast ff00::/8 dev eth0 table local";
    fleet.lab.host(1).shell(fault).ok();
    // They looked at their hosts before; being asked makes them look again, for the next answer.
    wait_until("web1 to look at its host again", DEADLINE, || {
        Checkup::run(&doctor.clone().args(["--on", "*"])).code == 3
    });
    let checkup = Checkup::run(&doctor.clone().args(["--on", "*"]));
    assert_eq!((checkup.code, checkup.ids()), (3, vec!["no-multicast-route"]));
    let finding = checkup.finding("no-multicast-route");
    assert_eq!((nodes(finding), &finding["severity"]), (vec!["web1"], &json!("error")));
    assert_eq!(checkup.json["report"]["answered"], 2);
    let checkup = Checkup::run(&doctor.clone().args(["--on", "db*"]));
    assert_eq!((checkup.code, checkup.ids()), (0, Vec::new()));
    let output = doctor.clone().args(["--on", "db*"]).run();
    let note = "nothing is wrong on the hosts of the agents that answered: 1";
    assert!(output.stderr.contains(note), "{output}");
    let lines = doctor.clone().args(["--on", "web1", "--jsonl"]).run().json_lines();
    assert_eq!((&*lines[0]["kind"].to_string(), lines.len()), ("\"finding\"", 2));
    fleet.lab.host(1).shell("ip -6 route add multicast ff00::/8 dev eth0 table local").ok();
}

/// On a host whose agent was started with a credential file, nothing else tells the realm.
#[test]
fn the_printed_line_works_where_it_is_to_be_run() {
    let lab = Lab::new(2).build();
    let host = lab.host(1);
    let realm = Realm::create(&lab.host(0), "prod", "");
    let path = realm.issue(&Member::agent("web1"));
    host.shell(&format!("cp {path} 'my web1.credential'")).ok();
    let line = "exec librecast agent --credential 'my web1.credential'";
    let mut agent = host.shell(line).start();
    realm.admin("get host.name --on web1 --timeout 60s").ok();
    host.shell("ip -6 route del multicast ff00::/8 dev eth0 table local").ok();
    let doctor = realm.admin("doctor --on web1");
    wait_until("web1 to tell what it finds", DEADLINE, || doctor.run().code == 3);
    let command = diagnosed(&doctor, "no-multicast-route")["command"].clone();
    let text = doctor.run().stdout;
    let command_line = command.as_str().unwrap();
    assert_eq!(text, format!("error no-multicast-route on web1:\n  {command_line}\n"));
    let line = format!("cd / && {} --json", command.as_str().unwrap());
    let output = host.shell(&line).run();
    assert!(output.stdout.contains("no-multicast-route"), "{output}");
    assert!(output.stdout.contains("\"realm\":\"prod\""), "{output}");
    agent.kill();
}
