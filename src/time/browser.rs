//! `setTimeout`, in pages, workers and Node.

use std::time::Duration;

use gloo_timers::future::TimeoutFuture;
use wasm_bindgen::prelude::*;

use crate::error::LockError;

#[wasm_bindgen]
extern "C" {
    /// <https://developer.mozilla.org/docs/Web/API/Performance/now>, on
    /// `globalThis`: workers and Node have no `window`.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// A moment, to measure from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp(f64);

impl Stamp {
    pub(crate) fn now() -> Self {
        Self(performance_now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        // The specification forbids a clock that runs backwards; a negative
        // difference would panic here, so it is not left to faith.
        Duration::from_secs_f64((performance_now() - self.0).max(0.0) / 1000.0)
    }
}

/// The longest delay that `setTimeout` can count, 24.8 days: a longer one wraps
/// round and fires at once (MDN, "Maximum delay value").
const LONGEST_TIMER: Duration = Duration::from_millis(i32::MAX as u64);

pub(crate) async fn sleep(duration: Duration) -> Result<(), LockError> {
    let mut left = duration;
    while !left.is_zero() {
        let step = left.min(LONGEST_TIMER);
        // Rounded up: a timer that fires early would cut a wait short.
        let millis = step.as_nanos().div_ceil(1_000_000) as u32;
        TimeoutFuture::new(millis).await;
        left -= step;
    }
    Ok(())
}
