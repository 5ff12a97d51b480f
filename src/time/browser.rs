//! `setTimeout`, in pages, workers and Node.

use std::future::poll_fn;
use std::time::Duration;

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::callback::Callback;
use crate::error::LockError;

#[wasm_bindgen]
extern "C" {
    /// <https://developer.mozilla.org/docs/Web/API/Performance/now>, on
    /// `globalThis`: workers and Node have no `window`.
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    /// <https://developer.mozilla.org/docs/Web/API/Window/setTimeout>. Browsers return
    /// a number, Node an object.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, millis: u32) -> JsValue;

    /// <https://developer.mozilla.org/docs/Web/API/Window/clearTimeout>
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);
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
        let timer = Timer::start(millis);
        poll_fn(|cx| timer.callback.poll(cx)).await;
        left -= step;
    }
    Ok(())
}

/// A timer that is dropped is cleared.
struct Timer {
    id: JsValue,
    callback: Callback,
}

impl Timer {
    fn start(millis: u32) -> Self {
        let callback = Callback::new();
        let id = set_timeout(callback.function(), millis);
        Self { id, callback }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.id);
    }
}
