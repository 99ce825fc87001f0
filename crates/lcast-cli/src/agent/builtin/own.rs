//! What the agent says about itself.

use std::collections::BTreeMap;

use lcast_proto::time::{Instant, Now, Timestamp};

use super::sampler::Output;
use crate::agent::Change;

/// What only the agent's driver knows of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnFacts {
    /// The version of the program.
    pub version: String,
    /// When the agent started.
    pub started: Instant,
    /// The epoch of the realm's secret in use.
    pub epoch: u64,
    /// When the certificate ends.
    pub certificate_expires: Option<Timestamp>,
    /// The file that the credential was read from, where it was named.
    pub credential_file: Option<String>,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets received.
    pub packets_received: u64,
    /// Packets dropped, by reason.
    pub packets_dropped: BTreeMap<String, u64>,
    /// Packets that the kernel dropped because a buffer was full.
    pub receive_overflow: u64,
    /// Repeats of messages about watched values that were left out, since too many waited.
    pub unrepeated: u64,
    /// How the realm is reached: `multicast`, `unicast`.
    pub path_current: Option<String>,
    /// Since when it is reached that way.
    pub path_since: Option<Timestamp>,
}

impl OwnFacts {
    /// The values of `librecast.*`, memory and processor time excepted.
    pub fn changes(&self, now: Now) -> Vec<Change> {
        let mut output = Output::default();
        output.put("librecast.version", self.version.as_str());
        output.put("librecast.uptime", now.instant.since(self.started).as_secs_f64());
        output.count("librecast.epoch", self.epoch);
        output.count("librecast.packet.sent", self.packets_sent);
        output.count("librecast.packet.received", self.packets_received);
        output.count("librecast.receive.overflow", self.receive_overflow);
        output.count("librecast.watch.unrepeated", self.unrepeated);
        for (kind, count) in &self.packets_dropped {
            output.count_at("librecast.packet.dropped", kind, "", *count);
        }
        output.put_some("librecast.certificate.expires", self.certificate_expires);
        output.put_some("librecast.credential.file", self.credential_file.as_deref());
        output.put_some("librecast.path.current", self.path_current.as_deref());
        output.put_some("librecast.path.since", self.path_since);
        output.into_changes()
    }
}
