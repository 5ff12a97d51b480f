//! The mutex that the lock table stands behind: loom's under `--cfg loom`, so that
//! the tests there try every interleaving of the real code.

/// Locks a mutex under which nothing panics. `broken` says what does not hold if it did.
///
/// (Not by `expect`, which would print the poisoned lock as well.)
pub(crate) fn locked<'a, T>(mutex: &'a Mutex<T>, broken: &'static str) -> MutexGuard<'a, T> {
    mutex.lock().unwrap_or_else(|_| panic!("{broken}"))
}

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};
