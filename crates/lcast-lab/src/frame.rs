//! Ethernet frames as a capture sees them, and packets made by hand for injection.

use std::net::{Ipv6Addr, SocketAddrV6};

const ETHERNET_LEN: usize = 14;
const IPV6_LEN: usize = 40;
const UDP_LEN: usize = 8;
const UDP: u8 = 17;

/// One captured frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Nanoseconds since the Unix epoch when the capture read it.
    pub at_ns: u64,
    /// The whole frame.
    pub bytes: Vec<u8>,
}

/// The UDP datagram inside an IPv6 frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Where it came from.
    pub source: SocketAddrV6,
    /// Where it goes.
    pub destination: SocketAddrV6,
    /// Its hop limit.
    pub hop_limit: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The sender's hardware address.
    #[must_use]
    pub fn source_mac(&self) -> [u8; 6] {
        self.mac(6)
    }

    /// The receiver's hardware address.
    #[must_use]
    pub fn destination_mac(&self) -> [u8; 6] {
        self.mac(0)
    }

    fn mac(&self, at: usize) -> [u8; 6] {
        let mut mac = [0; 6];
        if let Some(bytes) = self.bytes.get(at..at + 6) {
            mac.copy_from_slice(bytes);
        }
        mac
    }

    /// The datagram, when the frame holds an unfragmented IPv6 UDP datagram.
    #[must_use]
    pub fn datagram(&self) -> Option<Datagram> {
        if self.bytes.get(12..ETHERNET_LEN)? != [0x86, 0xdd] {
            return None;
        }
        Datagram::parse(&self.bytes[ETHERNET_LEN..])
    }

    /// The groups that an MLDv2 report (RFC 3810 section 5.2) in this frame names.
    #[must_use]
    pub fn reported_groups(&self) -> Vec<Ipv6Addr> {
        const REPORT: u8 = 143;
        const HOP_BY_HOP_LEN: usize = 8;
        let icmp = ETHERNET_LEN + IPV6_LEN + HOP_BY_HOP_LEN;
        if self.bytes.get(20) != Some(&0) || self.bytes.get(icmp) != Some(&REPORT) {
            return Vec::new();
        }
        let mut groups = Vec::new();
        let mut rest = self.bytes.get(icmp + 8..).unwrap_or_default();
        while let Some((record, after)) = rest.split_at_checked(20) {
            let group: [u8; 16] = record[4..].try_into().expect("16 bytes");
            groups.push(Ipv6Addr::from(group));
            let sources = usize::from(u16::from_be_bytes([record[2], record[3]]));
            let auxiliary = 4 * usize::from(record[1]);
            rest = after.get(16 * sources + auxiliary..).unwrap_or_default();
        }
        groups
    }

    /// Whether the frame is a fragment of an IPv6 packet.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        self.bytes.get(12..ETHERNET_LEN) == Some(&[0x86, 0xdd]) && self.bytes.get(20) == Some(&44)
    }
}

impl Datagram {
    /// Reads an IPv6 packet that holds UDP directly.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        if packet.len() < IPV6_LEN + UDP_LEN || packet[0] >> 4 != 6 || packet[6] != UDP {
            return None;
        }
        let address = |at: usize| {
            let bytes: [u8; 16] = packet[at..at + 16].try_into().expect("16 bytes");
            Ipv6Addr::from(bytes)
        };
        let port = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        let len = usize::from(port(IPV6_LEN + 4));
        let end = if len == 0 { packet.len() } else { (IPV6_LEN + len).min(packet.len()) };
        Some(Self {
            source: SocketAddrV6::new(address(8), port(IPV6_LEN), 0, 0),
            destination: SocketAddrV6::new(address(24), port(IPV6_LEN + 2), 0, 0),
            hop_limit: packet[7],
            payload: packet.get(IPV6_LEN + UDP_LEN..end)?.to_vec(),
        })
    }

    /// Whether it goes to a multicast group.
    #[must_use]
    pub fn is_multicast(&self) -> bool {
        self.destination.ip().is_multicast()
    }
}

/// A complete IPv6 packet with UDP in it and a right checksum.
#[must_use]
pub fn ipv6_udp(datagram: &Datagram) -> Vec<u8> {
    let len = u16::try_from(UDP_LEN + datagram.payload.len()).expect("fits a packet");
    let mut udp = Vec::new();
    udp.extend(datagram.source.port().to_be_bytes());
    udp.extend(datagram.destination.port().to_be_bytes());
    udp.extend(len.to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(&datagram.payload);
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(len.to_be_bytes());
    packet.extend([UDP, datagram.hop_limit]);
    packet.extend(datagram.source.ip().octets());
    packet.extend(datagram.destination.ip().octets());
    let sum = checksum(&packet[8..], &udp);
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    packet.extend(udp);
    packet
}

/// RFC 8200 section 8.1, over the pseudo header and the datagram.
fn checksum(addresses: &[u8], udp: &[u8]) -> u16 {
    let words = |bytes: &[u8]| -> u64 {
        let pairs = bytes.chunks(2);
        pairs.map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
    };
    let mut sum = words(addresses) + words(udp) + udp.len() as u64 + u64::from(UDP);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    match !(sum as u16) {
        0 => 0xffff,
        sum => sum,
    }
}

/// The forms in which a secret of raw bytes could show on the wire: raw, hex in both cases, and
/// base64 in both alphabets at each of the three alignments.
#[must_use]
pub fn search_forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms =
        vec![secret.to_vec(), hex.clone().into_bytes(), hex.to_uppercase().into_bytes()];
    for skip in 0..3 {
        let usable = (secret.len() - skip) / 3 * 3;
        let text = base64(&secret[skip..skip + usable]);
        forms.push(text.replace('+', "-").replace('/', "_").into_bytes());
        forms.push(text.into_bytes());
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks_exact(3) {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(ALPHABET[(bits >> shift & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Datagram {
        Datagram {
            source: "[fd00::1]:4000".parse().unwrap(),
            destination: "[ff15::abc]:24242".parse().unwrap(),
            hop_limit: 3,
            payload: b"odd".to_vec(),
        }
    }

    #[test]
    fn a_made_packet_reads_back() {
        assert_eq!(Datagram::parse(&ipv6_udp(&sample())), Some(sample()));
        assert!(sample().is_multicast());
    }

    #[test]
    fn the_checksum_adds_up() {
        let packet = ipv6_udp(&sample());
        let mut udp = packet[IPV6_LEN..].to_vec();
        let sent = u16::from_be_bytes([udp[6], udp[7]]);
        udp[6..8].fill(0);
        assert_eq!(checksum(&packet[8..IPV6_LEN], &udp), sent);
    }

    #[test]
    fn what_is_not_udp_is_none() {
        let mut packet = ipv6_udp(&sample());
        packet[6] = 58;
        assert_eq!(Datagram::parse(&packet), None);
        assert_eq!(Datagram::parse(&packet[..20]), None);
    }

    #[test]
    fn a_report_names_its_groups() {
        let mut bytes = vec![0; ETHERNET_LEN + IPV6_LEN];
        bytes[12..14].copy_from_slice(&[0x86, 0xdd]);
        bytes.extend([58, 0, 5, 2, 0, 0, 1, 0]);
        bytes.extend([143, 0, 0, 0, 0, 0, 0, 2]);
        for (sources, group) in [(1, "ff15::1"), (0, "ff11::2")] {
            bytes.extend([4, 0, 0, sources]);
            bytes.extend(group.parse::<Ipv6Addr>().unwrap().octets());
            bytes.extend(vec![0; 16 * usize::from(sources)]);
        }
        let groups = Frame { at_ns: 0, bytes }.reported_groups();
        let names: Vec<String> = groups.iter().map(Ipv6Addr::to_string).collect();
        assert_eq!(names, ["ff15::1", "ff11::2"]);
    }

    #[test]
    fn a_secret_is_looked_for_at_every_alignment() {
        let secret = b"0123456789abcdef";
        let forms = search_forms(secret);
        for lead in ["", "x", "xy"] {
            let mut text = lead.as_bytes().to_vec();
            text.extend(secret);
            text.extend(b"zz");
            let coded = base64(&text);
            let seen = forms.iter().any(|form| {
                coded.as_bytes().windows(form.len()).any(|window| window == form.as_slice())
            });
            assert!(seen, "missed in {coded}");
        }
    }
}
