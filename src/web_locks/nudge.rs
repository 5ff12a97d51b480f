//! A way round a fault of Node: when a worker thread dies holding a lock, the lock
//! is freed, but a waiter that is queued already is not woken until someone in the
//! process makes another request, for any name (seen in Node 24 and 26; `query()`
//! does not help). So whoever waits in Node makes one, rarely.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::platform::{lock_manager, node_version};
use super::round_trip::round_trip;
use crate::error::LockError;
use crate::time::{self, Stamp};

/// How long the death of a thread may go unnoticed.
const INTERVAL: Duration = Duration::from_secs(1);

thread_local! {
    /// When any wait of this thread made such a request. One wakes them all, and a
    /// thousand waits that made one each would take a sixth of a core.
    static LAST: Cell<Option<Stamp>> = const { Cell::new(None) };
}

/// Runs `wait`, with nudges if this is Node.
pub(super) async fn while_waiting<T>(
    wait: impl Future<Output = Result<T, LockError>>,
) -> Result<T, LockError> {
    if node_version().is_none() {
        return wait.await;
    }
    let mut wait = pin!(wait);
    loop {
        if let Some(output) = time::timeout(INTERVAL, wait.as_mut()).await? {
            return output;
        }
        // Half of it, because the clock and the timers need not agree to the digit.
        if LAST.get().is_none_or(|last| last.elapsed() >= INTERVAL / 2) {
            LAST.set(Some(Stamp::now()));
            round_trip(&lock_manager()?).await;
        }
    }
}
