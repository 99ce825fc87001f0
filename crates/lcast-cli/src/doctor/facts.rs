//! What is known of this host and its realm: gathered by `local` and by asking, judged by
//! `diagnose`. Plain data, so that every judgement can be tested without a network.

use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use lcast_net::interfaces::{Interface, Selection};
use lcast_proto::keys::Scope;
use lcast_proto::time::Timestamp;

use super::cause::Cause;
use super::refused::RefusedFacts;
use super::runtime::RuntimeFacts;

/// Everything that a diagnosis looks at.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// What the realm wants of this host.
    pub(crate) realm: RealmFacts,
    /// The host.
    pub(crate) host: HostFacts,
    /// The credential; none when there is none to be had.
    pub(crate) credential: Option<CredentialFacts>,
    /// Why the client's credential that is here is not the one that is used.
    pub(crate) refused: Option<RefusedFacts>,
    /// What came of asking; none when nothing was asked.
    pub(crate) asked: Option<AskedFacts>,
}

/// Where a realm lives.
#[derive(Clone, Debug)]
pub(crate) struct RealmFacts {
    /// Its name.
    pub(crate) name: String,
    /// How far its packets go.
    pub(crate) scope: Scope,
    /// Its UDP port.
    pub(crate) port: u16,
    /// Which interfaces it uses.
    pub(crate) interfaces: Selection,
    /// The group of questions; none without a credential.
    pub(crate) group: Option<Ipv6Addr>,
    /// How many agents it expects.
    pub(crate) agents: usize,
}

impl RealmFacts {
    /// Whether routers may forward the realm's packets.
    pub(crate) fn is_routed(&self) -> bool {
        match self.scope {
            Scope::Host | Scope::Link => false,
            Scope::Site | Scope::Org | Scope::Global => true,
        }
    }
}

/// This host.
#[derive(Clone, Debug)]
pub(crate) struct HostFacts {
    /// Whether this process may change things, so that commands need no `sudo`.
    pub(crate) root: bool,
    /// Whether the kernel has IPv6.
    pub(crate) ipv6: bool,
    /// Whether IPv6 is switched off for all interfaces at once.
    pub(crate) all_disabled: bool,
    /// All interfaces.
    pub(crate) interfaces: Vec<InterfaceFacts>,
    /// Whether no socket can be had for the realm's group: another program holds the port.
    pub(crate) group_taken: bool,
    /// The sockets at the realm's port.
    pub(crate) holders: Vec<Holder>,
    /// The receive buffer that a socket is granted, in the kernel's counting.
    pub(crate) receive_buffer: usize,
    /// What an ordinary user's socket may ask for at most (`net.core.rmem_max`), where that can be
    /// read.
    pub(crate) receive_buffer_max: Option<usize>,
    /// What manages this host's firewall.
    pub(crate) firewall: Firewall,
    /// The user's runtime folder, where it is not the user's own.
    pub(crate) runtime: Option<RuntimeFacts>,
}

/// An interface.
#[derive(Clone, Debug)]
pub(crate) struct InterfaceFacts {
    /// As the kernel describes it.
    pub(crate) interface: Interface,
    /// Whether IPv6 is switched off on it.
    pub(crate) disabled: bool,
    /// Whether it makes no link-local address of its own (`addr_gen_mode`).
    pub(crate) generates_none: bool,
    /// Whether multicast to the realm's group has a route out of it.
    pub(crate) route: bool,
    /// How many MLD queries came in by it since it came up.
    pub(crate) queries: u64,
    /// Whether it is a bridge that snoops MLD.
    pub(crate) snoops: bool,
    /// Whether a firewall of this host forbids multicast to the realm's port by it. A rule that
    /// names the realm's groups is not met: what is tried goes to one of this node alone.
    pub(crate) forbids: bool,
}

/// A socket at the realm's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The address it is bound to.
    pub(crate) address: Ipv6Addr,
    /// The process, when it can be seen.
    pub(crate) process: Option<Process>,
    /// The user it belongs to.
    pub(crate) user: u32,
    /// Datagrams that the kernel dropped because its receive buffer was full.
    pub(crate) drops: u64,
    /// Its receive buffer in the kernel's counting; known of who lost something.
    pub(crate) receive_buffer: Option<usize>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: i32,
    /// The name of its program.
    pub(crate) program: String,
    /// The systemd unit that it runs in.
    pub(crate) unit: Option<String>,
    /// What starts it again as this user, when it is this user's.
    pub(crate) again: Option<String>,
}

/// What manages this host's firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Firewall {
    /// nftables, or nothing that is known.
    Nft,
    /// firewalld.
    Firewalld,
    /// ufw.
    Ufw,
}

/// The credential in use.
#[derive(Clone, Debug)]
pub(crate) struct CredentialFacts {
    /// Whom it names.
    pub(crate) name: String,
    /// Whether it is a client's.
    pub(crate) client: bool,
    /// Its roles.
    pub(crate) roles: Vec<String>,
    /// Its labels.
    pub(crate) labels: Vec<(String, String)>,
    /// When it ends.
    pub(crate) not_after: Timestamp,
    /// This host's clock.
    pub(crate) wall: Timestamp,
    /// The folder of the realm.
    pub(crate) folder: Option<PathBuf>,
    /// Whether the realm's authority key is on this host.
    pub(crate) authority: bool,
}

/// What came of asking.
#[derive(Clone, Debug, Default)]
pub(crate) struct AskedFacts {
    /// The agents that are expected.
    pub(crate) agents: Vec<AgentFacts>,
    /// Packets that the host received and gave to nobody while multicast alone was asked, less what
    /// it gave to nobody in the same time when nothing was asked; where nobody answers, the least
    /// of two questions, less the most of two pauses, and without the questions themselves, which
    /// come in as well.
    pub(crate) undelivered: u64,
    /// Whether this host does not hear what it says to itself, as far as that was looked at: where
    /// nobody of other hosts answers.
    pub(crate) deaf_to_itself: bool,
    /// How far an earlier command's clock was ahead of this one's, where it was by no more than a
    /// minute: the clock was set back.
    pub(crate) set_back: Option<Duration>,
    /// Whether the kernel tracked connections meanwhile, as it does for stateful firewalls alone.
    pub(crate) tracked: bool,
    /// Whether it was listened for so long that every agent which is not heard, though multicast
    /// reaches it, announced itself several times.
    pub(crate) listened_long: bool,
    /// Whether this host heard the realm's group before the question: the switch may have
    /// forgotten it since.
    pub(crate) joined_before: bool,
    /// Those that spoke with a credential that the realm has forgotten.
    pub(crate) forgotten: Vec<ForgottenFacts>,
    /// Datagrams of other realms that came to the realm's port.
    pub(crate) other_realm: u64,
    /// Datagrams lost in this process's receive buffers.
    pub(crate) overflow: u64,
    /// Copies of questions to groups that this host's firewall forbade.
    pub(crate) forbidden_multicast: u64,
    /// Copies of questions to one agent that it forbade.
    pub(crate) forbidden_unicast: u64,
}

/// Who speaks with a credential that the realm has forgotten.
#[derive(Clone, Debug)]
pub(crate) struct ForgottenFacts {
    /// Its name.
    pub(crate) name: String,
    /// Whether the name was issued again.
    pub(crate) replaced: bool,
    /// Whether it is a client's.
    pub(crate) client: bool,
    /// Its roles, as far as the member list knows them.
    pub(crate) roles: Vec<String>,
    /// Its labels, as far as the member list knows them.
    pub(crate) labels: Vec<(String, String)>,
}

/// An agent, as it is reached from here.
#[derive(Clone, Debug, Default)]
pub(crate) struct AgentFacts {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is on this host: it comes in by the loopback, whatever a firewall drops.
    pub(crate) here: bool,
    /// The port that it is reached at: its own where another of its host has the realm's.
    pub(crate) port: Option<u16>,
    /// Whether it answered a question that went by multicast alone.
    pub(crate) by_multicast: bool,
    /// Whether it answered such a question only when that came from the realm's port.
    pub(crate) by_port_only: bool,
    /// Whether it answered a question that went by unicast alone, or a ping.
    pub(crate) by_unicast: bool,
    /// Whether it was heard by multicast while this went on.
    pub(crate) heard: bool,
    /// Whether other agents heard it while this went on.
    pub(crate) elsewhere: bool,
    /// How far its clock is ahead of this host's, in milliseconds.
    pub(crate) clock_ms: Option<i64>,
    /// Whether two processes speak in its name.
    pub(crate) duplicate: bool,
    /// Its roles.
    pub(crate) roles: Vec<String>,
    /// Its labels.
    pub(crate) labels: Vec<(String, String)>,
    /// The round trip by unicast.
    pub(crate) trip: Option<Duration>,
    /// What it finds on its own host that keeps packets off, and the command that looks closer
    /// there: asked of those between which and this host multicast does not pass.
    pub(crate) finds: Vec<(Cause, String)>,
}

impl AgentFacts {
    /// Whether a packet of it came in from elsewhere that nothing from here had called for at that
    /// address: the answer to a question by multicast, at a port that no firewall knew, or
    /// multicast.
    pub(crate) fn came_unasked(&self) -> bool {
        !self.here && (self.heard || (self.by_multicast && !self.by_port_only))
    }

    /// Whether it answered, however it was asked.
    pub(crate) fn answered(&self) -> bool {
        self.by_multicast || self.by_unicast
    }

    /// Whether it answers, and multicast does not get through in both directions.
    pub(crate) fn is_cut_off(&self) -> bool {
        !self.here && self.answered() && !(self.by_multicast && self.heard)
    }

    /// Whether nothing at all was heard of it.
    pub(crate) fn is_silent(&self) -> bool {
        !(self.answered() || self.heard)
    }
}
