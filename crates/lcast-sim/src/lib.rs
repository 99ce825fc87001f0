//! A deterministic network of thousands of Librecast endpoints.
//!
//! For finding protocol bugs before anybody else does: real endpoints of the core, virtual time,
//! every kind of fault, and oracles that know the truth. Not for sockets, threads or files: those
//! are tested with real processes, by `lcast-lab`. Start at [`World`], then [`scenario`].
//!
//! # How a run works
//!
//! A [`World`] holds nodes, a network and a queue of things to come. Nothing in it reads a clock or
//! the system's randomness, so a seed decides everything: the same seed gives the same
//! [trace](trace::Trace), packet by packet. A failing run prints the one line that replays it:
//!
//! ```text
//! cargo run --release -p lcast-sim -- replay --scenario crash --seed 33 [--trace-of a0003]
//! ```
//!
//! # Writing a scenario
//!
//! Set a world up, change it, ask, insist:
//!
//! ```
//! use std::time::Duration;
//! use lcast_sim::fault::Conditions;
//! use lcast_sim::question::Question;
//! use lcast_sim::{Change, Setup, World};
//!
//! let conditions = Conditions::lan().with_loss(0.05);
//! let mut world = World::new(7, &Setup { agents: 5, conditions, ..Setup::default() });
//! world.run(Duration::from_secs(3));                          // agents start and are heard
//!
//! let victim = world.node_named("a0002");
//! world.after(Duration::from_micros(80), Change::Crash(victim));
//! world.after(Duration::from_millis(200), Change::Start(victim));
//!
//! let asker = world.client();
//! let number = world.ask(asker, Question::get("app.number"));  // runs until the report
//! let answered = world.asked(number).report().answered;
//! world.insist(answered == 5, || format!("{answered} of five answered"));
//!
//! world.conclude();                                           // the oracles' last word
//! assert!(world.violations().is_empty(), "{:?}", world.violations());
//! ```
//!
//! Everything that can happen is a [`Change`]; faults of the way are [`fault::Conditions`], for all
//! packets, for one node or for one direction between two. What agents hold is in [`model`]. To
//! make it a named scenario, put the function into a file below `scenario` and a row into
//! [`scenario::ALL`]; the test binary then demands a test for it.
//!
//! # What the oracles check, in every run
//!
//! - Every expected node is in exactly one class, nobody else is, and the counts add up.
//! - Nobody whose answer reached the asker in time is missing, and nobody to whom nothing happened.
//! - Every value is one that the node held between asking and reporting, with its time and version.
//! - Round 1 is one packet to all; each later round one more and at most 64 copies by unicast;
//!   report and wire agree on both; nobody answers a round twice.
//! - A watch tells of each value only what the node held at that version, in rising order, and how
//!   many versions it left out; nodes enter and leave in turn.
//! - A set is applied once, and says of itself what its node's store says.
//! - No endpoint spins, sends what is no packet, or keeps more than its limits allow.
//! - No stranger is answered, but by the little that may go astray; a liar changes nothing that is
//!   reported of others.
#![forbid(unsafe_code)]

pub mod fault;
pub mod hostile;
pub mod model;
pub mod net;
pub mod node;
pub mod oracle;
pub mod question;
pub mod queue;
pub mod random;
pub mod realm;
pub mod scenario;
pub mod store;
mod tap;
pub mod trace;
pub mod watch;
pub mod world;

pub use world::script::{Change, Forgery};
pub use world::{Setup, World};
