//! The clock and the timers of pages, workers and Node.
//!
//! None of their functions can be trusted: test suites replace them at any time, and one without
//! the other. What they do wrong may end one wait, and no more.

#[path = "alarm.rs"]
mod alarm;
#[path = "clock.rs"]
mod clock;

use std::time::Duration;

use crate::error::LockError;
use alarm::Alarm;

/// A point in time, in milliseconds, to measure from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp(f64);

impl Stamp {
    pub(crate) fn now() -> Self {
        Self(clock::now())
    }

    /// The one with these [`millis`](Self::millis).
    pub(crate) fn at(millis: f64) -> Self {
        Self(millis)
    }

    /// To be compared with others of this page, worker or thread.
    pub(crate) fn millis(self) -> f64 {
        self.0
    }

    pub(crate) fn elapsed(self) -> Duration {
        // The conversion to an integer makes 0 of negative numbers. Where wasm has threads, the
        // stamp may be of another thread's clock.
        Duration::from_micros(((clock::now() - self.0) * 1000.0) as u64)
    }
}

/// There is no cheaper clock here.
pub(crate) type Since = Stamp;

/// The longest delay that `setTimeout` can count, 24.8 days: a longer one wraps
/// round and fires at once (MDN, "Maximum delay value").
const LONGEST_TIMER: Duration = Duration::from_millis(i32::MAX as u64);

/// A timer that was set.
pub(crate) type Sleep = dyn Future<Output = Result<(), LockError>>;

pub(crate) async fn sleep(duration: Duration) -> Result<(), LockError> {
    let mut left = duration;
    while !left.is_zero() {
        let step = left.min(LONGEST_TIMER);
        // Rounded up: a timer that fires early would cut a wait short.
        let millis = step.as_secs() as u32 * 1000 + step.subsec_nanos().div_ceil(1_000_000);
        Alarm::after(millis).await?;
        left -= step;
    }
    Ok(())
}
