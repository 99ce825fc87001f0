//! The tap: what the oracles may read of packets on the wire.
//!
//! It holds the realm's group key, so it sees which signed packet is which round of which
//! question; and as the world knows every process's session key, it can read replies to an asker.

use lcast_proto::keys::seal::{Pair, PairSenders};
use lcast_proto::keys::sign::SignatureContext;
use lcast_proto::keys::{Credential, GroupKeys, SessionKey};
use lcast_proto::random::Random;
use lcast_proto::wire::frame::{GroupFrame, PairFrame};
use lcast_proto::wire::header::{Header, PacketKind};
use lcast_proto::wire::id::{ChannelId, NodeId, SenderId};

use crate::question::QuestionNumber;

/// Reads group packets.
pub(crate) struct Tap {
    keys: GroupKeys,
    control: ChannelId,
}

/// The secrets of a process that asks, or lies.
pub(crate) struct Asker {
    pub(crate) sender: SenderId,
    pub(crate) session: SessionKey,
}

/// A process at one end of a pairwise packet, with its credential.
pub(crate) type Party<'a> = (&'a Credential, &'a Asker);

impl Asker {
    /// The process that an endpoint of this node with this seed becomes: it draws its sender id,
    /// then its session key.
    pub(crate) fn new(node: &NodeId, seed: [u8; 32]) -> Self {
        let mut random = Random::from_seed(seed);
        let sender = SenderId::of(node, random.bytes());
        let session = SessionKey::from_seed(random.bytes()).expect("any seed makes a session key");
        Self { sender, session }
    }
}

/// What a packet under way is, as far as the oracles care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Something else.
    #[default]
    None,
    /// A round of a question.
    Question(QuestionNumber, u16),
    /// The reply to a question.
    Answer(QuestionNumber),
    /// What may go to the address of somebody outside: something sealed for a lying member, or the
    /// end of a question.
    Excused,
}

impl Tap {
    /// A tap for the realm of this credential.
    pub(crate) fn new(credential: &Credential) -> Self {
        let realm = credential.realm();
        // A process that does not exist: the tap only opens.
        let nobody = SenderId([0xff; 12]);
        let keys = GroupKeys::new(realm, &credential.epoch().secret, nobody);
        Self { keys, control: ChannelId::derive(realm, "control") }
    }

    /// How a packet is sealed, if it is one.
    pub(crate) fn kind(bytes: &[u8]) -> Option<PacketKind> {
        Header::parse(bytes).ok().map(|header| header.kind)
    }

    /// What a packet from one process says to another, with the session key of either; nothing
    /// when it is sealed for somebody else.
    pub(crate) fn said(
        &mut self,
        bytes: &[u8],
        from: Party<'_>,
        to: Party<'_>,
    ) -> Option<PairFrame> {
        let header = Header::parse(bytes).ok()?;
        let pair = if header.announcer_is_sender {
            let senders = PairSenders { announcer: header.sender, node: to.1.sender };
            let key = to.0.agreement_key();
            Pair::node(to.0.realm(), key, from.1.session.public(), senders).ok()?
        } else {
            let senders = PairSenders { announcer: to.1.sender, node: header.sender };
            let key = from.0.agreement_key().public();
            Pair::announcer(from.0.realm(), &to.1.session, key, senders).ok()?
        };
        let mut packet = bytes.to_vec();
        let frame = match header.kind {
            PacketKind::Group => return None,
            PacketKind::Pair => pair.open(&header, &self.control, &mut packet).ok()?,
            PacketKind::Intro => {
                let plaintext = self.keys.open(&header, &self.control, &mut packet).ok()?;
                let (length, rest) = plaintext.split_first_chunk_mut::<2>()?;
                let inner = rest.get_mut(usize::from(u16::from_be_bytes(*length))..)?;
                pair.open_inner(&header, &self.control, inner).ok()?
            }
        };
        PairFrame::decode(frame).ok()
    }

    /// The frame in a group packet of the control channel.
    pub(crate) fn frame(&mut self, bytes: &[u8]) -> Option<GroupFrame> {
        self.open(bytes)?.1
    }

    /// The certificate in a packet of the control channel that carries one, and its frame when it
    /// is a group packet.
    pub(crate) fn open(&mut self, bytes: &[u8]) -> Option<(Vec<u8>, Option<GroupFrame>)> {
        let header = Header::parse(bytes).ok().filter(|it| it.kind != PacketKind::Pair)?;
        let mut packet = bytes.to_vec();
        let plaintext = self.keys.open(&header, &self.control, &mut packet).ok()?;
        let (length, rest) = plaintext.split_first_chunk::<2>()?;
        let (certificate, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let frame = match header.kind {
            PacketKind::Group => {
                let (frame, _) = SignatureContext::split(rest).ok()?;
                GroupFrame::decode(frame).ok()
            }
            PacketKind::Pair | PacketKind::Intro => None,
        };
        Some((certificate.to_vec(), frame))
    }
}
