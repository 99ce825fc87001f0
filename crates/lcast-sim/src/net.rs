//! The network: links, addresses, multicast groups, and the way of each packet.
//!
//! A packet is bytes behind an [`Arc`]: sending to ten thousand receivers copies nothing. What goes
//! wrong on the way is decided by [`fault`](crate::fault); when packets are handled at the
//! receiver is decided by the [`World`](crate::World).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use lcast_proto::io::{Datagram, Destination, Input, Link};
use lcast_proto::opened::Opened;

use crate::fault::{ESTABLISHED, Faults, Firewall};
use crate::queue::Time;
use crate::random::Random;
use crate::tap::Mark;

/// A node of the world, in order of making.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIndex(pub u32);

/// A broadcast domain that nodes are attached to; also the interface index of its links.
pub type Segment = u16;

/// The port of every node.
pub const PORT: u16 = 24242;
/// Most addresses that a node's kernel lists as neighbours.
pub const NEIGHBOURS_MAX: usize = 64;

/// A packet at the receiver's door.
#[derive(Clone, Debug)]
pub struct Packet {
    /// What was sent: one for all receivers.
    pub sent: Arc<Sent>,
    /// The own address it came in at.
    pub local: SocketAddrV6,
}

/// A packet as it was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Who sent it in truth, whatever the source address says.
    pub sender: NodeIndex,
    /// The source address.
    pub from: SocketAddrV6,
    /// The group it was sent to; `None`: to one address.
    pub group: Option<Ipv6Addr>,
    /// The bytes.
    pub payload: Payload,
}

/// The bytes of a packet, and what is known of them.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// The beginning of their hash, for the trace.
    pub(crate) digest: [u8; 16],
    /// What every member finds in them, found out once for all.
    pub(crate) opened: Option<Arc<Opened>>,
    /// What the oracles know of it.
    pub(crate) mark: Mark,
}

/// A packet under way to one receiver.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// How long it takes.
    pub after: Duration,
    /// Who gets it.
    pub to: NodeIndex,
    /// What arrives.
    pub packet: Packet,
}

/// What the network did, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets sent to a group, once each however many receive them.
    pub multicast: u64,
    /// Packets sent to one address.
    pub unicast: u64,
    /// Packets (to each receiver) lost by chance or partition. What a mute node sends to a group is
    /// not counted.
    pub lost: u64,
    /// Packets that a firewall dropped.
    pub filtered: u64,
    /// Packets to an address that no host on the link has.
    pub nowhere: u64,
    /// Packets that the kernel would have refused to send: no such source, no such scope, too long.
    pub unsendable: u64,
}

/// All links and who is on them.
#[derive(Default)]
pub struct Network {
    /// What goes wrong.
    pub faults: Faults,
    /// What happened so far.
    pub traffic: Traffic,
    segments: BTreeMap<Segment, BTreeSet<NodeIndex>>,
    owners: BTreeMap<Ipv6Addr, (NodeIndex, Segment)>,
    groups: BTreeMap<Ipv6Addr, BTreeSet<NodeIndex>>,
    firewalls: BTreeMap<NodeIndex, Firewall>,
    established: BTreeMap<(NodeIndex, SocketAddrV6), Time>,
    neighbours: BTreeMap<NodeIndex, BTreeSet<SocketAddrV6>>,
    promiscuous: BTreeSet<NodeIndex>,
    /// Packets by unicast from or to each node.
    unicast: BTreeMap<NodeIndex, u64>,
}

/// The address of a node on a segment that is routable beyond it.
pub fn unique_local(node: NodeIndex, segment: Segment) -> SocketAddrV6 {
    let [high, low] = halves(node);
    SocketAddrV6::new(Ipv6Addr::new(0xfd00, 0, 0, segment, 0, 0, high, low), PORT, 0, 0)
}

/// The link-local address of a node on a segment.
pub fn link_local(node: NodeIndex, segment: Segment) -> SocketAddrV6 {
    let [high, low] = halves(node);
    let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, segment, high, low);
    SocketAddrV6::new(address, PORT, 0, u32::from(segment))
}

/// The number of a node, from 1, as two parts of an address.
fn halves(node: NodeIndex) -> [u16; 2] {
    let number = node.0 + 1;
    let part = |it: u32| u16::try_from(it & 0xffff).unwrap_or(0);
    [part(number >> 16), part(number)]
}

impl Packet {
    /// What an endpoint is fed.
    pub(crate) fn input(&self) -> Input<'_> {
        let Sent { from, group, payload, .. } = &*self.sent;
        let (from, local, multicast) = (*from, self.local, group.is_some());
        let datagram =
            Datagram { from, local, multicast, waited: Duration::ZERO, bytes: &payload.bytes };
        match &payload.opened {
            Some(opened) => Input::Opened(datagram, opened),
            None => Input::Datagram(datagram),
        }
    }
}

impl Payload {
    /// These bytes, of which nothing is known.
    pub(crate) fn new(bytes: Arc<[u8]>) -> Self {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
        Self { bytes, digest, opened: None, mark: Mark::None }
    }

    /// These bytes with one bit flipped: no answer any more.
    fn damaged(&self, random: &mut Random) -> Self {
        let mark = match self.mark {
            Mark::Answer(_) | Mark::None => Mark::None,
            kept @ (Mark::Question(..) | Mark::Excused) => kept,
        };
        Self { mark, ..Self::new(flip_bit(&self.bytes, random)) }
    }
}

impl Network {
    /// Attaches a node to a segment.
    pub fn attach(&mut self, node: NodeIndex, segment: Segment) {
        self.segments.entry(segment).or_default().insert(node);
        for address in [unique_local(node, segment), link_local(node, segment)] {
            self.owners.insert(*address.ip(), (node, segment));
        }
    }

    /// Takes a node off a segment, as when a cable is pulled.
    pub fn detach(&mut self, node: NodeIndex, segment: Segment) {
        if let Some(nodes) = self.segments.get_mut(&segment) {
            nodes.remove(&node);
        }
        self.owners.retain(|_, owner| *owner != (node, segment));
    }

    /// The links of a node, as its shell would list them.
    pub fn links(&self, node: NodeIndex) -> Vec<Link> {
        let of = |segment: Segment| Link {
            index: u32::from(segment),
            addresses: vec![unique_local(node, segment), link_local(node, segment)],
            multicast: true,
        };
        self.attached(node).map(of).collect()
    }

    /// Joins a group on every link.
    pub fn join(&mut self, node: NodeIndex, group: Ipv6Addr) {
        self.groups.entry(group).or_default().insert(node);
    }

    /// Leaves a group.
    pub fn leave(&mut self, node: NodeIndex, group: Ipv6Addr) {
        if let Some(members) = self.groups.get_mut(&group) {
            members.remove(&node);
        }
    }

    /// Leaves all groups, as the kernel does for a process that ends.
    pub fn leave_all(&mut self, node: NodeIndex) {
        for members in self.groups.values_mut() {
            members.remove(&node);
        }
    }

    /// The groups that a node is in.
    pub fn groups(&self, node: NodeIndex) -> impl Iterator<Item = Ipv6Addr> {
        let member = move |(group, members): (&Ipv6Addr, &BTreeSet<NodeIndex>)| {
            members.contains(&node).then_some(*group)
        };
        self.groups.iter().filter_map(member)
    }

    /// Lets a node hear the packets of every group.
    pub fn listen_to_all(&mut self, node: NodeIndex) {
        self.promiscuous.insert(node);
    }

    /// Puts up a firewall at a node.
    pub fn set_firewall(&mut self, node: NodeIndex, firewall: Firewall) {
        self.firewalls.insert(node, firewall);
    }

    /// Whether no firewall stands before a node.
    pub fn is_open(&self, node: NodeIndex) -> bool {
        self.firewalls.get(&node).copied().unwrap_or_default() == Firewall::Open
    }

    /// Who has this address.
    pub fn owner(&self, address: &SocketAddrV6) -> Option<NodeIndex> {
        self.owners.get(address.ip()).map(|(node, _)| *node)
    }

    /// Whether nothing stands between these two: packets arrive, both ways are open.
    pub fn is_sound(&self, from: NodeIndex, to: NodeIndex) -> bool {
        let shared = self.attached(from).any(|it| self.segments[&it].contains(&to));
        shared && self.is_open(from) && self.is_open(to) && self.faults.is_sound(from, to)
    }

    /// Whether a unicast packet from this address would be let in.
    pub fn admits(&mut self, now: Time, to: NodeIndex, packet: &Packet) -> bool {
        let Sent { sender, from, group, .. } = *packet.sent;
        let admitted = match self.firewalls.get(&to).copied().unwrap_or_default() {
            Firewall::Open => true,
            Firewall::Stateful | Firewall::NoUnicast if sender == to => true,
            Firewall::NoUnicast => group.is_some(),
            Firewall::Stateful => {
                let sent = self.established.get(&(to, from));
                group.is_none() && sent.is_some_and(|at| now.saturating_sub(*at) < ESTABLISHED)
            }
        };
        if admitted && group.is_none() {
            self.learn_neighbour(to, from);
        }
        self.traffic.filtered += u64::from(!admitted);
        admitted
    }

    /// Packets by unicast from or to these nodes: between agents there are always some.
    pub fn unicast_with(&self, nodes: &[NodeIndex]) -> u64 {
        nodes.iter().filter_map(|node| self.unicast.get(node)).sum()
    }

    /// Sends what an endpoint wants sent, from this address if it says so: who gets it, and when.
    pub fn send(
        &mut self,
        now: Time,
        sender: NodeIndex,
        (source, to): (Option<SocketAddrV6>, Destination),
        payload: &Payload,
        random: &mut Random,
    ) -> Vec<Delivery> {
        if payload.bytes.len() > lcast_proto::wire::header::PACKET_MAX {
            self.traffic.unsendable += 1;
            return Vec::new();
        }
        match to {
            Destination::Group(group) => {
                self.traffic.multicast += 1;
                self.send_group(sender, (source, group), payload, random)
            }
            Destination::Unicast(to) => {
                let from = source.or_else(|| self.source_for(sender, to));
                let Some(from) = from else {
                    self.traffic.unsendable += 1;
                    return Vec::new();
                };
                self.send_unicast(now, sender, (from, to), payload, random)
            }
            Destination::Neighbours => {
                let known = self.neighbours.get(&sender).cloned().unwrap_or_default();
                let mut deliveries = Vec::new();
                for to in known {
                    let Some(from) = self.source_for(sender, to) else { continue };
                    deliveries.extend(self.send_unicast(now, sender, (from, to), payload, random));
                }
                deliveries
            }
        }
    }

    fn send_group(
        &mut self,
        sender: NodeIndex,
        (source, group): (Option<SocketAddrV6>, Ipv6Addr),
        payload: &Payload,
        random: &mut Random,
    ) -> Vec<Delivery> {
        let mute = self.faults.is_mute(sender);
        // Lent out for as long as the packet is put on its ways.
        let segments = std::mem::take(&mut self.segments);
        let members = self.groups.get_mut(&group).map(std::mem::take).unwrap_or_default();
        let mut deliveries = Vec::with_capacity(members.len());
        for (segment, nodes) in segments.iter().filter(|(_, nodes)| nodes.contains(&sender)) {
            let own = [unique_local(sender, *segment), link_local(sender, *segment)];
            let from = source.filter(|it| own.contains(it)).unwrap_or(own[0]);
            let (group, payload) = (Some(group), payload.clone());
            let sent = Arc::new(Sent { sender, from, group, payload });
            let others = self.promiscuous.iter().filter(|it| !members.contains(it));
            let others: Vec<NodeIndex> = others.filter(|it| nodes.contains(it)).copied().collect();
            let mut carry = |to: NodeIndex| {
                let packet = Packet { sent: sent.clone(), local: unique_local(to, *segment) };
                self.carry(to, packet, random, &mut deliveries);
            };
            if !mute {
                members.intersection(nodes).chain(&others).copied().for_each(carry);
            } else if members.contains(&sender) {
                // What nobody else hears costs nothing, however many there are.
                carry(sender);
            }
        }
        self.segments = segments;
        if let Some(lent) = self.groups.get_mut(&group) {
            *lent = members;
        }
        deliveries
    }

    /// Sends to one address. The source need not be an own one: that is for hostile hosts.
    pub fn send_unicast(
        &mut self,
        now: Time,
        sender: NodeIndex,
        (from, to): (SocketAddrV6, SocketAddrV6),
        payload: &Payload,
        random: &mut Random,
    ) -> Vec<Delivery> {
        self.traffic.unicast += 1;
        let mut deliveries = Vec::new();
        if is_link_local(to.ip()) && to.scope_id() == 0 {
            self.traffic.unsendable += 1;
            return deliveries;
        }
        self.established.insert((sender, to), now);
        let owner = self.owners.get(to.ip()).filter(|(_, segment)| {
            let scope = to.scope_id() == 0 || to.scope_id() == u32::from(*segment);
            scope && to.port() == PORT && self.segments[segment].contains(&sender)
        });
        let Some((to_node, _)) = owner.copied() else {
            self.traffic.nowhere += 1;
            return deliveries;
        };
        for end in [sender, to_node] {
            *self.unicast.entry(end).or_default() += 1;
        }
        self.learn_neighbour(sender, to);
        let sent = Arc::new(Sent { sender, from, group: None, payload: payload.clone() });
        self.carry(to_node, Packet { sent, local: to }, random, &mut deliveries);
        deliveries
    }

    /// Puts a packet on its way, through all that can go wrong.
    fn carry(
        &mut self,
        to: NodeIndex,
        mut packet: Packet,
        random: &mut Random,
        deliveries: &mut Vec<Delivery>,
    ) {
        let sender = packet.sent.sender;
        if sender == to {
            deliveries.push(Delivery { after: Duration::ZERO, to, packet });
            return;
        }
        let fate = self.faults.fate(sender, to, random);
        let Some(after) = fate.after else {
            self.traffic.lost += 1;
            return;
        };
        if fate.corrupt && !packet.sent.payload.bytes.is_empty() {
            let payload = packet.sent.payload.damaged(random);
            packet.sent = Arc::new(Sent { payload, ..(*packet.sent).clone() });
        }
        for after in fate.again {
            deliveries.push(Delivery { after, to, packet: packet.clone() });
        }
        deliveries.push(Delivery { after, to, packet });
    }

    /// The segments that a node is attached to.
    fn attached(&self, node: NodeIndex) -> impl Iterator<Item = Segment> {
        let on = move |(segment, nodes): (&Segment, &BTreeSet<NodeIndex>)| {
            nodes.contains(&node).then_some(*segment)
        };
        self.segments.iter().filter_map(on)
    }

    /// The own address that a kernel would pick towards this destination.
    fn source_for(&self, sender: NodeIndex, to: SocketAddrV6) -> Option<SocketAddrV6> {
        if is_link_local(to.ip()) {
            let segment = Segment::try_from(to.scope_id()).ok()?;
            return self
                .attached(sender)
                .any(|it| it == segment)
                .then(|| link_local(sender, segment));
        }
        let (_, segment) = self.owners.get(to.ip()).copied()?;
        let segment = if self.segments[&segment].contains(&sender) {
            segment
        } else {
            self.attached(sender).next()?
        };
        Some(unique_local(sender, segment))
    }

    fn learn_neighbour(&mut self, node: NodeIndex, address: SocketAddrV6) {
        let known = self.neighbours.entry(node).or_default();
        if known.len() < NEIGHBOURS_MAX {
            known.insert(SocketAddrV6::new(*address.ip(), PORT, 0, address.scope_id()));
        }
    }
}

/// The same bytes with one bit flipped.
pub fn flip_bit(bytes: &[u8], random: &mut Random) -> Arc<[u8]> {
    let mut damaged = bytes.to_vec();
    if damaged.is_empty() {
        return damaged.into();
    }
    let place = random.index(damaged.len());
    damaged[place] ^= 1 << random.below(8);
    damaged.into()
}

fn is_link_local(address: &Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}
