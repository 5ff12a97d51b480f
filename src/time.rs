//! Time for those who wait: tokio's timer natively, `setTimeout` in browsers.
//!
//! All platforms keep the same bargain: no timer is made for what is ready at
//! once or may wait for ever, and a wait that is longer than the platform's timer
//! can count still ends when it should.

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

/// The moment at which a wait ends; never, if it lies beyond what the clock can
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

/// Runs `work` for at most `limit`; `Ok(None)` when the time ran out.
///
/// `work` is polled before the clock is asked, so what is ready at once needs no
/// timer, and what became ready together with the timer wins.
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

/// When a wait ends that has begun to be polled.
pub(crate) struct Limit {
    timeout: Duration,
    /// In a box: it is large, and the future of every wait would have to have room for it.
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

    /// To be polled when there is something to wait for, and not before: it sets the timer.
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
