//! What can be wrong with a network: written as rules of nftables.

use std::collections::{BTreeMap, BTreeSet};

/// How much of what is sent to a host gets lost on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// So many per cent of its UDP datagrams, each by its own throw of the die.
    Udp(u32),
    /// So many per cent of all its packets, neighbour discovery included.
    All(u32),
}

/// The firewall of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// Lets everything through.
    Open,
    /// Lets in what belongs to a conversation that the host began, and ICMPv6.
    Stateful,
    /// As [`Firewall::Stateful`], and this UDP port.
    OnlyPort(u16),
}

impl Firewall {
    pub(crate) fn rules(self) -> String {
        let port = match self {
            Self::Open => return "table inet lab\ndelete table inet lab\n".to_owned(),
            Self::Stateful => String::new(),
            Self::OnlyPort(port) => format!("udp dport {port} accept\n"),
        };
        format!(
            "table inet lab\ndelete table inet lab\n\
             table inet lab {{ chain input {{ type filter hook input priority 0; policy drop;\n\
             iif lo accept\nct state established,related accept\n\
             meta l4proto ipv6-icmp accept\n{port}}}\n}}\n"
        )
    }
}

/// Everything that is wrong at the switch.
#[derive(Debug, Default)]
pub(crate) struct Impairments {
    pub(crate) loss: BTreeMap<usize, Loss>,
    pub(crate) parted: BTreeSet<usize>,
}

impl Impairments {
    /// The whole table: it replaces the one before.
    pub(crate) fn rules(&self, hosts: usize, segments: impl Fn(usize) -> Vec<usize>) -> String {
        let ports = |host: usize| {
            let named = segments(host).into_iter();
            named.map(move |segment| format!("\"h{host}s{segment}\""))
        };
        let set = |hosts: &mut dyn Iterator<Item = usize>| {
            hosts.flat_map(ports).collect::<Vec<_>>().join(", ")
        };
        let mut text = String::from(
            "table bridge lab\ndelete table bridge lab\n\
             table bridge lab { chain f { type filter hook forward priority 0;\n",
        );
        let inside = set(&mut self.parted.iter().copied());
        let outside = set(&mut (0..hosts).filter(|host| !self.parted.contains(host)));
        if !inside.is_empty() && !outside.is_empty() {
            text += &format!("iifname {{ {inside} }} oifname {{ {outside} }} drop\n");
            text += &format!("iifname {{ {outside} }} oifname {{ {inside} }} drop\n");
        }
        for (&host, &loss) in &self.loss {
            let (which, percent) = match loss {
                Loss::Udp(percent) => ("ip6 nexthdr udp", percent),
                Loss::All(percent) => ("ether type ip6", percent),
            };
            for port in ports(host) {
                let random = format!("numgen random mod 100 < {percent}");
                text += &format!("oifname {port} {which} {random} drop\n");
            }
        }
        text + "}\n}\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_name_every_port() {
        let mut impairments = Impairments::default();
        impairments.loss.insert(1, Loss::Udp(20));
        impairments.parted.insert(0);
        let rules = impairments.rules(2, |_| vec![0, 2]);
        let expected = [
            "iifname { \"h0s0\", \"h0s2\" } oifname { \"h1s0\", \"h1s2\" } drop",
            "iifname { \"h1s0\", \"h1s2\" } oifname { \"h0s0\", \"h0s2\" } drop",
            "oifname \"h1s0\" ip6 nexthdr udp numgen random mod 100 < 20 drop",
            "oifname \"h1s2\" ip6 nexthdr udp numgen random mod 100 < 20 drop",
        ];
        for line in expected {
            assert!(rules.contains(line), "{line} not in {rules}");
        }
    }
}
