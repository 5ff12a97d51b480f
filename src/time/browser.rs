//! The clock and the timers of pages, workers and Node.

#[path = "alarm.rs"]
mod alarm;

use std::time::Duration;

use wasm_bindgen::prelude::*;

use crate::error::LockError;
use alarm::Alarm;

#[wasm_bindgen]
extern "C" {
    /// <https://developer.mozilla.org/docs/Web/API/Performance/now>, on
    /// `globalThis`: workers and Node have no `window`.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// A moment, in milliseconds, to measure from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp(f64);

impl Stamp {
    pub(crate) fn now() -> Self {
        Self(performance_now())
    }

    /// The moment with these [`millis`](Self::millis).
    pub(crate) fn at(millis: f64) -> Self {
        Self(millis)
    }

    /// To be compared with others of this page, worker or thread.
    pub(crate) fn millis(self) -> f64 {
        self.0
    }

    pub(crate) fn elapsed(self) -> Duration {
        // As a float becomes an integer, what is negative becomes 0. The specification
        // forbids a clock that runs backwards, but that is not left to faith.
        Duration::from_micros(((performance_now() - self.0) * 1000.0) as u64)
    }
}

/// There is no cheaper clock here.
pub(crate) type Since = Stamp;

/// The longest delay that `setTimeout` can count, 24.8 days: a longer one wraps
/// round and fires at once (MDN, "Maximum delay value").
const LONGEST_TIMER: Duration = Duration::from_millis(i32::MAX as u64);

pub(crate) async fn sleep(duration: Duration) -> Result<(), LockError> {
    let mut left = duration;
    while !left.is_zero() {
        let step = left.min(LONGEST_TIMER);
        // Rounded up: a timer that fires early would cut a wait short.
        let millis = step.as_secs() as u32 * 1000 + step.subsec_nanos().div_ceil(1_000_000);
        Alarm::after(millis).await;
        left -= step;
    }
    Ok(())
}
