//! The tap: what the oracles may read of packets on the wire.
//!
//! It holds the realm's group key, so it sees which signed packet is which round of which
//! question. It does not open pairwise packets: for those, who sent them when is enough.

use lcast_proto::keys::sign::SignatureContext;
use lcast_proto::keys::{Credential, GroupKeys};
use lcast_proto::wire::frame::GroupFrame;
use lcast_proto::wire::header::{Header, PacketKind};
use lcast_proto::wire::id::{ChannelId, SenderId};

use crate::question::QuestionNumber;

/// Reads group packets.
pub(crate) struct Tap {
    keys: GroupKeys,
    control: ChannelId,
}

/// What a packet under way is, as far as the oracles care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Something else.
    #[default]
    None,
    /// A round of a question.
    Question(QuestionNumber, u16),
    /// A pairwise packet from a node to the asker of the only question it has heard from there.
    Answer(QuestionNumber),
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
