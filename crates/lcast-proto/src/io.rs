//! Everything that crosses the boundary of the core: what goes in, what comes out.
//!
//! The shell turns sockets, clocks and files into [`Input`]s and carries out [`Output`]s. The
//! drive contract is in [`Endpoint`](crate::endpoint::Endpoint).

use std::net::{Ipv6Addr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use crate::keys::members::MemberList;
use crate::opened::Opened;
use crate::presence::Presence;
use crate::question::report::{Reply, Report, SetResult};
use crate::question::watching::WatchEvent;
use crate::question::{Ask, AskError, QuestionId, SampleId, SetId, SetOrder, Wanted};
use crate::variable::Schema;
use crate::wire::id::SenderId;

/// What the shell tells the core.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram arrived.
    Datagram(Datagram<'a>),
    /// A GROUP packet arrived that was opened already, for other endpoints of this program.
    Opened(Datagram<'a>, &'a Opened),
    /// The links of the realm, at start and whenever one changes.
    Links(Vec<Link>),
    /// There is no route to this address, which was sent to.
    Unreachable(SocketAddrV6),
    /// Datagrams were lost in this host's receive buffers: so many since the last such input.
    Overrun(u32),
    /// Ask or tell the fleet; the answer is [`Event`]s with this id.
    Ask(QuestionId, Box<Ask>),
    /// Give up a question: its report comes at once, with what has arrived. A watch ends.
    Cancel(QuestionId),
    /// Measure round trips by unicast to a node that was heard; [`Event::Pong`] answers.
    Ping(String),
    /// The values asked for by [`Event::Sample`] are as fresh as they get.
    Sampled(SampleId),
    /// The outcome of [`Event::Set`].
    SetDone(SetId, Vec<SetResult>),
    /// A member list that the shell came by; taken when it is newer than the one held.
    Members(MemberList),
    /// Say goodbye to the realm. The packets come out at once.
    Leave,
}

/// What the core tells the shell.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Transmit(Transmit),
    /// Join this group on every link.
    Join(Ipv6Addr),
    /// Leave this group on every link.
    Leave(Ipv6Addr),
    /// Something happened.
    Event(Event),
}

/// One datagram from the network.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Where it came from.
    pub from: SocketAddrV6,
    /// The own unicast address it was sent to, or came in at when it was sent to a group.
    pub local: SocketAddrV6,
    /// Whether it was sent to a multicast group.
    pub multicast: bool,
    /// How long it has waited to be taken, as far as that is known.
    pub waited: Duration,
    /// The payload.
    pub bytes: &'a [u8],
}

/// One datagram to the network.
#[derive(Clone, Debug)]
pub struct Transmit {
    /// Where to.
    pub to: Destination,
    /// The own address to send from; `None` for the one that fits the destination.
    pub source: Option<SocketAddrV6>,
    /// The payload, at most [`PACKET_MAX`](crate::wire::header::PACKET_MAX) bytes.
    pub bytes: Arc<[u8]>,
}

/// Where a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// To a multicast group, out of every link.
    Group(Ipv6Addr),
    /// To one address.
    Unicast(SocketAddrV6),
    /// To every neighbour that the kernel knows on the links, at the realm's port (bounded by the
    /// shell). Opens stateful firewalls and wakes neighbour discovery.
    Neighbours,
}

/// A network interface of the realm, as the core needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's interface index.
    pub index: u32,
    /// Addresses and ports that this node's unicast sockets are bound to here, the one that
    /// multicast leaves from first.
    pub addresses: Vec<SocketAddrV6>,
    /// Whether it reaches others by multicast; if not, the shell fans out to known nodes.
    pub multicast: bool,
}

/// Something that the shell or its user wants to know.
#[derive(Debug)]
pub enum Event {
    /// A node's reply to a question: each node at most once.
    Reply(QuestionId, Reply),
    /// The schema behind replies to a [`Verb::Schema`](crate::question::Verb::Schema) question:
    /// node and definitions.
    Schema(QuestionId, String, Arc<Schema>),
    /// A question has ended; nothing more comes for it.
    Done(QuestionId, Report),
    /// What a watch has to say; it goes on after [`Event::Done`], until [`Input::Cancel`].
    Watch(QuestionId, WatchEvent),
    /// A question could not be asked.
    Failed(QuestionId, AskError),
    /// A unicast ping came back after so long.
    Pong(String, Duration),
    /// Values are wanted that the shell samples on demand: refresh what these patterns and names
    /// touch by [`Endpoint::change`](crate::endpoint::Endpoint::change), then send
    /// [`Input::Sampled`].
    Sample(SampleId, Wanted),
    /// Store these settings, then send [`Input::SetDone`].
    Set(SetId, SetOrder),
    /// A newer member list is in force; the shell keeps it.
    Members(MemberList),
    /// A schema was learned; the shell may keep it for later processes.
    SchemaLearned([u8; 16], Arc<Schema>),
    /// The presence of another member has changed, or an agent was started again, or two processes
    /// of it were found alive at once.
    Presence(Presence),
    /// Another live process announces itself with this agent's certificate; told once a minute.
    Duplicate(SenderId),
    /// Something at this address sends packets of a newer version of the protocol, this one. Nobody
    /// has signed that: it is told once of an address, and once a minute. [SEC-4]
    NewerVersion(SocketAddrV6, u8),
    /// Others say that they hold a newer member list, and several fetches of it in a row drew no
    /// answer: the list likely forgets this node. Told once until a list is installed. [SEC-34]
    Unheard,
}
