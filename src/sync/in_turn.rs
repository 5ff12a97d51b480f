//! Those of the standard library.

pub(crate) use std::sync::Condvar;
pub(crate) use std::thread;
