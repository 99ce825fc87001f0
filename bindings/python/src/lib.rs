//! The native part of the Python package `lcast`: handles, values and exceptions.
//!
//! It stands on [`lcast::blocking`] and adds what only the border needs: conversion of values, the
//! interpreter's lock given up wherever something may be waited for, signals looked after while
//! waiting. The classes that people meet are Python, in `lcast/`. No thread of this library calls
//! into Python. Start reading at [`node`], then [`stream`].
#![forbid(unsafe_code)]

mod error;
mod exposed;
mod items;
mod node;
mod stream;
mod value;

use pyo3::prelude::*;

/// What the Python files of the package import.
#[pymodule]
mod _lcast {
    use super::*;
    #[pymodule_export]
    use crate::error::{after_fork, shut_down};
    #[pymodule_export]
    use crate::exposed::{Exposed, Setting};
    #[pymodule_export]
    use crate::node::Node;
    #[pymodule_export]
    use crate::stream::Stream;
    #[pymodule_export]
    use crate::value::Timestamp;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
