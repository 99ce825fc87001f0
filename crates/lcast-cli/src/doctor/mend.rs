//! The commands that mend things, exactly as they are to be typed.

use std::collections::BTreeSet;

use super::facts::Firewall;

/// A command that needs root: as it stands for root, else by `sudo`.
pub(super) fn as_root(root: bool, command: &str) -> String {
    steps_as_root(root, &[command])
}

/// Commands that need root, each where the one before it succeeded.
pub(super) fn steps_as_root(root: bool, steps: &[&str]) -> String {
    let sudo = if root { "" } else { "sudo " };
    let steps: Vec<String> = steps.iter().map(|step| format!("{sudo}{step}")).collect();
    steps.join(" && ")
}

/// A word as the shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "=._-/:".contains(char);
    if word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Sets a value of the kernel's.
pub(super) fn sysctl(root: bool, name: &str, value: usize) -> String {
    as_root(root, &format!("sysctl -w {name}={value}"))
}

/// A setting of an interface in the name space of sysctl(8), where dots separate, as the shell
/// takes it.
pub(super) fn of_interface(interface: &str, setting: &str) -> String {
    quoted(&format!("net.ipv6.conf.{}.{setting}", interface.replace('.', "/")))
}

/// Lets the packets of a realm into this host: questions to these ports, answers from them; and
/// what its programs send to each other.
pub(super) fn open_input(root: bool, firewall: Firewall, ports: &Ports) -> String {
    match firewall {
        Firewall::Nft => insert_rules(root, "inet|ip6", "input", &ports.rules("iif lo")),
        Firewall::Firewalld => {
            let add = format!("firewall-cmd --permanent {}", ports.firewalld());
            steps_as_root(root, &[&add, "firewall-cmd --reload"])
        }
        Firewall::Ufw => {
            let ports = ports.list();
            let questions = format!("ufw allow proto udp to any port {ports}");
            let answers = format!("ufw allow proto udp from any port {ports}");
            steps_as_root(root, &[&questions, &answers])
        }
    }
}

/// Lets the packets of a realm out of this host: questions to these ports, answers from them; and
/// what multicast, neighbours and programs of this host need, where nothing but rules makes a
/// firewall.
pub(super) fn open_output(root: bool, firewall: Firewall, ports: &Ports) -> String {
    match firewall {
        Firewall::Nft => {
            let mut rules = ports.rules("oif lo");
            rules.push("meta l4proto ipv6-icmp".to_owned());
            insert_rules(root, "inet|ip6", "output", &rules)
        }
        Firewall::Firewalld => {
            let name = format!("librecast-{}", ports.realm);
            let policy = format!("firewall-cmd --permanent --policy {name}");
            // It is there where an earlier command made it, for other ports.
            let new = as_root(root, &format!("firewall-cmd --permanent --new-policy {name}"));
            let steps = [
                format!("{policy} --add-ingress-zone HOST"),
                format!("{policy} --add-egress-zone ANY"),
                format!("{policy} {}", ports.firewalld()),
                "firewall-cmd --reload".to_owned(),
            ];
            format!("{new}; {}", steps_as_root(root, &steps.each_ref().map(String::as_str)))
        }
        Firewall::Ufw => {
            let ports = ports.list();
            let questions = format!("ufw allow out proto udp to any port {ports}");
            let answers = format!("ufw allow out proto udp from any port {ports}");
            steps_as_root(root, &[&questions, &answers])
        }
    }
}

/// The ports of a realm's packets: its own, and those of agents that another on their host keeps
/// from it.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    realm: u16,
    others: BTreeSet<u16>,
}

/// Ports that a command names beside the realm's: ufw takes 15 in all.
const OTHER_PORTS_MAX: usize = 14;

impl Ports {
    /// The realm's port, and those of these agents.
    pub(super) fn of(realm: u16, agents: impl IntoIterator<Item = u16>) -> Self {
        let others: BTreeSet<u16> = agents.into_iter().filter(|it| *it != realm).collect();
        Self { realm, others: others.into_iter().take(OTHER_PORTS_MAX).collect() }
    }

    fn all(&self) -> Vec<String> {
        std::iter::once(&self.realm).chain(&self.others).map(u16::to_string).collect()
    }

    fn list(&self) -> String {
        self.all().join(",")
    }

    /// Rules of nftables, with the one for the loopback.
    fn rules(&self, loopback: &str) -> Vec<String> {
        let ports = match self.all().as_slice() {
            [one] => one.clone(),
            several => format!("{{ {} }}", several.join(", ")),
        };
        vec![format!("udp dport {ports}"), format!("udp sport {ports}"), loopback.to_owned()]
    }

    fn firewalld(&self) -> String {
        let option = |port: &String| format!("--add-port={port}/udp --add-source-port={port}/udp");
        self.all().iter().map(option).collect::<Vec<_>>().join(" ")
    }
}

/// Lets the multicast of a realm through a bridge or router that runs Linux.
pub(super) fn open_forward(root: bool, port: u16) -> String {
    let rules = [format!("ip6 daddr ff00::/8 udp dport {port}")];
    insert_rules(root, "bridge|inet|ip6", "forward", &rules)
}

/// Lets programs of this host speak to each other, whatever their ports are: by the loopback, and
/// by groups whose packets no interface sends. What manages a firewall lets that through itself, so
/// these are rules of somebody else's.
pub(super) fn open_loopback(root: bool) -> String {
    let rules = |way: &str| [format!("{way} lo"), "ip6 daddr ff11::/16".to_owned()];
    let input = insert_rules(root, "inet|ip6", "input", &rules("iif"));
    let output = insert_rules(root, "inet|ip6", "output", &rules("oif"));
    format!("{input} && {output}")
}

/// Puts rules first in every chain of a hook: a chain of their own would not do, since a packet
/// that one chain accepts can still be dropped by the next.
fn insert_rules(root: bool, families: &str, hook: &str, rules: &[String]) -> String {
    let sudo = if root { "" } else { "sudo " };
    let printed: Vec<String> = rules
        .iter()
        .map(|rule| format!(r#"print "insert rule " t " " c " {rule} accept""#))
        .collect();
    let printed = printed.join("; ");
    format!(
        "{sudo}nft list chains | awk '/^table/ {{t = $2 \" \" $3}} $1 == \"chain\" {{c = $2}} \
         /hook {hook}/ && t ~ /^({families}) / {{{printed}}}' | {sudo}nft -f -"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_as_they_are_typed() {
        assert_eq!(steps_as_root(true, &["a", "b"]), "a && b");
        assert_eq!(steps_as_root(false, &["a", "b"]), "sudo a && sudo b");
        assert_eq!(
            sysctl(true, &of_interface("$(id)", "disable_ipv6"), 0),
            "sysctl -w 'net.ipv6.conf.$(id).disable_ipv6'=0"
        );
        assert_eq!(
            sysctl(false, &of_interface("eth0.7", "disable_ipv6"), 0),
            "sudo sysctl -w net.ipv6.conf.eth0/7.disable_ipv6=0"
        );
        let ports = Ports::of(7000, [7000]);
        let expected = "nft list chains | awk '/^table/ {t = $2 \" \" $3} $1 == \"chain\" \
                        {c = $2} /hook input/ && t ~ /^(inet|ip6) / {print \"insert rule \" t \" \
                        \" c \" udp dport 7000 accept\"; print \"insert rule \" t \" \" c \" udp \
                        sport 7000 accept\"; print \"insert rule \" t \" \" c \" iif lo accept\"}' \
                        | nft -f -";
        assert_eq!(open_input(true, Firewall::Nft, &ports), expected);
        let several = Ports::of(7000, [4000, 7000, 4000]);
        assert!(open_input(true, Firewall::Nft, &several).contains(" udp sport { 7000, 4000 } "));
        assert_eq!(
            open_input(false, Firewall::Ufw, &ports),
            "sudo ufw allow proto udp to any port 7000 && \
             sudo ufw allow proto udp from any port 7000"
        );
        assert_eq!(
            open_output(true, Firewall::Ufw, &several),
            "ufw allow out proto udp to any port 7000,4000 && \
             ufw allow out proto udp from any port 7000,4000"
        );
        assert_eq!(Ports::of(7000, 1..100).all().len(), 15);
        assert!(open_output(true, Firewall::Nft, &ports).contains("/hook output/"));
        let again = "sudo firewall-cmd --permanent --new-policy librecast-7000; sudo firewall-cmd ";
        assert!(open_output(false, Firewall::Firewalld, &ports).starts_with(again));
        assert!(open_output(true, Firewall::Firewalld, &ports).ends_with(
            "--policy librecast-7000 --add-port=7000/udp --add-source-port=7000/udp && \
             firewall-cmd --reload"
        ));
    }
}
