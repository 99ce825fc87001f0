//! What is wrong with the host that the doctor looks at.

use lcast_lab::Member;

use super::*;
use crate::fleet::{CONFIG, Fleet};

/// A host of a realm, whose cards make addresses of their own as real ones do, and its doctor.
fn patient(options: &str) -> (Lab, Host, Job) {
    let lab = Lab::new(2).build();
    let host = lab.host(0);
    host.shell("ip link set dev eth0 addrgenmode eui64").ok();
    let realm = Realm::create(&host, "prod", options);
    let doctor = realm.admin("doctor");
    content(&doctor);
    (lab, host, doctor)
}

fn check(options: &str, fault: &str, id: &str) -> Value {
    let (_lab, host, doctor) = patient(options);
    host.shell(fault).ok();
    let finding = diagnosed(&doctor, id);
    mend(&host, &finding);
    content(&doctor);
    finding
}

#[test]
fn ipv6_switched_off() {
    let finding = check("", "sysctl -w net.ipv6.conf.eth0.disable_ipv6=1", "no-ipv6");
    assert_eq!(finding["severity"], "error");
    check("--interface eth0", "sysctl -w net.ipv6.conf.all.disable_ipv6=1", "no-ipv6");
}

#[test]
fn an_interface_that_is_down() {
    check("", "ip link set dev eth0 down", "interface-down");
    check("--interface eth0", "ip link set dev eth0 down", "interface-down");
}

#[test]
fn an_interface_that_is_absent() {
    let fault = "ip link set dev eth0 down && ip link set dev eth0 name lan9 && \
                 ip link set dev lan9 up";
    let finding = check("--interface eth0", fault, "interface-absent");
    // Over a connection by that card the command would cut off whoever runs it.
    let what = finding["what"].as_str().unwrap();
    assert!(what.contains("takes 'lan9' down") && what.contains("agent.toml"), "{finding}");
}

/// As in a virtual machine that nothing connects.
#[test]
fn a_host_without_any_interface() {
    let lab = Lab::new(1).attach(0, &[]).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "");
    let doctor = realm.admin("doctor");
    let finding = diagnosed(&doctor, "interface-absent");
    assert!(finding["what"].as_str().unwrap().contains("--scope host"), "{finding}");
    mend(&host, &finding);
    content(&doctor);
    let _agents = realm.start_all(&[(host.clone(), Member::agent("db1"))], CONFIG);
    sound(&doctor);
    realm.ask("get host.name").check(0, &[("answered", 1)]);
}

#[test]
fn no_route_for_multicast() {
    let fault = "ip -6 route del multicast ff00::/8 dev eth0 table local";
    check("", fault, "no-multicast-route");
}

#[test]
fn an_interface_without_an_address() {
    check("--scope link", "ip -6 address flush dev eth0", "wrong-scope");
    let fault = "sysctl -w net.ipv6.conf.eth0.addr_gen_mode=1; ip -6 address flush dev eth0";
    check("--scope link", fault, "wrong-scope");
    let finding = check("", "ip link set dev eth0 mtu 1279", "wrong-scope");
    assert_eq!(finding["command"], "ip link set dev eth0 mtu 1500");
    let finding = check("--scope host", "ip link set dev lo mtu 1279", "wrong-scope");
    assert_eq!(finding["command"], "ip link set dev lo mtu 65536");
}

#[test]
fn an_interface_that_routers_forward_nothing_from() {
    // Host 1 is between, and hears host 2.
    let lab = Lab::new(3).attach(1, &[0, 1]).attach(2, &[1]).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let members = [(lab.host(1), Member::agent("hub")), (lab.host(2), Member::agent("far"))];
    let mut agents = realm.start_all(&members, CONFIG);
    let doctor = realm.admin("doctor");
    narrow(&lab.host(0));
    // Who is heard by nobody just does not run.
    agents[1].kill();
    sound(&doctor);
    agents[1].start();
    let finding = diagnosed(&doctor, "wrong-scope");
    assert!(finding["what"].as_str().unwrap().contains("hear far,"), "{finding}");
    // As where there is a router, every address has a way back.
    let router = lab.host(1).addresses(0).0;
    lab.host(1).shell("ip -6 route add default dev eth0").ok();
    lab.host(0).shell(&format!("ip -6 route add default via {router} dev eth0")).ok();
    mend(&lab.host(0), &finding);
    content(&doctor);
}

#[test]
fn an_interface_that_does_not_multicast() {
    check("", "ip link set dev eth0 multicast off", "wrong-interface");
}

#[test]
fn another_program_holds_the_port() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "");
    let doctor = realm.admin("doctor");
    content(&doctor);
    let mut other = host.command(&lcast_lab::helper()).args(["hold", "24242"]).start_dialogue();
    other.wait_stdout("that it holds the port", DEADLINE, |bytes| bytes == b"held\n");
    let finding = diagnosed(&doctor, "port-taken");
    assert!(finding["what"].as_str().unwrap().contains("lab-helper"), "{finding}");
    mend(&host, &finding);
    other.wait(DEADLINE);
    content(&doctor);
}

#[test]
fn what_comes_of_a_fault_of_this_host_is_not_told_beside_it() {
    let fleet = Fleet::new(2, 0, CONFIG);
    let (host, doctor) = (fleet.lab.host(0), fleet.realm.admin("doctor"));
    content(&doctor);
    let check = |id: &str| {
        let checkup = Checkup::run(&doctor);
        assert_eq!((checkup.code, checkup.ids()), (3, vec![id]), "{:#}", checkup.json);
    };
    host.shell("ip -6 route del multicast ff00::/8 dev eth0 table local").ok();
    check("no-multicast-route");
    host.shell("ip -6 route add multicast ff00::/8 dev eth0 table local").ok();
    let mut other = host.command(&lcast_lab::helper()).args(["hold", "24242"]).start_dialogue();
    other.wait_stdout("that it holds the port", DEADLINE, |bytes| bytes == b"held\n");
    check("port-taken");
    other.kill();
    content(&doctor);
}

/// That nobody is heard needs no word where nothing can be.
#[test]
fn agents_that_a_fault_of_this_host_makes_silent_are_not_told() {
    let fleet = Fleet::new(2, 0, CONFIG);
    let (host, doctor) = (fleet.lab.host(0), fleet.realm.admin("doctor"));
    content(&doctor);
    for (fault, id) in [
        ("sysctl -w net.ipv6.conf.eth0.disable_ipv6=1", "no-ipv6"),
        ("ip link set dev eth0 down", "interface-down"),
        ("ip link set dev eth0 multicast off", "wrong-interface"),
        (
            "sysctl -w net.ipv6.conf.eth0.addr_gen_mode=1; ip -6 address flush dev eth0",
            "wrong-scope",
        ),
    ] {
        host.shell("ip link set dev eth0 addrgenmode eui64").ok();
        host.shell(fault).ok();
        let output = doctor.run();
        assert_eq!((output.code, &*output.stderr), (3, ""), "{id}: {output}");
        let [finding, command] = output.stdout.lines().collect::<Vec<_>>()[..] else {
            panic!("{id}: {output}");
        };
        assert!(finding.starts_with(&format!("error {id}: ")), "{output}");
        host.shell(command).ok();
    }
    content(&doctor);
}

#[test]
fn the_realm_local_is_looked_at_and_never_asked() {
    let lab = Lab::new(2).build();
    let host = lab.host(0);
    let mut capture = host.capture("eth0");
    let doctor = host.librecast("doctor").unprivileged();
    content(&doctor);
    assert_eq!(Checkup::run(&doctor).json["facts"]["realm"], "local");
    host.shell("sysctl -w net.ipv6.conf.lo.disable_ipv6=1").ok();
    let finding = diagnosed(&doctor, "no-ipv6");
    // Who may not change it is told so.
    assert_eq!(finding["command"], "sudo sysctl -w net.ipv6.conf.lo.disable_ipv6=0");
    host.shell("sysctl -w net.ipv6.conf.lo.disable_ipv6=0").ok();
    content(&doctor);
    // Without a place for it there is no realm either.
    let homeless = doctor.without_env("LIBRECAST_HOME").without_env("HOME");
    content(&homeless);
    assert_eq!(capture.datagrams(), []);
}

/// Who cannot ask others does not see what a firewall here drops.
#[test]
fn an_agents_credential_promises_nothing_of_what_it_cannot_see() {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let member = Member::agent("web1");
    let path = realm.issue(&member);
    let host = lab.host(1);
    host.firewall(lcast_lab::Firewall::Stateful);
    let output = host.librecast(&format!("doctor --credential {path}")).run();
    let expected = "nothing is wrong here for realm 'prod', as far as this host alone shows: \
                    nobody was asked, so what its firewall or the network drops does not show; \
                    'librecast doctor' with a client's credential, on another host, asks\n";
    assert_eq!((output.code, &*output.stderr), (0, expected), "{output}");
}

/// An agent's credential has begun as little, and it starts all the same.
#[test]
fn a_client_s_credential_that_has_not_begun_is_told_beside_an_agent_s() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "");
    let path = realm.issue(&Member::agent("web1"));
    host.librecast(&format!("join {path}")).ok();
    let doctor = realm.admin("doctor");
    sound(&doctor);
    let finding = diagnosed(&doctor.clone().clock("-10d"), "credential-refused");
    assert!(finding["what"].as_str().unwrap().contains("the clock is likely behind"), "{finding}");
    assert_eq!(finding["command"], "timedatectl set-ntp true");
}

/// As the demonstration leaves one behind.
#[test]
fn agents_of_a_realm_of_one_host_that_are_gone_are_named() {
    let lab = Lab::new(1).build();
    let host = lab.host(0);
    let realm = Realm::create(&host, "prod", "--scope host");
    let members = ["db1", "db2"].map(|name| (host.clone(), Member::agent(name)));
    let mut agents = realm.start_all(&members, CONFIG);
    let mut capture = host.capture("eth0");
    let doctor = realm.admin("doctor");
    let output = doctor.run();
    let well = "nothing is wrong here for realm 'prod'\n";
    assert_eq!((output.code, &*output.stderr), (0, well), "{output}");
    agents[1].kill();
    let output = doctor.run();
    let gone = format!("nothing is heard of db2: not running, or out of reach\n{well}");
    assert_eq!((output.code, &*output.stdout, output.stderr), (0, "", gone));
    let agents = Checkup::run(&doctor).json["facts"]["agents"].clone();
    let answered: Vec<_> = agents.as_array().unwrap().iter().map(|it| &it["by_unicast"]).collect();
    assert_eq!(answered, [true, false]);
    host.shell("sysctl -w net.ipv6.conf.lo.disable_ipv6=1").ok();
    mend(&host, &diagnosed(&doctor, "no-ipv6"));
    sound(&doctor);
    assert_eq!(capture.datagrams(), []);
}

/// Agents beside the first have ports of their own, which no rule for the realm's port opens.
#[test]
fn a_firewall_inside_a_realm_of_one_host() {
    for cards in [true, false] {
        let lab = if cards { Lab::new(1).build() } else { Lab::new(1).attach(0, &[]).build() };
        let host = lab.host(0);
        let realm = Realm::create(&host, "prod", "--scope host");
        let members = ["db1", "db2", "db3"].map(|name| (host.clone(), Member::agent(name)));
        let mut agents = realm.start_all(&members, CONFIG);
        let doctor = realm.admin("doctor");
        // The most usual one lets in what comes by the loopback: who was never heard is asked by
        // the card alone.
        let usual = "policy drop; iif lo accept; ct state established,related accept; \
                     meta l4proto ipv6-icmp accept;";
        if cards {
            rules(&host, "input", usual);
            mend(&host, &diagnosed(&doctor, "replies-filtered"));
            sound(&doctor);
            host.shell("nft flush ruleset").ok();
        }
        content(&doctor);
        for (hook, id) in [("input", "replies-filtered"), ("output", "questions-blocked")] {
            for closed in ["meta l4proto udp drop;", "policy drop;"] {
                rules(&host, hook, closed);
                let finding = diagnosed(&doctor, id);
                assert_eq!(finding["severity"], "error", "{finding}");
                mend(&host, &finding);
                sound(&doctor);
                realm.ask("get host.name").check(0, &[("answered", 3)]);
                host.shell("nft flush ruleset").ok();
            }
        }
        // Those that do not run are no firewall, whatever else is closed.
        agents[1].kill();
        sound(&doctor);
        agents.iter_mut().for_each(lcast_lab::Agent::kill);
        sound(&doctor);
        rules(&host, "input", &format!("{usual} udp dport 24242 accept;"));
        sound(&doctor);
    }
}

/// In `/tmp` anybody can be first to make something of that name.
#[test]
fn a_runtime_folder_that_is_not_the_users_own() {
    let lab = Lab::new(1).attach(0, &[]).build();
    let host = lab.host(0);
    let (runtime, doctor) = (host.path("runtime"), host.librecast("doctor"));
    content(&doctor);
    for (taken, command) in [
        (format!("rm -rf {runtime}/librecast && ln -s /nowhere {runtime}/librecast"), "rm -rf "),
        (format!("mkdir -p {runtime}/librecast && chmod 777 {runtime}/librecast"), "chmod 700 "),
    ] {
        host.shell(&taken).ok();
        let finding = diagnosed(&doctor, "runtime-folder-foreign");
        assert_eq!(finding["severity"], "warning");
        assert!(finding["what"].as_str().unwrap().contains("user 'root' (0)"), "{finding}");
        assert!(finding["command"].as_str().unwrap().starts_with(command), "{finding}");
        // Whoever came before it is mended and whoever comes after find each other all the same.
        let mut agent = host.librecast("agent").start();
        let answers = || host.librecast("get host.name").run().code == 0;
        wait_until("the agent to answer elsewhere", DEADLINE, answers);
        assert!(agent.stderr().contains("/.nodes' instead; "), "{}", agent.stderr());
        mend(&host, &finding);
        wait_until("the agent to answer in the mended folder", DEADLINE, answers);
        agent.kill();
        content(&doctor);
    }
}

#[test]
fn an_agents_credential_is_enough_to_look() {
    let lab = Lab::new(2).build();
    let realm = Realm::create(&lab.host(0), "prod", "");
    let path = realm.issue(&Member::agent("web1"));
    let host = lab.host(1);
    let doctor = host.librecast(&format!("doctor --credential {path}"));
    content(&doctor);
    host.shell("ip -6 route del multicast ff00::/8 dev eth0 table local").ok();
    let finding = diagnosed(&doctor, "no-multicast-route");
    mend(&host, &finding);
    content(&doctor);
}
