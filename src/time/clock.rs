//! The time of a page, worker or Node thread.
//!
//! Test suites replace `performance.now`, put it back, or replace `setTimeout` alone, so
//! that one stands still while the other goes on. So this clock goes on from where it was if
//! its source is set back or missing, and [a timer that fired](reached) moves it.

use std::cell::Cell;

use wasm_bindgen::prelude::*;

// As an `Option`, what is not a number is turned into one where a throw is still caught.
#[wasm_bindgen]
extern "C" {
    /// <https://developer.mozilla.org/docs/Web/API/Performance/now>, on
    /// `globalThis`: workers and Node have no `window`.
    #[wasm_bindgen(catch, js_namespace = performance, js_name = now)]
    fn performance_now() -> Result<Option<f64>, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Date/now>
    #[wasm_bindgen(catch, js_namespace = Date, js_name = now)]
    fn date_now() -> Result<Option<f64>, JsValue>;
}

#[derive(Clone, Copy)]
struct Clock {
    source: Source,
    /// What the source showed last.
    read: f64,
    /// How far we are ahead of the source.
    offset: f64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Performance,
    /// Whether there is no `performance` (workerd, compartments, Jest's jsdom). Once set, it
    /// stays set, because to find it out takes an exception.
    Date,
}

thread_local! {
    static CLOCK: Cell<Clock> = const {
        Cell::new(Clock {
            source: Source::Performance,
            read: 0.0,
            offset: 0.0,
        })
    };
}

/// In milliseconds. Never less than before.
pub(super) fn now() -> f64 {
    let read = read(CLOCK.get().source);
    // Not earlier: the function that was just called is foreign, and may have called us.
    let mut clock = CLOCK.get();
    if let Some((source, read)) = read {
        if source != clock.source || read < clock.read {
            clock.offset += clock.read - read;
        }
        (clock.source, clock.read) = (source, read);
        CLOCK.set(clock);
    }
    clock.read + clock.offset
}

/// A timer that was set for `due` has fired, so it is that late at least.
pub(super) fn reached(due: f64) {
    let behind = due - now();
    if behind > 0.0 {
        let mut clock = CLOCK.get();
        clock.offset += behind;
        CLOCK.set(clock);
    }
}

/// `None` if there is no clock at all. Then only timers move the time.
fn read(source: Source) -> Option<(Source, f64)> {
    if source == Source::Performance
        && let Some(read) = usable(performance_now())
    {
        return Some((source, read));
    }
    Some((Source::Date, usable(date_now())?))
}

fn usable(read: Result<Option<f64>, JsValue>) -> Option<f64> {
    read.ok()?.filter(|millis| millis.is_finite())
}
