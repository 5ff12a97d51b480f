//! What threads are synchronised by: loom's under `--cfg loom`, so that the tests there try every
//! interleaving of the real code.

/// Locks a mutex under which nothing panics. `broken` says what does not hold if it did.
///
/// (Not by `expect`, which would print the poisoned lock as well.)
#[inline]
pub(crate) fn locked<'a, T>(mutex: &'a Mutex<T>, broken: &'static str) -> MutexGuard<'a, T> {
    mutex.lock().unwrap_or_else(|_| panic!("{broken}"))
}

/// Threads that wait for each other, where there are such.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
))]
#[cfg_attr(loom, path = "sync/in_turn_by_loom.rs")]
pub(crate) mod in_turn;

/// That of loom does not know constants.
#[cfg(all(loom, feature = "__edge"))]
macro_rules! by_loom {
    ($($(#[$attr:meta])* static $name:ident: $type:ty = const $init:block;)*) => {
        loom::thread_local! { $($(#[$attr])* static $name: $type = $init;)* }
    };
}
#[cfg(all(loom, feature = "__edge"))]
pub(crate) use by_loom as thread_local;
#[cfg(all(not(loom), feature = "__edge", any(unix, windows)))]
pub(crate) use std::thread_local;

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicU64};
#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicU64};
