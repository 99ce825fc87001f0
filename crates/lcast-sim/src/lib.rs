//! A deterministic network of thousands of Librecast endpoints.
#![forbid(unsafe_code)]

pub mod fault;
pub mod hostile;
pub mod model;
pub mod net;
pub mod node;
mod oracle;
pub mod question;
pub mod queue;
pub mod random;
pub mod realm;
pub mod scenario;
pub mod store;
mod tap;
pub mod trace;
pub mod world;

pub use world::script::{Change, Forgery};
pub use world::{Setup, World};
