//! What the lock table is synchronised by: loom's under `--cfg loom`, so that the tests
//! there try every interleaving of the real code.

/// Locks a mutex under which nothing panics. `broken` says what does not hold if it did.
///
/// (Not by `expect`, which would print the poisoned lock as well.)
#[inline]
pub(crate) fn locked<'a, T>(mutex: &'a Mutex<T>, broken: &'static str) -> MutexGuard<'a, T> {
    mutex.lock().unwrap_or_else(|_| panic!("{broken}"))
}

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicU64};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicU64};
