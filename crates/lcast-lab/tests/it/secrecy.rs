//! What an eavesdropper sees, and what becomes of packets that are sent again or made up.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv6Addr, SocketAddrV6};

use lcast_lab::{Answer, DEADLINE, Datagram, Lab, Member, Realm};
use lcast_lab::{ipv6_udp, search_forms, wait_until};

use crate::fleet::Fleet;

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// [SEC-70]
#[test]
fn no_marker_shows_on_the_wire() {
    let (read, written, raw) = (random(), random(), random());
    let config = format!(
        "[[variable]]\nname = \"app.marker\"\nvalue = \"{}\"\n\
         [[setting]]\nname = \"app.secret\"\ntype = \"text\"\nmax_len = 64\ndefault = \"\"\n\
         [[setting]]\nname = \"app.blob\"\ntype = \"bytes\"\n",
        hex(&read)
    );
    let fleet = Fleet::new(3, 1, &config);
    let mut captures: Vec<_> = fleet.lab.hosts().map(|host| host.capture("eth0")).collect();
    let answer = fleet.realm.ask("get app.marker host.name");
    answer.check(0, &[("answered", 3)]);
    assert_eq!(answer.value("web1", "app.marker"), hex(&read));
    let set = format!("set app.secret={}", hex(&written));
    fleet.realm.ask(&set).check(0, &[("answered", 3)]);
    let held = fleet.realm.ask("get app.secret").value("web1", "app.secret");
    assert_eq!(held, hex(&written));
    let list: Vec<String> = raw.iter().map(u8::to_string).collect();
    let blob = base64(&raw);
    let word = format!("app.blob:={{\"$base64\":\"{blob}\"}}");
    let output = fleet.realm.admin("set --json").arg(word).run();
    Answer::read(output).check(0, &[("answered", 3)]);
    let held = fleet.realm.ask("get app.blob").value("web1", "app.blob");
    assert_eq!(held["$base64"], blob, "{list:?}");

    // The search finds what is there.
    let (_, from) = fleet.lab.host(4).addresses(0);
    let (_, to) = fleet.lab.host(0).addresses(0);
    let control = Datagram {
        source: SocketAddrV6::new(from, 1, 0, 0),
        destination: SocketAddrV6::new(to, 9, 0, 0),
        hop_limit: 1,
        payload: hex(&raw).into_bytes(),
    };
    fleet.lab.host(4).inject("eth0", &[ipv6_udp(&control)]);
    wait_until("the control to be found", DEADLINE, || {
        captures[0].find(&search_forms(&raw)).is_some()
    });
    for (host, capture) in captures.iter_mut().enumerate() {
        let udp = capture.datagrams().len();
        assert!(host == 4 || udp > 3, "host {host} captured only {udp} datagrams");
        for secret in [&read, &written] {
            let found = capture.find(&search_forms(secret));
            assert!(found.is_none(), "host {host} saw a secret: {found:?}");
        }
        let frames = capture.frames();
        let sealed = frames.iter().filter_map(lcast_lab::Frame::datagram);
        for datagram in sealed.filter(|datagram| datagram.destination.port() != 9) {
            for form in search_forms(&raw) {
                let found = datagram.payload.windows(form.len()).any(|window| window == form);
                assert!(!found, "host {host} saw a secret: {datagram:?}");
            }
            // Names of variables and nodes are nobody's business either.
            for word in [b"app.marker".as_slice(), b"host.name", b"web1"] {
                let found = datagram.payload.windows(word.len()).any(|window| window == word);
                assert!(!found, "host {host} saw a name: {datagram:?}");
            }
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |index: usize| u32::from(*three.get(index).unwrap_or(&0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (index, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let known = index <= three.len();
            text.push(if known {
                char::from(ALPHABET[(bits >> shift & 63) as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// Agents on hosts 1 to 3, an outsider on host 4, a second asker on host 5.
struct Scene {
    lab: Lab,
    realm: Realm,
    second: String,
    _fleet: Fleet,
}

impl Scene {
    fn new() -> Self {
        let fleet = Fleet::new(3, 2, crate::fleet::CONFIG);
        let second = fleet.realm.issue(&Member::client("second"));
        // Agents fetch a newer member list from whoever asked them; one that never answers keeps
        // the asker there until they have it, so that no such errand is taken for a reply later.
        fleet.realm.issue(&Member::agent("ghost"));
        fleet.realm.ask("get host.name").check(3, &[("answered", 3), ("missing", 1)]);
        Self { lab: fleet.lab.clone(), realm: fleet.realm.clone(), second, _fleet: fleet }
    }

    /// A question from host 0, as an outsider on the wire captured it.
    fn captured_question(&self) -> Datagram {
        let own = self.lab.host(0).addresses(0);
        let mut capture = self.lab.host(1).capture("eth0");
        self.realm.ask("get host.name --not ghost").check(0, &[("answered", 3)]);
        let sent = capture.datagrams().into_iter().find(|datagram| {
            let source = *datagram.source.ip();
            datagram.is_multicast() && (source == own.0 || source == own.1)
        });
        sent.expect("the question was captured")
    }

    /// Asks from host 5; whatever agents had to say about earlier packets is said after it.
    fn second_question(&self) -> Answer {
        let words =
            format!("get librecast.packet.dropped --not ghost --json --credential {}", self.second);
        let answer = Answer::read(self.lab.host(5).librecast(&words).run());
        answer.check(0, &[("answered", 3)]);
        answer
    }

    /// Waits until every agent has dropped so many more packets: it got them. (An agent reads its
    /// own numbers at most once a second.)
    fn wait_dropped(&self, before: &BTreeMap<String, u64>, more: u64) {
        wait_until(&format!("{more} packets to be dropped by all"), DEADLINE, || {
            self.dropped().iter().all(|(node, count)| count - before[node] >= more)
        });
    }

    /// How many packets each agent has dropped.
    fn dropped(&self) -> BTreeMap<String, u64> {
        let total = |reply: &serde_json::Value| -> u64 {
            let cells = reply["variables"].as_object().unwrap().iter();
            let counts = cells.filter(|(name, _)| name.starts_with("librecast.packet.dropped"));
            counts.filter_map(|(_, cell)| cell["value"].as_u64()).sum()
        };
        let replies = self.second_question().replies();
        replies.iter().map(|(node, reply)| (node.clone(), total(reply))).collect()
    }
}

#[test]
fn a_question_sent_again_draws_no_reply() {
    let scene = Scene::new();
    let question = scene.captured_question();
    let outsider = scene.lab.host(4);
    let (outsider_local, outsider_global) = outsider.addresses(0);
    let asker: Ipv6Addr = *question.source.ip();
    let own = scene.lab.host(0).addresses(0);
    let agents: Vec<Ipv6Addr> =
        (1..4).flat_map(|host| <[Ipv6Addr; 2]>::from(scene.lab.host(host).addresses(0))).collect();
    let unicast = |datagrams: Vec<Datagram>, to: &[Ipv6Addr]| -> Vec<Datagram> {
        let answers = datagrams.into_iter().filter(|datagram| {
            agents.contains(datagram.source.ip()) && to.contains(datagram.destination.ip())
        });
        answers.collect()
    };
    let before = scene.dropped();
    let mut heard_by_outsider = outsider.capture("eth0");
    let mut heard_by_asker = scene.lab.host(0).capture("eth0");

    let from = |address: Ipv6Addr, port: u16| {
        let source = SocketAddrV6::new(address, port, 0, 0);
        ipv6_udp(&Datagram { source, ..question.clone() })
    };
    let port = question.source.port();
    let mut packets = vec![
        from(asker, port),
        from(outsider_local, port),
        from(outsider_global, port),
        from(outsider_global, 7777),
        from(asker, 7777),
    ];
    // Also sent to one agent alone.
    let mut to_one = question.clone();
    to_one.source = SocketAddrV6::new(outsider_global, port, 0, 0);
    to_one.destination.set_ip(scene.lab.host(1).addresses(0).1);
    packets.push(ipv6_udp(&to_one));
    outsider.inject("eth0", &packets);

    scene.wait_dropped(&before, 5);
    let drawn = unicast(heard_by_outsider.datagrams(), &[outsider_local, outsider_global]);
    assert_eq!(drawn, [], "the outsider drew replies");
    let drawn = unicast(heard_by_asker.datagrams(), &[own.0, own.1]);
    assert_eq!(drawn, [], "the asker was sent replies to a repeated question");
}

/// [SEC-71]
#[test]
fn forged_packets_are_dropped_and_hurt_nobody() {
    let scene = Scene::new();
    let question = scene.captured_question();
    let outsider = scene.lab.host(4);
    let before = scene.dropped();
    let mut heard = outsider.capture("eth0");
    let source = SocketAddrV6::new(outsider.addresses(0).1, 24_242, 0, 0);
    let with = |payload: Vec<u8>| ipv6_udp(&Datagram { source, payload, ..question.clone() });
    let mut packets = Vec::new();
    // A bit changed in each part: header, body, tag; cut short; grown; empty; noise.
    for at in (0..question.payload.len()).step_by(7) {
        let mut payload = question.payload.clone();
        payload[at] ^= 1 << (at % 8);
        packets.push(with(payload));
    }
    for len in [0, 1, 25, 26, 27, 42, 100, question.payload.len() - 1] {
        packets.push(with(question.payload[..len].to_vec()));
    }
    for extra in [1, 200] {
        let mut payload = question.payload.clone();
        payload.resize(payload.len() + extra, 0);
        packets.push(with(payload));
    }
    for len in [64, 1152, 1153, 1400] {
        packets.push(with((0..len).map(|at| random()[at % 32]).collect()));
    }
    let sent = packets.len() as u64;
    outsider.inject("eth0", &packets);
    scene.wait_dropped(&before, sent / 2);
    let replies = heard.datagrams().into_iter().filter(|datagram| !datagram.is_multicast());
    let drawn: Vec<_> = replies.filter(|datagram| datagram.source != source).collect();
    assert_eq!(drawn, [], "forged packets drew replies");
    // The real asker's later packets are not taken for repetitions of forged ones.
    scene.realm.ask("get host.name --not ghost").check(0, &[("answered", 3)]);
}
