//! The time and the timers: tokio's natively, `setTimeout` in browsers.
//!
//! On all platforms, no timer is made for a future that is ready at once or that may wait for
//! ever. A wait that is longer than the platform's timer can count still ends in time.

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod coarse;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
#[path = "time/browser.rs"]
mod platform;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
#[path = "time/native.rs"]
mod platform;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

pub(crate) use platform::{Since, Stamp, sleep};

use crate::error::LockError;

/// The time at which a wait ends. It never ends if that time is beyond what the clock can
/// express.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    start: Stamp,
    timeout: Duration,
}

impl Deadline {
    pub(crate) fn after(timeout: Duration) -> Self {
        Self {
            start: Stamp::now(),
            timeout,
        }
    }

    /// `Duration::MAX` for a wait without end, however much time has passed.
    pub(crate) fn remaining(&self) -> Duration {
        if self.timeout == Duration::MAX {
            return Duration::MAX;
        }
        self.timeout.saturating_sub(self.start.elapsed())
    }
}

/// Runs `work` for at most `limit`. `Ok(None)` if the time was over first.
///
/// `work` is polled first. So it needs no timer if it is ready at once, and it wins if it
/// becomes ready together with the timer.
///
/// # Errors
///
/// [`LockError::Unavailable`] when `work` has to wait and there is no timer.
pub(crate) async fn timeout<F: Future>(
    limit: Duration,
    work: F,
) -> Result<Option<F::Output>, LockError> {
    let mut work = pin!(work);
    let mut limit = Limit::new(limit);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(Some(output))),
        Poll::Pending => limit.poll(cx).map(|fired| fired.map(|()| None)),
    })
    .await
}

/// The end of a wait, counted from its first poll.
pub(crate) struct Limit {
    timeout: Duration,
    /// It is large, so it is boxed: the future of every wait would have to have room for it.
    timer: Option<Pin<Box<platform::Sleep>>>,
}

impl Limit {
    #[inline]
    pub(crate) fn new(timeout: Duration) -> Self {
        let timer = None;
        Self { timeout, timer }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether there is nothing to wait for.
    pub(crate) fn is_zero(&self) -> bool {
        self.timeout.is_zero()
    }

    /// Polls the timer, and sets it first. So it is only polled when there is something to wait
    /// for.
    ///
    /// # Errors
    ///
    /// [`LockError::Unavailable`] if there is none.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LockError>> {
        if self.timeout == Duration::MAX {
            return Poll::Pending;
        }
        let timeout = self.timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        timer.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Limit").field(&self.timeout).finish()
    }
}
