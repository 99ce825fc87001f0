//! What the shell decides about an endpoint.

use std::sync::Arc;

use crate::keys::policy::Narrowing;
use crate::question::RecalledSet;
use crate::variable::Schema;
use crate::wire::frame::{Record, SOFTWARE_MAX};

/// Settings of an [`Endpoint`](crate::endpoint::Endpoint). The default works on a real network.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which start of this node it is: the first half of its variables' versions. Default 1.
    pub incarnation: u64,
    /// The version of the software, told to others; at most 32 bytes. Default: this crate's.
    pub software: Arc<str>,
    /// What this node's own configuration takes away from the realm's policy. Default: nothing.
    pub narrowing: Narrowing,
    /// Replies a second that this node asks for. Default 50,000; a higher rate gets answers of
    /// large fleets sooner and overruns slow hosts and switches.
    pub reply_rate: u32,
    /// Questions open at once. Default 64; each costs memory in proportion to the realm.
    pub questions_max: usize,
    /// What an earlier process of this node knew of the realm's presence. Default: nothing.
    pub roster: Vec<Record>,
    /// Schemas that earlier processes learned, so that they need not be fetched. Default: none.
    pub schemas: Vec<Arc<Schema>>,
    /// The newest sets that earlier processes of this node wrote, the newest last; those beyond
    /// 4,096 are not used. Default: none.
    pub recalled: Vec<RecalledSet>,
}

impl Config {
    /// [`Config::questions_max`] unless told otherwise.
    pub const QUESTIONS_MAX: usize = 64;
    /// Longest [`Config::software`] in bytes; what is longer is cut.
    pub const SOFTWARE_LENGTH_MAX: usize = SOFTWARE_MAX;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            incarnation: 1,
            software: env!("CARGO_PKG_VERSION").into(),
            narrowing: Narrowing::default(),
            reply_rate: 50_000,
            questions_max: Self::QUESTIONS_MAX,
            roster: Vec::new(),
            schemas: Vec::new(),
            recalled: Vec::new(),
        }
    }
}
