//! What an agent publishes: built-in variables, and those of its configuration file.
//!
//! Nothing here talks to the network or holds values. Each source yields [`Change`]s, which the
//! agent applies to its table of variables. Start at [`builtin`] for
//! the host's own numbers.

pub mod background;
pub mod builtin;
pub mod commands;
pub mod config;
pub mod configured;
pub mod formats;
pub(crate) mod strays;
pub(crate) mod validity;

use lcast_proto::name::Step;
use lcast_proto::time::Now;
use lcast_proto::variable::{Definition, Table, TableError, Update};

/// One step in keeping a node's table of variables current.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A variable exists, or exists with another type or description.
    Define(Definition),
    /// The variable with this template exists no longer.
    Undefine(String),
    /// A value was read.
    Update(Update),
    /// Everything at and below these steps is gone: an unmounted file system, say.
    Remove(Vec<Step>),
}

impl Change {
    /// Applies this change to `table`.
    ///
    /// # Errors
    /// What the table says about a definition or value that it cannot take.
    pub fn apply(self, table: &mut Table, now: Now) -> Result<(), TableError> {
        match self {
            Self::Define(definition) => table.define(definition),
            Self::Undefine(template) => {
                table.undefine(&template);
                Ok(())
            }
            Self::Update(update) => table.update(now, update),
            Self::Remove(steps) => {
                table.remove(&steps);
                Ok(())
            }
        }
    }
}
