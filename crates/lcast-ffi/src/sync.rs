//! The locks of this crate, in one place so that a test can put others in theirs.

pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};
