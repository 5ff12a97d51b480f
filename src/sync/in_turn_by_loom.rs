//! Those of loom, with a clock that a test has in its hand.

use std::sync::{LockResult, PoisonError};
use std::time::Duration;

use loom::sync::MutexGuard;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
pub(crate) use loom::thread;

use super::Mutex;

/// A condition variable. Loom's waits for ever, whatever its timeout. With this one a test says when the time
/// of all waits is over, and loom tries every moment for that.
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    changed: loom::sync::Condvar,
    is_late: AtomicBool,
}

impl Condvar {
    pub(crate) fn notify_one(&self) {
        self.changed.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.changed.notify_all();
    }

    /// As that of the standard library. What it says of the time nobody needs.
    pub(crate) fn wait_timeout_while<'a, T>(
        &self,
        mut guard: MutexGuard<'a, T>,
        _limit: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        while condition(&mut guard) && !self.is_late.load(Relaxed) {
            guard = self
                .changed
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok((guard, ()))
    }

    /// Ends all waits. Each of them has to lock `mutex` before it returns, so nothing is lost by locking it here.
    pub(crate) fn end_waits<T>(&self, mutex: &Mutex<T>) {
        let guard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_late.store(true, Relaxed);
        drop(guard);
        self.changed.notify_all();
    }
}
