//! Questions: what is asked of the nodes that a selector picks, and the account at the end.
//!
//! Start with [`report`]: the answers as the asker sees them and the report that ends every
//! question. What a question looks like in bytes is in `wire`.

pub mod report;
