//! Who is who, what is sealed and signed, and who may do what.
//!
//! For certificates, member lists, credentials, the sealing and signing of packets, replay windows
//! and policy; `docs/spec/security.md` is the specification. Pure: files and sockets are the
//! shell's, randomness comes in as [`Random`](crate::random::Random). Not for the order in which a
//! packet passes these checks, [SEC-40]: that is the endpoint's. Start at [`credential`], then
//! [`seal`].

pub mod authority;
pub mod cache;
pub mod certificate;
pub mod credential;
pub mod key;
pub mod limit;
pub mod members;
pub mod policy;
pub mod replay;
pub mod seal;
pub mod sign;
pub mod subject;

mod blocks;
mod by_member;
mod lru;

pub use crate::wire::id::{ChannelId, NodeId, RealmId, SenderId};
pub use authority::{Authority, EnrollError, Enrolled};
pub use cache::CertificateCache;
pub use certificate::{Certificate, CertificateError, IssueError, Validity};
pub use credential::{Credential, CredentialError, Epoch, Network, Scope};
pub use key::{AgreementKey, SessionKey, SigningKey, VerifyingKey};
pub use members::{Member, MemberEdit, MemberList, MemberListError};
pub use policy::{Denied, Narrowing, Policy, Verb};
pub use replay::{ReplayError, ReplayWindows};
pub use seal::{
    EpochSecret, GroupKeys, OpenError, PacketNumbers, Pair, PairCache, PairRole, PairSenders,
    SealError,
};
pub use sign::{SignatureContext, SignatureError};
pub use subject::{Kind, Labels, NodeName, Roles, Subject, SubjectError};
