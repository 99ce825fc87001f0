//! Multicast groups: which IPv6 address carries which channel of a realm.
//!
//! A group id is 112 bits of a keyed hash, so that realms do not meet by chance and an outsider
//! cannot tell which realm a group is of. The top bit of the low 32 is set, which RFC 3307 gives
//! to dynamically assigned groups. [WIR-10]

use std::net::Ipv6Addr;

use crate::keys::credential::Scope;
use crate::wire::id::{RealmId, SenderId};
use crate::wire::watch::TopicId;

/// The channel that carries questions and beacons. [WIR-11]
pub const CONTROL: &str = "control";

/// The group of a channel.
pub fn address(realm: &RealmId, scope: Scope, channel: &str) -> Ipv6Addr {
    let mut hasher = blake3::Hasher::new_derive_key("librecast 1 group address");
    hasher.update(&realm.0).update(channel.as_bytes());
    let hash = hasher.finalize();
    let mut octets = [0; 16];
    octets[0] = 0xff;
    octets[1] = 0x10 | scope.nibble();
    octets[2..].copy_from_slice(&hash.as_bytes()[..14]);
    octets[12] |= 0x80;
    Ipv6Addr::from(octets)
}

/// The group by which replies reach an asking process from the third round on.
pub fn reply_address(realm: &RealmId, scope: Scope, asker: &SenderId) -> Ipv6Addr {
    address(realm, scope, &format!("reply/{asker}"))
}

/// The group by which changes reach those who watch the same.
pub fn watch_address(realm: &RealmId, scope: Scope, topic: &TopicId) -> Ipv6Addr {
    address(realm, scope, &format!("watch/{topic}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [WIR-10]
    #[test]
    fn groups_are_transient_of_the_scope_and_dynamic() {
        let realm = RealmId([7; 16]);
        let scopes = [
            (Scope::Host, 1),
            (Scope::Link, 2),
            (Scope::Site, 5),
            (Scope::Org, 8),
            (Scope::Global, 0xe),
        ];
        let mut hasher = blake3::Hasher::new_derive_key("librecast 1 group address");
        let hash = *hasher.update(&[7; 16]).update(b"control").finalize().as_bytes();
        let mut expected: [u8; 14] = std::array::from_fn(|index| hash[index]);
        expected[10] |= 0x80;
        for (scope, nibble) in scopes {
            let octets = address(&realm, scope, CONTROL).octets();
            assert_eq!(octets[..2], [0xff, 0x10 | nibble]);
            assert_eq!(octets[2..], expected);
            assert_eq!(octets[12] & 0x80, 0x80);
        }
        let other = RealmId([8; 16]);
        assert_ne!(address(&realm, Scope::Site, CONTROL), address(&other, Scope::Site, CONTROL));
        assert_ne!(address(&realm, Scope::Site, CONTROL), address(&realm, Scope::Site, "other"));
    }

    /// [WIR-11] [WAT-5]
    #[test]
    fn channels_have_the_names_that_the_specification_says() {
        let (realm, scope) = (RealmId([7; 16]), Scope::Site);
        assert_eq!(CONTROL, "control");
        let reply = reply_address(&realm, scope, &SenderId([0xab; 12]));
        assert_eq!(reply, address(&realm, scope, &format!("reply/{}", "ab".repeat(12))));
        let watch = watch_address(&realm, scope, &TopicId([0xcd; 8]));
        assert_eq!(watch, address(&realm, scope, &format!("watch/{}", "cd".repeat(8))));
    }
}
