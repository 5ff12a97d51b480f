//! The mutex that the lock table stands behind: loom's under `--cfg loom`, so that
//! the tests there try every interleaving of the real code.

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};
