//! The built-in variables: the host's and the agent's own numbers.
//!
//! [`mod@catalogue`] is the one table of what exists. A [`Sampler`] reads the values: what hardly
//! changes at start and once a minute, the rest when a question asks for it ([`Families`]), each at
//! most once a second. [`Sampler::tick`], called every ten seconds, keeps the beginnings of the
//! windows over which rates and utilisations are taken. [`OwnFacts`] is what only the driver knows.
//!
//! Reading is by plain files under [`Roots`], so that tests read recorded hosts. A [`Sampler`]
//! waits for nothing. What may take its time is read in the background instead: [`Filesystems`],
//! which may hang, and [`SystemdUnits`].

mod catalogue;
mod cpu;
mod disk;
mod family;
mod filesystem;
mod glob;
mod host;
mod limited;
mod markdown;
mod memory;
mod network;
mod own;
mod process;
mod roots;
mod sampler;
mod sensors;
mod systemd;
#[cfg(test)]
mod tests;
mod users;
mod window;

pub use catalogue::{Origin, Row, SEMCONV, catalogue, definitions};
pub use family::{Families, Family};
pub use filesystem::{Filesystems, Usage};
pub use glob::Glob;
pub use markdown::markdown;
pub use own::OwnFacts;
pub use roots::Roots;
pub use sampler::{Options, Sampler};
pub use systemd::SystemdUnits;

/// How often [`Sampler::tick`] is to be called.
pub const TICK: std::time::Duration = std::time::Duration::from_secs(10);
