//! The header that every packet begins with, in clear.
//!
//! Layout (`docs/spec/security.md`, "Packets"): version and type, flags, key id, sender id, packet
//! number; 26 bytes, big endian. The whole header is associated data of the seal. Not for what
//! follows the header: that is ciphertext, see [`keys::seal`](crate::keys::seal).

pub use super::id::SenderId;

/// Length of a header in bytes.
pub const HEADER_LEN: usize = 26;
/// Longest sealed packet in bytes, header and tag included: fits every path without fragments.
/// [SEC-2]
pub const PACKET_MAX: usize = 1152;
/// The major version of the packet format.
pub const VERSION: u8 = 1;

/// How a packet is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PacketKind {
    /// Group key over certificate and frame, then signed.
    Group,
    /// Pairwise key over a frame.
    Pair,
    /// Group key over a certificate and an inner pairwise ciphertext.
    Intro,
}

/// The header of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// How the packet is sealed.
    pub kind: PacketKind,
    /// For a pairwise packet: whether the sender is the one whose session key was announced.
    pub announcer_is_sender: bool,
    /// Which epoch's secret the packet is sealed under.
    pub key_id: u32,
    /// Which process sent it.
    pub sender: SenderId,
    /// The sender's count of packets; never used twice.
    pub number: u64,
}

/// Why bytes are no packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Shorter than a header or longer than a packet may be.
    #[error("{0} bytes are no packet: it has {HEADER_LEN} to {PACKET_MAX}")]
    Length(usize),
    /// A newer major version.
    #[error("a packet of version {0}; this program speaks version {VERSION}: update it")]
    NewerVersion(u8),
    /// Version zero, which no program speaks.
    #[error("a packet of version 0")]
    Version,
    /// A type that this version does not have.
    #[error("a packet of unknown type {0}")]
    Kind(u8),
    /// Flags that this version does not have.
    #[error("a packet with unknown flags {0:#04x}")]
    Flags(u8),
}

impl PacketKind {
    const fn code(self) -> u8 {
        match self {
            Self::Group => 0,
            Self::Pair => 1,
            Self::Intro => 2,
        }
    }
}

impl Header {
    /// The header as bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = VERSION << 4 | self.kind.code();
        bytes[1] = u8::from(self.announcer_is_sender);
        bytes[2..6].copy_from_slice(&self.key_id.to_be_bytes());
        bytes[6..18].copy_from_slice(&self.sender.0);
        bytes[18..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// The header of a packet, in its only form: [SEC-1].
    ///
    /// # Errors
    /// When the length, version, type or flags are none that a packet may have.
    pub fn parse(packet: &[u8]) -> Result<Self, HeaderError> {
        if packet.len() > PACKET_MAX {
            return Err(HeaderError::Length(packet.len()));
        }
        let Some(bytes) = packet.first_chunk::<HEADER_LEN>() else {
            return Err(HeaderError::Length(packet.len()));
        };
        match bytes[0] >> 4 {
            VERSION => {}
            0 => return Err(HeaderError::Version),
            newer => return Err(HeaderError::NewerVersion(newer)),
        }
        let kind = match bytes[0] & 0x0f {
            0 => PacketKind::Group,
            1 => PacketKind::Pair,
            2 => PacketKind::Intro,
            unknown => return Err(HeaderError::Kind(unknown)),
        };
        let pairwise = matches!(kind, PacketKind::Pair | PacketKind::Intro);
        if bytes[1] > u8::from(pairwise) {
            return Err(HeaderError::Flags(bytes[1]));
        }
        Ok(Self {
            kind,
            announcer_is_sender: bytes[1] == 1,
            key_id: u32::from_be_bytes(std::array::from_fn(|index| bytes[2 + index])),
            sender: SenderId(std::array::from_fn(|index| bytes[6 + index])),
            number: u64::from_be_bytes(std::array::from_fn(|index| bytes[18 + index])),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: PacketKind) -> Header {
        Header {
            kind,
            announcer_is_sender: kind == PacketKind::Pair,
            key_id: 0x0102_0304,
            sender: SenderId(std::array::from_fn(|index| 0xa0 + u8::try_from(index).unwrap())),
            number: 0x1112_1314_1516_1718,
        }
    }

    #[test]
    fn headers_survive_the_wire() {
        for kind in [PacketKind::Group, PacketKind::Pair, PacketKind::Intro] {
            let header = header(kind);
            assert_eq!(Header::parse(&header.encode()), Ok(header));
        }
        let bytes = header(PacketKind::Pair).encode();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "110101020304a0a1a2a3a4a5a6a7a8a9aaab1112131415161718");
    }

    fn check(change: impl Fn(&mut Vec<u8>), expected: HeaderError) {
        let mut packet = header(PacketKind::Group).encode().to_vec();
        change(&mut packet);
        assert_eq!(Header::parse(&packet), Err(expected));
    }

    /// [SEC-1]
    #[test]
    fn what_is_no_packet_is_refused() {
        check(|packet| packet.truncate(25), HeaderError::Length(25));
        check(|packet| packet.clear(), HeaderError::Length(0));
        check(|packet| packet.resize(PACKET_MAX + 1, 0), HeaderError::Length(PACKET_MAX + 1));
        check(|packet| packet[0] = 0x20, HeaderError::NewerVersion(2));
        check(|packet| packet[0] = 0x00, HeaderError::Version);
        check(|packet| packet[0] = 0x13, HeaderError::Kind(3));
        check(|packet| packet[1] = 0x01, HeaderError::Flags(1));
        check(|packet| packet[..2].copy_from_slice(&[0x11, 0x02]), HeaderError::Flags(2));
        let mut longest = header(PacketKind::Group).encode().to_vec();
        longest.resize(PACKET_MAX, 0);
        assert!(Header::parse(&longest).is_ok());
    }
}
