//! One simulated host: an endpoint of the real core, its variables, its store, its clocks, its
//! receive buffer, and what is wrong with it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use lcast_proto::endpoint::Endpoint;
use lcast_proto::keys::Credential;
use lcast_proto::time::{Instant, Now};

use crate::model::Model;
use crate::net::Packet;
use crate::queue::Time;
use crate::random::Random;
use crate::realm::BEGIN;
use crate::store::Store;
use crate::tap::Asker;

/// A host with one process of the realm.
pub struct Node {
    /// The certified name.
    pub name: String,
    /// Whether it is an agent.
    pub agent: bool,
    /// Its credential.
    pub credential: Arc<Credential>,
    /// Its variables and their history.
    pub model: Model,
    /// Its durable store.
    pub store: Store,
    /// How quick it is.
    pub pace: Pace,
    /// Whether its oracle is off: it lies, so nothing it says counts.
    pub hostile: bool,
    /// The version of the member list in force there.
    pub members_version: u64,
    /// In a box: it is lent to other threads.
    pub(crate) endpoint: Option<Box<Endpoint>>,
    pub(crate) asker: Option<Asker>,
    pub(crate) incarnation: u64,
    pub(crate) paused: bool,
    /// Whether it is saying goodbye.
    pub(crate) leaving: bool,
    pub(crate) skew_ms: i64,
    pub(crate) origin: Duration,
    pub(crate) inbox: VecDeque<Packet>,
    pub(crate) overrun: u32,
    pub(crate) working: bool,
    pub(crate) free_at: Time,
    pub(crate) wake_at: Option<Time>,
    pub(crate) wakes: (Time, u32),
    pub(crate) random: Random,
}

/// How quick a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long it takes to handle a packet.
    pub packet: Duration,
    /// How many packets wait in its receive buffer at most.
    pub buffer_max: usize,
    /// How long sampling takes.
    pub sample: Duration,
    /// How long writing settings takes.
    pub write: Duration,
}

impl Default for Pace {
    /// 10 microseconds a packet; a buffer of 92 packets, which is what Linux's default holds of
    /// full-size ones; nothing else takes time.
    fn default() -> Self {
        let (sample, write) = (Duration::ZERO, Duration::ZERO);
        Self { packet: Duration::from_micros(10), buffer_max: 92, sample, write }
    }
}

impl Node {
    /// Whether its process runs and is not stopped.
    pub fn is_up(&self) -> bool {
        self.endpoint.is_some() && !self.paused
    }

    /// Which start of its process this is.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Its endpoint, when its process runs.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_deref()
    }

    /// Both of its clocks at a moment of the world.
    pub fn now(&self, at: Time) -> Now {
        let micros = u64::try_from((at + self.origin).as_micros()).unwrap_or(u64::MAX);
        let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        let wall = BEGIN.as_millis() + millis + self.skew_ms;
        Now {
            instant: Instant::from_micros(micros),
            wall: lcast_proto::time::Timestamp::from_millis(wall),
        }
    }

    /// The moment of the world at which its monotonic clock shows this.
    pub(crate) fn moment(&self, instant: Instant) -> Time {
        Duration::from_micros(instant.as_micros()).saturating_sub(self.origin)
    }
}
