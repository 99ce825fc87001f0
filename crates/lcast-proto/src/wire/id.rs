//! The identifiers that packets, certificates and lists carry.
//!
//! All are opaque bytes of a fixed length. What they stand for is decided where they are made:
//! realm and node ids from public keys, sender ids at random for a node, channel ids from names.

use std::fmt;

/// Which realm: the first half of BLAKE3(authority's public key, realm name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealmId(pub [u8; 16]);

/// Which node, across restarts: BLAKE3 of its two public keys, cut to 16 bytes.
///
/// Displayed as its fingerprint, `ab12-...` in eight groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 16]);

/// Which running process of a node: nine bytes that are random at every start, and three that bind
/// them to the node. [SEC-3]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SenderId(pub [u8; 12]);

/// Which channel of a realm: part of what a packet's seal covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub [u8; 8]);

impl RealmId {
    /// The id of the realm with this name under this authority.
    pub fn derive(authority: &[u8; 32], name: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(authority).update(name.as_bytes());
        Self(first(&hasher.finalize()))
    }
}

impl NodeId {
    /// The id of the node with these public keys: [SEC-21].
    pub fn derive(signing: &[u8; 32], agreement: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(signing).update(agreement);
        Self(first(&hasher.finalize()))
    }
}

impl SenderId {
    /// The id of a process of this node that drew these bytes at random.
    pub fn of(node: &NodeId, drawn: [u8; 9]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("librecast 1 sender id");
        hasher.update(&node.0).update(&drawn);
        let mark: [u8; 3] = first(&hasher.finalize());
        let bytes = drawn.iter().chain(&mark).copied();
        let mut id = [0; 12];
        id.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
        Self(id)
    }

    /// Whether a process of this node may have it: nobody else's does, but for one in 2^24.
    pub fn belongs_to(&self, node: &NodeId) -> bool {
        *self == Self::of(node, std::array::from_fn(|index| self.0[index]))
    }
}

impl ChannelId {
    /// The id of the channel with this name in this realm.
    pub fn derive(realm: &RealmId, name: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("librecast 1 channel id");
        hasher.update(&realm.0).update(name.as_bytes());
        Self(first(&hasher.finalize()))
    }
}

/// The first bytes of a hash.
fn first<const LENGTH: usize>(hash: &blake3::Hash) -> [u8; LENGTH] {
    std::array::from_fn(|index| hash.as_bytes()[index])
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, pair) in self.0.chunks(2).enumerate() {
            if index > 0 {
                f.write_str("-")?;
            }
            for byte in pair {
                write!(f, "{byte:02x}")?;
            }
        }
        Ok(())
    }
}

macro_rules! display_hex {
    ($($name:ident),*) => {
        $(impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        })*
    };
}

display_hex!(RealmId, SenderId, ChannelId);

#[cfg(test)]
mod tests {
    use super::*;

    /// [SEC-3]
    #[test]
    fn sender_ids_belong_to_one_node() {
        let (own, other) = (NodeId([1; 16]), NodeId([2; 16]));
        let id = SenderId::of(&own, [7; 9]);
        assert!(id.belongs_to(&own) && !id.belongs_to(&other));
        for index in 0..12 {
            let mut changed = id;
            changed.0[index] ^= 1;
            assert!(!changed.belongs_to(&own), "byte {index} is free");
        }
    }

    #[test]
    fn ids_depend_on_every_input_and_print_as_hex() {
        let realm = RealmId::derive(&[1; 32], "prod");
        assert_ne!(realm, RealmId::derive(&[2; 32], "prod"));
        assert_ne!(realm, RealmId::derive(&[1; 32], "prod2"));
        assert_ne!(NodeId::derive(&[1; 32], &[2; 32]), NodeId::derive(&[2; 32], &[1; 32]));
        assert_ne!(ChannelId::derive(&realm, "control"), ChannelId::derive(&realm, "other"));
        assert_eq!(SenderId([0xab; 12]).to_string(), "ab".repeat(12));
        let fingerprint = NodeId([0xab; 16]).to_string();
        assert_eq!(fingerprint, ["abab"; 8].join("-"));
    }
}
