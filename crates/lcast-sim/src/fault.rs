//! What can go wrong on the way: loss, duplication, reordering, delay, damage, partitions,
//! firewalls.
//!
//! [`Conditions`] hold everywhere, for all that leaves or reaches one node, or for one direction
//! between two nodes; all that apply are met one after the other. What goes wrong *in* a node
//! (crash, pause, slowness, lies) is in [`node`](crate::node) and [`hostile`](crate::hostile).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::net::NodeIndex;
use crate::random::Random;

/// What happens to packets on one part of the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// How many packets in a row are lost, on average; 1 or less: independent losses. Between two
    /// nodes losses follow Gilbert's model with this mean.
    pub burst: f64,
    /// Share of packets that arrive twice.
    pub duplicate: f64,
    /// Share of packets with one bit flipped on the way, past the UDP checksum.
    pub corrupt: f64,
    /// Share of packets held back, so that later ones overtake them.
    pub reorder: f64,
    /// How long those are held back at most.
    pub reorder_delay: Duration,
    /// How long every packet takes at least.
    pub delay: Duration,
    /// How much longer it takes at most.
    pub jitter: Duration,
}

/// All conditions in force.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// For every packet.
    pub everywhere: Conditions,
    /// For packets that leave a node.
    pub from: BTreeMap<NodeIndex, Conditions>,
    /// For packets that reach a node.
    pub to: BTreeMap<NodeIndex, Conditions>,
    /// For packets from one node to another.
    pub between: BTreeMap<(NodeIndex, NodeIndex), Conditions>,
    islands: BTreeMap<NodeIndex, u32>,
    bursts: BTreeSet<(NodeIndex, NodeIndex, u8)>,
}

/// What becomes of one packet on its way to one receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// After how long it arrives; none: it is lost.
    pub after: Option<Duration>,
    /// After how long more copies of it arrive.
    pub again: Vec<Duration>,
    /// Whether a bit is flipped.
    pub corrupt: bool,
}

/// Which packets from outside a host lets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Firewall {
    /// All.
    #[default]
    Open,
    /// Only unicast from where this host sent unicast to within [`ESTABLISHED`]: the usual
    /// stateful firewall with policy drop. Replies to a multicast question are not let in.
    Stateful,
    /// All but unicast.
    NoUnicast,
}

/// How long a stateful firewall remembers that a packet went out (Linux: 30 s before the first
/// answer).
pub const ESTABLISHED: Duration = Duration::from_secs(30);

impl Default for Conditions {
    /// Nothing goes wrong, nothing takes time.
    fn default() -> Self {
        Self {
            loss: 0.0,
            burst: 1.0,
            duplicate: 0.0,
            corrupt: 0.0,
            reorder: 0.0,
            reorder_delay: Duration::from_millis(20),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
        }
    }
}

impl Conditions {
    /// A quiet local network: 50 to 150 microseconds, nothing lost.
    pub fn lan() -> Self {
        let (delay, jitter) = (Duration::from_micros(50), Duration::from_micros(100));
        Self { delay, jitter, ..Self::default() }
    }

    /// Only loss, of this share.
    pub fn loss(loss: f64) -> Self {
        Self { loss, ..Self::default() }
    }

    /// These conditions with loss of this share.
    pub fn with_loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }
}

impl Faults {
    /// Splits the nodes: each list is an island, all nodes in none are one more island.
    pub fn partition(&mut self, islands: &[Vec<NodeIndex>]) {
        self.islands.clear();
        for (number, island) in (1..).zip(islands) {
            self.islands.extend(island.iter().map(|node| (*node, number)));
        }
    }

    /// Joins the islands and clears all conditions of nodes and pairs.
    pub fn heal(&mut self) {
        self.islands.clear();
        self.from.clear();
        self.to.clear();
        self.between.clear();
        self.bursts.clear();
    }

    /// Whether nothing is lost, damaged or cut off between these two.
    pub fn is_sound(&self, from: NodeIndex, to: NodeIndex) -> bool {
        let sound = |it: &Conditions| it.loss <= 0.0 && it.corrupt <= 0.0;
        self.joined(from, to) && self.stages(from, to).iter().flatten().all(sound)
    }

    /// Whether nothing that leaves a node arrives anywhere else.
    pub fn is_mute(&self, node: NodeIndex) -> bool {
        self.from.get(&node).is_some_and(|it| it.loss >= 1.0)
    }

    /// Whether both are on one island.
    pub fn joined(&self, from: NodeIndex, to: NodeIndex) -> bool {
        self.islands.get(&from) == self.islands.get(&to)
    }

    /// Decides what becomes of one packet.
    pub fn fate(&mut self, from: NodeIndex, to: NodeIndex, random: &mut Random) -> Fate {
        let mut fate = Fate::default();
        if self.is_mute(from) || !self.joined(from, to) {
            return fate;
        }
        let mut delay = Duration::ZERO;
        let mut copies = 1;
        for (stage, it) in (0..).zip(self.stages(from, to)) {
            let Some(it) = it else { continue };
            if self.loses((from, to, stage), &it, random) {
                return fate;
            }
            copies += usize::from(random.chance(it.duplicate));
            fate.corrupt |= random.chance(it.corrupt);
            delay += it.delay + random.duration(it.jitter);
            if random.chance(it.reorder) {
                delay += random.duration(it.reorder_delay);
            }
        }
        fate.after = Some(delay);
        for _ in 1..copies {
            fate.again.push(delay + random.duration(Duration::from_millis(5)));
        }
        fate
    }

    /// The conditions on the way between two nodes, in order.
    fn stages(&self, from: NodeIndex, to: NodeIndex) -> [Option<Conditions>; 4] {
        [
            Some(self.everywhere),
            self.from.get(&from).copied(),
            self.to.get(&to).copied(),
            self.between.get(&(from, to)).copied(),
        ]
    }

    /// Gilbert's model: in a good spell nothing is lost, in a bad one everything.
    fn loses(
        &mut self,
        way: (NodeIndex, NodeIndex, u8),
        it: &Conditions,
        random: &mut Random,
    ) -> bool {
        if it.burst <= 1.0 || it.loss <= 0.0 || it.loss >= 1.0 {
            return random.chance(it.loss);
        }
        let bad = if self.bursts.contains(&way) {
            !random.chance(1.0 / it.burst)
        } else {
            random.chance(it.loss / (it.burst * (1.0 - it.loss)))
        };
        if bad {
            self.bursts.insert(way);
        } else {
            self.bursts.remove(&way);
        }
        bad
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeIndex = NodeIndex(0);
    const B: NodeIndex = NodeIndex(1);

    fn lost(conditions: Conditions) -> (usize, usize) {
        let mut faults = Faults { everywhere: conditions, ..Faults::default() };
        let mut random = Random::new(1, "test");
        let fates: Vec<bool> =
            (0..20_000).map(|_| faults.fate(A, B, &mut random).after.is_none()).collect();
        let runs = fates.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        (fates.iter().filter(|lost| **lost).count(), runs)
    }

    #[test]
    fn loss_has_the_given_share_and_burst_length() {
        let (count, runs) = lost(Conditions::loss(0.2));
        assert!((3_700..4_300).contains(&count), "{count}");
        assert!((2_900..3_500).contains(&runs), "{runs}");
        let (count, runs) = lost(Conditions { burst: 5.0, ..Conditions::loss(0.2) });
        assert!((3_300..4_700).contains(&count), "{count}");
        assert!((600..1_000).contains(&runs), "{runs}");
    }

    #[test]
    fn conditions_add_up_along_the_way() {
        let mut random = Random::new(1, "test");
        let delay =
            |millis| Conditions { delay: Duration::from_millis(millis), ..Conditions::default() };
        let mut faults = Faults { everywhere: delay(1), ..Faults::default() };
        faults.from.insert(A, delay(10));
        faults.to.insert(B, delay(100));
        faults.between.insert((B, A), Conditions { duplicate: 1.0, ..delay(1_000) });
        let there = faults.fate(A, B, &mut random);
        assert_eq!((there.after, there.again.len()), (Some(Duration::from_millis(111)), 0));
        let back = faults.fate(B, A, &mut random);
        assert_eq!((back.after, back.again.len()), (Some(Duration::from_millis(1_001)), 1));
    }

    #[test]
    fn islands_are_cut_off_until_healed() {
        let mut random = Random::new(1, "test");
        let mut faults = Faults::default();
        faults.partition(&[vec![B]]);
        assert!(!faults.is_sound(A, B) && faults.is_sound(A, A));
        assert_eq!(faults.fate(A, B, &mut random), Fate::default());
        faults.heal();
        assert!(faults.fate(A, B, &mut random).after.is_some());
    }
}
