//! Judgements by themselves; the lab shows that the facts are what they are taken for.

use lcast_net::interfaces::{Address, Interface, Selection};
use lcast_net::registry::Trouble;
use lcast_proto::keys::Scope;
use lcast_proto::time::Timestamp;

use super::{diagnose, duplicate};
use crate::doctor::cause::Cause;
use crate::doctor::facts::*;
use crate::doctor::refused::{RefusedFacts, Way};
use crate::doctor::runtime::RuntimeFacts;
use crate::doctor::{Finding, Place, Severity};

fn card() -> InterfaceFacts {
    let address = |ip: &str| Address {
        ip: ip.parse().unwrap(),
        tentative: false,
        failed: false,
        deprecated: false,
        temporary: false,
    };
    let interface = Interface {
        index: 2,
        name: "eth0".to_owned(),
        up: true,
        carrier: true,
        multicast: true,
        loopback: false,
        point_to_point: false,
        hardware: 1,
        kind: String::new(),
        master_kind: String::new(),
        mtu: 1500,
        addresses: vec![address("fe80::1"), address("fd00::1")],
    };
    InterfaceFacts {
        interface,
        disabled: false,
        generates_none: false,
        route: true,
        queries: 0,
        snoops: false,
        forbids: false,
    }
}

/// A credential that ends after so many days.
fn credential(days: i64) -> CredentialFacts {
    CredentialFacts {
        name: "web1".to_owned(),
        client: false,
        roles: vec!["spare".to_owned()],
        labels: vec![("note".to_owned(), "it's red".to_owned())],
        not_after: Timestamp::from_millis(days * 86_400_000),
        wall: Timestamp::from_millis(0),
        folder: None,
        authority: false,
    }
}

/// A sound host of a sound realm of these agents.
fn sound(agents: &[AgentFacts]) -> Facts {
    Facts {
        realm: RealmFacts {
            name: "prod".to_owned(),
            scope: Scope::Site,
            port: 24242,
            interfaces: Selection::Automatic,
            group: Some("ff15::8000:1".parse().unwrap()),
            agents: 3,
        },
        host: HostFacts {
            root: true,
            ipv6: true,
            all_disabled: false,
            interfaces: vec![card()],
            group_taken: false,
            holders: Vec::new(),
            receive_buffer: 425_984,
            receive_buffer_max: Some(212_992),
            firewall: Firewall::Nft,
            runtime: None,
        },
        credential: Some(credential(3650)),
        refused: None,
        asked: Some(AskedFacts { agents: agents.to_vec(), tracked: true, ..AskedFacts::default() }),
    }
}

/// An agent by name, with `m` where it answered by multicast, `p` where only from the realm's port,
/// `u` by unicast, `h` where it is heard, `b` where it is beside the asker, on this host.
fn agent(name: &str, ways: &str) -> AgentFacts {
    let by = |way: char| ways.contains(way);
    AgentFacts {
        name: name.to_owned(),
        by_multicast: by('m') || by('p'),
        by_port_only: by('p'),
        by_unicast: by('u'),
        heard: by('h'),
        here: by('b'),
        ..AgentFacts::default()
    }
}

fn ids(facts: &Facts) -> Vec<&'static str> {
    diagnose(facts).iter().map(|it| it.cause.id()).collect()
}

fn only(facts: &Facts) -> Finding {
    let mut findings = diagnose(facts);
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

/// Whoever issues a credential names interfaces in it, and whoever may make one names that.
#[test]
fn a_name_of_an_interface_stays_one_word_of_a_command() {
    let mut facts = sound(&[]);
    facts.realm.interfaces = Selection::Named(vec!["$(id)".to_owned()]);
    let rename = "ip link set dev lan0 name '$(id)'";
    let finding = only(&facts);
    assert!(finding.command.contains(&rename.replace("lan0", &card().interface.name)));
    facts.host.interfaces[0].interface.name = "$(id)".to_owned();
    facts.host.interfaces[0].interface.up = false;
    assert_eq!(only(&facts).command, "ip link set dev '$(id)' up");
}

#[test]
fn a_runtime_folder_of_others_matters_to_realms_of_one_host() {
    let check = |trouble: Trouble, what: &str, command: &str| {
        let mut facts = sound(&[]);
        let owner = "user 'mallory' (1001)".to_owned();
        let folder = "/tmp/librecast-1000".into();
        let instead = "/state/.nodes".into();
        facts.host.root = false;
        facts.host.runtime = Some(RuntimeFacts { folder, trouble, owner, instead });
        assert_eq!(ids(&facts), [""; 0]);
        facts.realm.scope = Scope::Host;
        let finding = only(&facts);
        assert_eq!(finding.cause.id(), "runtime-folder-foreign");
        assert_eq!((finding.severity, finding.command.as_str()), (Severity::Warning, command));
        assert!(finding.what.contains("'/tmp/librecast-1000'"), "{}", finding.what);
        assert!(finding.what.contains(what), "{}", finding.what);
    };
    let remove = "sudo rm -rf /tmp/librecast-1000";
    check(Trouble::Owner(1001), "belongs to user 'mallory' (1001)", remove);
    check(Trouble::NoFolder, "a link or file of user 'mallory'", remove);
    check(Trouble::Open(0o777), "(mode 0777)", "chmod 700 /tmp/librecast-1000");
}

/// Loss takes a beacon of one agent or two; it does not take one of each of many.
#[test]
fn a_lost_beacon_is_no_one_way_multicast() {
    let check = |unheard: usize, heard: usize, expected: &[&str]| {
        let names: Vec<String> = (0..unheard + heard).map(|index| format!("n{index}")).collect();
        let ways = |index| if index < unheard { "mu" } else { "muh" };
        let agents = names.iter().enumerate().map(|(index, name)| agent(name, ways(index)));
        assert_eq!(ids(&sound(&agents.collect::<Vec<_>>())), expected, "{unheard} {heard}");
    };
    check(1, 0, &[]);
    check(2, 0, &[]);
    check(7, 0, &[]);
    check(8, 0, &["multicast-one-way"]);
    check(60, 0, &["multicast-one-way"]);
    check(60, 1, &[]);
}

#[test]
fn what_comes_back_by_which_way_tells_the_cause() {
    let check = |ways: [&str; 2], change: fn(&mut Facts), expected: &[&str]| {
        let mut facts = sound(&[agent("a", ways[0]), agent("b", ways[1])]);
        change(&mut facts);
        assert_eq!(ids(&facts), expected, "{ways:?}");
    };
    check(["muh", "muh"], |_| {}, &[]);
    check(["muh", "mu"], |_| {}, &[]);
    check(["", ""], |_| {}, &[]);
    check(["mu", "mu"], |_| {}, &[]);
    check(["u", "u"], |_| {}, &["multicast-filtered"]);
    let long: fn(&mut Facts) = |it| it.asked.as_mut().unwrap().listened_long = true;
    check(["muh", "mu"], long, &["multicast-one-way"]);
    check(["mu", "mu"], long, &["multicast-one-way"]);
    check(["muh", ""], long, &[]);
    check(["uh", "uh"], |it| it.host.interfaces[0].queries = 1, &["multicast-one-way"]);
    check(["h", "muh"], |_| {}, &["questions-filtered"]);
    check(["u", "u"], |it| it.asked.as_mut().unwrap().undelivered = 6, &["replies-filtered"]);
    check(["u", "u"], |it| it.asked.as_mut().unwrap().undelivered = 5, &["multicast-filtered"]);
    // What the firewall remembers lets answers in, and no announcement.
    let lost: fn(&mut Facts) = |it| it.asked.as_mut().unwrap().undelivered = 6;
    check(["pu", "u"], lost, &["replies-filtered"]);
    check(["pu", "pu"], lost, &["replies-filtered"]);
    check(["puh", "puh"], lost, &[]);
    // It lets in what others send unasked, so it is likelier to let in all.
    check(["muh", "u"], lost, &["multicast-filtered", "replies-filtered"]);
    check(["muh", "uh"], lost, &["multicast-one-way", "snooping-no-querier", "replies-filtered"]);
    // One on this host says nothing of the firewall.
    check(["muhb", "u"], lost, &["replies-filtered"]);
    check(["muhb", "pu"], lost, &["replies-filtered"]);
    // Another node here has the port by which announcements come in, and answers do not.
    let beside: fn(&mut Facts) = |it| {
        it.asked.as_mut().unwrap().undelivered = 6;
        let address = it.realm.group.unwrap();
        it.host.holders = vec![Holder { address, ..holder(None) }];
    };
    check(["muhb", "uh"], beside, &["replies-filtered", "multicast-one-way"]);
    check(["uh", "uh"], beside, &["replies-filtered", "snooping-no-querier"]);
    check(["muh", "u"], beside, &["multicast-filtered", "replies-filtered"]);
    check(["muh", "muh"], beside, &[]);
    // Without a stateful firewall it is none that drops anything.
    let open = |it: &mut Facts| {
        let asked = it.asked.as_mut().unwrap();
        (asked.undelivered, asked.tracked) = (600, false);
    };
    check(["u", "u"], open, &["multicast-filtered"]);
    // One that tracks nothing drops what answers by unicast as well.
    check(["", ""], open, &["replies-filtered"]);
    check(["h", "h"], open, &["replies-filtered"]);
    check(["", "muhb"], open, &["replies-filtered"]);
    check(["muhb", "muhb"], open, &[]);
    check(["muh", ""], open, &[]);
    check(["", ""], |it| it.asked.as_mut().unwrap().undelivered = 5, &[]);
    // What it says to itself does not come either: of agents elsewhere that tells nothing.
    let deaf: fn(&mut Facts) = |it| it.asked.as_mut().unwrap().deaf_to_itself = true;
    check(["", ""], deaf, &[]);
    let beside = |it: &mut Facts| {
        let address = it.realm.group.unwrap();
        it.host.holders = vec![Holder { address, ..holder(None) }];
        it.asked.as_mut().unwrap().deaf_to_itself = true;
    };
    check(["", ""], beside, &["replies-filtered"]);
    check(["", "muh"], beside, &[]);
    let other = |it: &mut Facts| it.asked.as_mut().unwrap().other_realm = 1;
    check(["", ""], other, &["credential-other-realm"]);
    check(["muh", ""], other, &[]);
}

/// A snooping switch without a querier forgets all; a filter can be for one.
#[test]
fn a_filter_and_a_snooping_switch_are_both_told_where_both_are_possible() {
    let before: fn(&mut Facts) = |it| it.asked.as_mut().unwrap().joined_before = true;
    let check = |ways: [&str; 2], change: fn(&mut Facts), expected: [&str; 2]| {
        let mut facts = sound(&[agent("a", ways[0]), agent("b", ways[1])]);
        change(&mut facts);
        let found = diagnose(&facts);
        assert_eq!(ids(&facts), expected, "{ways:?}");
        assert_eq!(found[0].severity, Severity::Error);
        assert_eq!(found[1].severity, Severity::Warning);
        assert!(found[1].what.starts_with("or"), "{}", found[1].what);
        facts.host.interfaces[0].queries = 1;
        assert_eq!(diagnose(&facts).len(), 1, "somebody queries");
    };
    check(["uh", "uh"], |_| {}, ["snooping-no-querier", "multicast-one-way"]);
    check(["u", "u"], before, ["snooping-no-querier", "multicast-filtered"]);
    check(["uh", "muh"], |_| {}, ["multicast-one-way", "snooping-no-querier"]);
    check(["u", "muh"], before, ["multicast-filtered", "snooping-no-querier"]);
}

#[test]
fn a_bridge_here_that_does_not_snoop_forgets_nobody() {
    let check = |snoops: bool, place: Place| {
        let mut facts = sound(&[agent("a", "uh")]);
        facts.host.interfaces[0].interface.kind = "bridge".to_owned();
        facts.host.interfaces[0].snoops = snoops;
        let found = diagnose(&facts).remove(0);
        assert_eq!((found.cause.id(), found.place), ("snooping-no-querier", place));
    };
    check(true, Place::Here);
    check(false, Place::Path(vec!["a".to_owned()]));
}

#[test]
fn what_an_error_explains_is_not_told() {
    let check = |ways: [&str; 2], change: fn(&mut Facts), expected: &[&str]| {
        let mut facts = sound(&[agent("a", ways[0]), agent("b", ways[1])]);
        change(&mut facts);
        assert_eq!(ids(&facts), expected, "{ways:?}");
    };
    let routeless: fn(&mut Facts) = |it| it.host.interfaces[0].route = false;
    check(["u", "u"], routeless, &["no-multicast-route"]);
    check(["u", "h"], routeless, &["no-multicast-route", "questions-filtered"]);
    let taken: fn(&mut Facts) = |it| {
        it.host.group_taken = true;
        it.asked.as_mut().unwrap().undelivered = 6;
    };
    check(["u", "u"], taken, &["port-taken"]);
    check(["mu", "u"], taken, &["port-taken"]);
    let blocked: fn(&mut Facts) = |it| it.asked.as_mut().unwrap().forbidden_multicast = 1;
    check(["u", "uh"], blocked, &["questions-blocked"]);
    check(["h", "h"], blocked, &["questions-blocked"]);
    let ended: fn(&mut Facts) = |it| it.credential = Some(credential(-1));
    check(["h", "h"], ended, &["credential-expired"]);
    // A warning explains nothing.
    let soon: fn(&mut Facts) = |it| it.credential = Some(credential(1));
    check(["u", "u"], soon, &["credential-soon-expired", "multicast-filtered"]);
    let shared: fn(&mut Facts) = |it| it.host.holders = vec![holder(Some(process("nc", None)))];
    check(["u", "u"], shared, &["port-taken", "multicast-filtered"]);
}

#[test]
fn a_link_local_address_is_too_little_only_for_who_is_heard_elsewhere() {
    let check = |ways: &str, elsewhere: bool, scope: Scope, expected: &[&str]| {
        let far = AgentFacts { elsewhere, ..agent("far", ways) };
        let mut facts = sound(&[agent("near", "muh"), far]);
        facts.host.interfaces[0].interface.addresses.truncate(1);
        facts.realm.scope = scope;
        assert_eq!(ids(&facts), expected, "{ways} {elsewhere} {scope:?}");
    };
    check("", true, Scope::Site, &["wrong-scope"]);
    check("", false, Scope::Site, &[]);
    check("", true, Scope::Link, &[]);
    check("muh", true, Scope::Site, &[]);
}

#[test]
fn the_majority_says_whose_clock_is_wrong() {
    let check = |clocks: [i64; 3], expected: Option<Place>| {
        let agents: Vec<AgentFacts> = clocks
            .iter()
            .zip(["a", "b", "c"])
            .map(|(ms, name)| AgentFacts { clock_ms: Some(*ms), ..agent(name, "muh") })
            .collect();
        let found = diagnose(&sound(&agents));
        assert_eq!(found.first().map(|it| it.place.clone()), expected, "{clocks:?}");
    };
    check([0, 30_000, -30_000], None);
    check([0, 30_001, 0], Some(Place::Nodes(vec!["b".to_owned()])));
    check([-90_000, -90_000, 0], Some(Place::Here));
}

#[test]
fn buffers_must_hold_the_answers_of_all_agents() {
    let mut facts = sound(&[]);
    facts.realm.agents = 184;
    assert_eq!(ids(&facts), Vec::<&str>::new());
    facts.realm.agents = 185;
    let finding = only(&facts);
    assert_eq!(finding.cause.id(), "buffers-small");
    assert_eq!(finding.command, "sysctl -w net.core.rmem_max=4194304");
    // What a node asks for is all that it can be granted.
    facts.host.receive_buffer = 8 << 20;
    facts.realm.agents = 16_384;
    assert_eq!(ids(&facts), Vec::<&str>::new());
}

fn holder(process: Option<Process>) -> Holder {
    let address = "::".parse().unwrap();
    Holder { address, process, user: 1000, drops: 0, receive_buffer: None }
}

fn process(program: &str, unit: Option<&str>) -> Process {
    Process { pid: 7, program: program.to_owned(), unit: unit.map(str::to_owned), again: None }
}

#[test]
fn whoever_holds_the_port_is_named_as_far_as_it_is_seen() {
    let check = |process: Option<Process>, part: &str, command: &str| {
        let mut facts = sound(&[]);
        facts.host.group_taken = true;
        facts.host.root = false;
        facts.host.holders = vec![holder(process)];
        let finding = only(&facts);
        assert_eq!((finding.cause.id(), &*finding.command), ("port-taken", command));
        assert!(finding.what.contains(part), "{}", finding.what);
    };
    check(Some(process("nc", None)), "'nc' (pid 7)", "sudo kill 7");
    let unit = process("named", Some("named.service"));
    check(Some(unit), "'named'", "sudo systemctl stop named.service");
    check(None, "user 1000", "sudo ss -lunp sport = :24242");
    // An agent of this program at the port is as it should be.
    let mut facts = sound(&[]);
    let address = "fd00::1".parse().unwrap();
    facts.host.holders = vec![Holder { address, ..holder(Some(process("librecast", None))) }];
    assert_eq!(ids(&facts), Vec::<&str>::new());
}

/// A finding about a process that lost three datagrams, whose socket was granted this buffer where
/// the kernel's limit is that.
fn lost(root: bool, process: Process, granted: Option<usize>, limit: usize) -> Finding {
    let mut facts = sound(&[]);
    facts.host.root = root;
    facts.host.receive_buffer_max = Some(limit);
    let holder = holder(Some(process));
    facts.host.holders = vec![Holder { drops: 3, receive_buffer: granted, ..holder }];
    let finding = only(&facts);
    assert_eq!(finding.cause.id(), "receive-overflow");
    assert!(finding.what.contains("'librecast' (pid 7) lost 3 datagrams"), "{}", finding.what);
    finding
}

#[test]
fn lost_datagrams_are_told_with_who_lost_them() {
    let agent = process("librecast", Some("librecast-agent.service"));
    let finding = lost(true, agent, Some(425_984), 212_992);
    // A node asks for no more than that.
    let command =
        "sysctl -w net.core.rmem_max=4194304 && systemctl restart librecast-agent.service";
    assert_eq!(finding.command, command);
    // One that is no service is started again, where it is known how; none is merely ended.
    for (again, expected) in [
        (
            Some("cd /x && librecast agent"),
            "sudo sysctl -w net.core.rmem_max=4194304 && kill 7 && while kill -0 7; do sleep 0.1; \
             done 2>/dev/null && cd /x && librecast agent",
        ),
        (None, "sudo sysctl -w net.core.rmem_max=4194304"),
    ] {
        let process = Process { again: again.map(str::to_owned), ..process("librecast", None) };
        // Unknown, as by a kernel that does not tell of sockets.
        let finding = lost(false, process, None, 212_992);
        assert_eq!(finding.command, expected);
        assert!(finding.what.contains("again"), "{}", finding.what);
    }
    let mut facts = sound(&[]);
    facts.asked.as_mut().unwrap().overflow = 1;
    assert_eq!(only(&facts).command, "sysctl -w net.core.rmem_max=4194304");
}

/// Whoever has all that it asked for, as root has whatever the limit is, gets no more by raising
/// it; and where it is high enough already, it stays.
#[test]
fn the_limit_is_raised_only_where_it_is_what_was_hit() {
    let agent = || process("librecast", Some("librecast-agent.service"));
    let restart = "systemctl restart librecast-agent.service";
    for (granted, limit) in
        [(8 << 20, 212_992), (8 << 20, 8 << 20), (425_984, 4 << 20), (425_984, 16 << 20)]
    {
        let finding = lost(true, agent(), Some(granted), limit);
        assert_eq!(finding.command, restart, "{granted} {limit}");
        let slow = finding.what.contains("as large as it asks for");
        assert_eq!(slow, granted == 8 << 20, "{}", finding.what);
        let finding = lost(true, process("librecast", None), Some(granted), limit);
        assert_eq!(finding.command, "ss -lunpm sport = :24242", "{granted} {limit}");
    }
    assert!(lost(true, agent(), Some((8 << 20) - 1), (4 << 20) - 1).command.starts_with("sysctl"));
    // What this command lost itself.
    let mut facts = sound(&[]);
    facts.asked.as_mut().unwrap().overflow = 1;
    facts.host.receive_buffer = 8 << 20;
    let finding = only(&facts);
    assert_eq!(finding.command, "top -b -n 1 | head -n 20");
    assert!(finding.what.contains("too busy"), "{}", finding.what);
}

/// Where the buffer of who lost something is not known, as of a kernel that does not tell of
/// sockets, nothing is claimed of a larger one.
#[test]
fn nothing_is_claimed_of_a_buffer_that_is_not_known() {
    let agent = || process("librecast", Some("librecast-agent.service"));
    for (granted, told) in [(None, false), (Some(425_984), true), (Some(8 << 20), false)] {
        let finding = lost(true, agent(), granted, 16 << 20);
        assert_eq!(finding.command, "systemctl restart librecast-agent.service");
        let larger = finding.what.contains("the kernel grants a larger one");
        assert_eq!(larger, told, "{granted:?} {}", finding.what);
    }
}

/// A limit that cannot be read may be higher than what a command would set: it is lower where a
/// socket is granted less than it asks for.
#[test]
fn a_limit_that_is_not_known_is_not_lowered() {
    let restart = "systemctl restart librecast-agent.service";
    let raise = "sysctl -w net.core.rmem_max=4194304";
    for (granted_here, raised) in [(8 << 20, false), ((8 << 20) - 1, true)] {
        for granted in [None, Some(425_984)] {
            let mut facts = sound(&[]);
            facts.host.receive_buffer_max = None;
            facts.host.receive_buffer = granted_here;
            let agent = process("librecast", Some("librecast-agent.service"));
            let holder = holder(Some(agent));
            facts.host.holders = vec![Holder { drops: 3, receive_buffer: granted, ..holder }];
            let finding = only(&facts);
            let expected = if raised { format!("{raise} && {restart}") } else { restart.into() };
            assert_eq!(finding.command, expected);
            assert!(!finding.what.contains("a larger one here"), "{}", finding.what);
        }
    }
}

#[test]
fn a_credential_is_issued_again_as_it_was() {
    let check = |days: i64, expected: Option<&str>| {
        let mut facts = sound(&[]);
        facts.credential = Some(credential(days));
        let found = diagnose(&facts);
        assert_eq!(found.first().map(|it| it.cause.id()), expected, "{days} days");
        let Some(finding) = found.first() else { return };
        assert_eq!(finding.place, Place::Authority);
        let command = "librecast realm issue --realm prod --name web1 --again --role spare \
                       --label 'note=it'\\''s red' --out web1-1970-01-01.credential";
        assert_eq!(finding.command, command);
    };
    check(30, None);
    check(29, Some("credential-soon-expired"));
    check(-1, Some("credential-expired"));
}

#[test]
fn a_forgotten_agent_gets_its_new_file_where_there_is_one() {
    let check = |replaced: bool, severity: Severity, place: Place, part: &str| {
        let mut facts = sound(&[agent("db1", "muh"), agent("db2", "")]);
        let forgotten = ForgottenFacts {
            name: "db2".to_owned(),
            replaced,
            client: false,
            roles: Vec::new(),
            labels: vec![("role".to_owned(), "db".to_owned())],
        };
        facts.asked.as_mut().unwrap().forgotten = vec![forgotten];
        let finding = only(&facts);
        assert_eq!((finding.cause.id(), finding.severity), ("credential-forgotten", severity));
        assert_eq!(finding.place, place);
        assert!(finding.command.contains(part), "{}", finding.command);
    };
    let nodes = Place::Nodes(vec!["db2".to_owned()]);
    check(true, Severity::Error, nodes, "agent --credential FILE");
    let command = "librecast realm issue --realm prod --name db2 --label role=db --out \
                   db2-1970-01-01.credential";
    check(false, Severity::Warning, Place::Authority, command);
}

#[test]
fn a_kernel_without_ipv6_is_all_there_is_to_say() {
    let mut facts = sound(&[]);
    facts.host.ipv6 = false;
    facts.host.interfaces[0].route = false;
    assert_eq!(ids(&facts), ["no-ipv6"]);
}

#[test]
fn a_realm_of_one_host_needs_no_card() {
    let mut facts = sound(&[]);
    facts.realm.scope = Scope::Host;
    facts.host.interfaces[0].interface.up = false;
    assert_eq!(ids(&facts), Vec::<&str>::new());
    facts.host.interfaces[0].interface.loopback = true;
    assert_eq!(ids(&facts), ["interface-down"]);
}

#[test]
fn the_second_of_two_with_one_certificate_gets_a_name_that_may_be() {
    for (length, kept) in [(61, 61), (62, 61), (63, 61)] {
        let name = "n".repeat(length);
        let command = duplicate("prod", (&name, &[], &[])).command;
        let named = format!(" --name {}-2 ", "n".repeat(kept));
        assert!(command.contains(&named), "{command}");
    }
}

/// A rule may be for one card, or for the address of one agent.
#[test]
fn what_a_firewall_forbids_is_a_warning_where_others_get_out_that_way() {
    let check = |ways: [&str; 2], forbidden: [u64; 2], expected: Severity| {
        let mut facts = sound(&[agent("a", ways[0]), agent("b", ways[1])]);
        let asked = facts.asked.as_mut().unwrap();
        [asked.forbidden_multicast, asked.forbidden_unicast] = forbidden;
        let found = diagnose(&facts);
        let blocked = found.iter().find(|it| it.cause.id() == "questions-blocked").unwrap();
        assert_eq!(blocked.severity, expected, "{ways:?} {forbidden:?}");
    };
    check(["", ""], [7, 7], Severity::Error);
    check(["u", "u"], [7, 0], Severity::Error);
    check(["muhb", "u"], [7, 0], Severity::Error);
    check(["muh", "u"], [7, 0], Severity::Warning);
    check(["mh", "mh"], [0, 7], Severity::Error);
    check(["mh", "muh"], [0, 7], Severity::Warning);
}

/// Whoever is silent there does not run, unless packets are forbidden or dropped.
#[test]
fn a_firewall_inside_a_realm_of_one_host_is_named() {
    let check = |ways: [&str; 2], change: fn(&mut AskedFacts), expected: &[&str]| {
        let mut facts = sound(&[agent("a", ways[0]), agent("b", ways[1])]);
        facts.realm.scope = Scope::Host;
        change(facts.asked.as_mut().unwrap());
        assert_eq!(ids(&facts), expected, "{ways:?}");
        for finding in diagnose(&facts) {
            assert_eq!((finding.severity, finding.place), (Severity::Error, Place::Here));
            // Agents beside the first have ports of their own.
            assert!(!finding.command.contains("24242"), "{}", finding.command);
        }
    };
    check(["", ""], |_| {}, &[]);
    check(["", ""], |it| it.forbidden_unicast = 1, &["questions-blocked"]);
    check(["", ""], |it| it.forbidden_multicast = 1, &["questions-blocked"]);
    check(["u", ""], |it| it.forbidden_unicast = 1, &["questions-blocked"]);
    check(["u", "u"], |it| it.forbidden_multicast = 1, &[]);
    check(["", ""], |it| it.deaf_to_itself = true, &["replies-filtered"]);
    check(["u", ""], |it| it.deaf_to_itself = true, &["replies-filtered"]);
    check(["u", "u"], |it| it.deaf_to_itself = true, &[]);
    // Packets to an agent that ended are given to nobody, too.
    check(["u", ""], |it| it.undelivered = 600, &[]);
}

#[test]
fn a_host_without_an_interface_for_the_realm_is_told() {
    let check = |change: fn(&mut Facts), expected: &[&str]| {
        let mut facts = sound(&[]);
        change(&mut facts);
        assert_eq!(ids(&facts), expected);
    };
    let loopback: fn(&mut Facts) = |it| {
        it.host.interfaces[0].interface.loopback = true;
        it.host.interfaces[0].interface.multicast = false;
    };
    check(loopback, &["interface-absent"]);
    check(|it| it.host.interfaces.clear(), &["interface-absent"]);
    check(|it| it.host.interfaces[0].interface.name = "docker0".to_owned(), &["interface-absent"]);
    // One that is down is there.
    check(|it| it.host.interfaces[0].interface.up = false, &["interface-down"]);
    let mut facts = sound(&[]);
    loopback(&mut facts);
    let finding = only(&facts);
    assert!(finding.what.contains("realm create NAME --scope host"), "{}", finding.what);
    let command = "ip link add dev lan0 type veth peer name lan0-end && ip link set dev lan0-end \
                   multicast off up && ip link set dev lan0 multicast on up";
    assert_eq!(finding.command, command);
    let card = InterfaceFacts { interface: Interface { index: 3, ..card().interface }, ..card() };
    facts.host.interfaces.push(card);
    facts.host.interfaces[1].interface.name = "lan0".to_owned();
    facts.host.interfaces[1].interface.point_to_point = true;
    assert!(only(&facts).command.contains(" lan1 "), "{}", only(&facts).command);
    facts.realm.scope = Scope::Host;
    assert_eq!(ids(&facts), [""; 0]);
}

/// Nothing else gives such an interface an address.
#[test]
fn an_mtu_that_is_too_small_for_ipv6_is_raised() {
    let check = |mtu: u32, expected: Option<&str>| {
        let mut facts = sound(&[]);
        facts.host.interfaces[0].interface.mtu = mtu;
        facts.host.interfaces[0].interface.addresses.clear();
        let command = "ip link set dev eth0 down && ip link set dev eth0 up";
        let finding = only(&facts);
        assert_eq!(finding.cause.id(), "wrong-scope");
        assert_eq!(finding.command, expected.unwrap_or(command), "{mtu}");
    };
    check(1279, Some("ip link set dev eth0 mtu 1500"));
    check(1280, None);
    let mut facts = sound(&[]);
    facts.realm.scope = Scope::Host;
    let loopback = &mut facts.host.interfaces[0].interface;
    (loopback.loopback, loopback.mtu, loopback.name) = (true, 1000, "lo".to_owned());
    assert_eq!(only(&facts).command, "ip link set dev lo mtu 65536");
}

#[test]
fn a_client_s_credential_that_is_refused_is_told() {
    let check = |way: Way, command: &str| {
        let mut facts = sound(&[]);
        facts.host.root = false;
        facts.refused = Some(RefusedFacts { what: "denied".to_owned(), way });
        let finding = only(&facts);
        assert_eq!(finding.cause.id(), "credential-refused");
        assert_eq!((finding.severity, finding.command.as_str()), (Severity::Error, command));
        assert!(finding.what.ends_with(": denied"), "{}", finding.what);
    };
    let file = std::path::PathBuf::from("/a b/credential");
    let close = |owner| Way::Close { file: file.clone(), owner };
    check(close(None), "chmod 600 '/a b/credential'");
    let chown = "sudo chown 1000 '/a b/credential' && chmod 600 '/a b/credential'";
    check(close(Some(1000)), chown);
    let replace = "mv '/a b/credential' '/a b/credential'.old && librecast join FILE";
    check(Way::Replace { file: file.clone() }, replace);
    check(Way::Remove { file: file.clone() }, "rm '/a b/credential'");
    check(Way::SetClock, "sudo timedatectl set-ntp true");
}

/// Of several agents on one host the first alone has the realm's port.
#[test]
fn agents_with_ports_of_their_own_are_not_blamed_on_firewalls_of_theirs() {
    let check = |ways: &str, undelivered: u64, expected: (&str, Place, &str)| {
        let other = AgentFacts { port: Some(40_001), ..agent("b", ways) };
        let mut facts = sound(&[agent("a", "muh"), other]);
        facts.asked.as_mut().unwrap().undelivered = undelivered;
        let finding = only(&facts);
        let (id, place, rule) = expected;
        assert_eq!((finding.cause.id(), &finding.place), (id, &place), "{ways} {undelivered}");
        assert!(finding.command.contains(rule), "{}", finding.command);
    };
    let there = Place::Nodes(vec!["b".to_owned()]);
    let rule = "udp sport { 24242, 40001 } accept";
    check("h", 2, ("questions-filtered", there, rule));
    check("h", 3, ("replies-filtered", Place::Here, rule));
    check("hb", 0, ("replies-filtered", Place::Here, "iif lo accept"));
    let mut facts = sound(&[AgentFacts { port: Some(40_001), ..agent("b", "mh") }]);
    facts.asked.as_mut().unwrap().forbidden_unicast = 1;
    assert!(only(&facts).command.contains("udp dport { 24242, 40001 } accept"));
}

/// Agents take what was sent by an earlier time for replays.
#[test]
fn a_clock_that_was_set_back_is_no_firewall() {
    let check = |ways: &str, scope: Scope, expected: &[&str]| {
        let mut facts = sound(&[agent("a", ways)]);
        facts.realm.scope = scope;
        let back = std::time::Duration::from_millis(29_500);
        facts.asked.as_mut().unwrap().set_back = Some(back);
        assert_eq!(ids(&facts), expected, "{ways} {scope:?}");
        if let [finding] = &diagnose(&facts)[..] {
            assert_eq!(finding.command, "sleep 30");
        }
    };
    check("h", Scope::Site, &["clock-skew"]);
    check("hb", Scope::Site, &["clock-skew"]);
    check("muh", Scope::Site, &[]);
    check("", Scope::Site, &[]);
    check("", Scope::Host, &["clock-skew"]);
    check("u", Scope::Host, &[]);
}

/// What keeps multicast from an agent on its own host is looked at before the switch is blamed.
#[test]
fn what_an_agent_finds_on_its_own_host_comes_before_what_is_on_the_way() {
    let command = "librecast doctor --credential /srv/web1.credential";
    for ways in ["u", "uh", "mu"] {
        let mut agents = [agent("web1", ways), agent("web2", "muh")];
        agents[0].finds = vec![(Cause::NoMulticastRoute, command.to_owned())];
        let mut facts = sound(&agents);
        facts.asked.as_mut().unwrap().listened_long = true;
        let finding = only(&facts);
        assert_eq!((finding.cause, finding.command.as_str()), (Cause::NoMulticastRoute, command));
        assert_eq!(finding.place, Place::Nodes(vec!["web1".to_owned()]));
    }
    // Which says nothing of another, to whom the way is closed.
    let mut agents = [agent("web1", "u"), agent("web2", "u")];
    agents[0].finds = vec![(Cause::NoMulticastRoute, command.to_owned())];
    let mut facts = sound(&agents);
    facts.host.interfaces[0].queries = 1;
    assert_eq!(ids(&facts), ["no-multicast-route", "multicast-filtered"]);
}

/// An agent asks nobody, and sees all the same that nothing of it gets out.
#[test]
fn a_closed_way_out_shows_to_whoever_does_not_ask() {
    let mut facts = sound(&[]);
    facts.host.interfaces[0].forbids = true;
    assert_eq!(ids(&facts), [""; 0], "what became of the questions tells it");
    facts.asked = None;
    assert_eq!(ids(&facts), ["questions-blocked"]);
    assert_eq!(only(&facts).place, Place::Here);
}
