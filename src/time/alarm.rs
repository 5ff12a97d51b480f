//! [`Alarm`]: one `setTimeout`.
//!
//! Each wait has a timer of its own, set when the wait begins and cleared when it ends. To
//! share one among waits of the same length would be cheaper. But nothing tells whether a timer
//! still runs: a test suite may have cleared all timers, or replaced the clock that it was set
//! in, and then a task would wait for ever. And frameworks count timers: a page of theirs is
//! never "stable" while one runs, even if nobody waits for it.
//!
//! `setTimeout` and `clearTimeout` are foreign code: they may throw, be missing, or call back
//! within the call. So nothing is borrowed while they run.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use js_sys::Function;
use slab::Slab;
use wasm_bindgen::prelude::*;

use super::clock;
use crate::error::LockError;

#[wasm_bindgen]
extern "C" {
    /// A number; in Node an [object](https://nodejs.org/api/timers.html#class-timeout), which
    /// keeps the process alive.
    type Timer;

    /// <https://developer.mozilla.org/docs/Web/API/Window/setTimeout>
    #[wasm_bindgen(catch, js_name = setTimeout)]
    fn set_timeout(callback: &Function, millis: u32) -> Result<Timer, JsValue>;

    #[wasm_bindgen(method, catch, js_name = unref)]
    fn let_process_end(this: &Timer) -> Result<(), JsValue>;

    /// `globalThis`.
    type Global;

    /// <https://developer.mozilla.org/docs/Web/API/Window/clearTimeout>
    #[wasm_bindgen(method, getter, catch, js_name = clearTimeout)]
    fn clear_timeout(this: &Global) -> Result<ClearTimeout, JsValue>;

    #[derive(PartialEq)]
    type ClearTimeout;

    #[wasm_bindgen(method, catch)]
    fn call(this: &ClearTimeout, this_arg: &JsValue, timer: &Timer) -> Result<(), JsValue>;

    /// [`fire`] for JavaScript.
    type Callback;

    /// (Further arguments of `setTimeout` would not do: many wrappers of it drop them.)
    /// <https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Function/bind>
    #[wasm_bindgen(method, js_name = bind)]
    fn of(this: &Callback, bound_this: &JsValue, place: u32, serial: u32) -> Function;

    /// <https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/String/String>
    #[wasm_bindgen(catch, js_name = String)]
    fn text(value: &JsValue) -> Result<String, JsValue>;
}

thread_local! {
    static ALARMS: RefCell<Alarms> = RefCell::default();

    static GLOBAL: Global = js_sys::global().unchecked_into();

    /// It lives as long as the thread.
    static CALLBACK: Callback = Closure::<dyn Fn(u32, u32)>::new(fire)
        .into_js_value()
        .unchecked_into();
}

#[derive(Default)]
struct Alarms {
    places: Slab<Place>,
    last_serial: u32,
}

struct Place {
    /// Tells apart the alarms that have had this place, because a timer that was cleared may
    /// still fire.
    serial: u32,
    due: f64,
    state: State,
}

enum State {
    /// `setTimeout` has not returned.
    BeingSet,
    /// It has called back before it returned.
    FiredAtOnce,
    Waiting(Waker),
    Fired,
}

/// How many places are kept for other alarms.
const KEPT: usize = 64;

/// Is ready this many milliseconds after its first poll. Its drop clears the timer.
///
/// The error is [`LockError::Unavailable`] if no timer could be set.
pub(super) struct Alarm {
    millis: u32,
    set: Option<Set>,
}

struct Set {
    place: usize,
    /// With the function that clears it. `None` if there is none. Then its call is ignored.
    timer: Option<(Timer, ClearTimeout)>,
}

impl Alarm {
    pub(super) fn after(millis: u32) -> Self {
        let set = None;
        Self { millis, set }
    }

    fn start(&mut self, waker: Waker) -> Result<(), LockError> {
        let due = clock::now() + f64::from(self.millis);
        let (place, serial) = ALARMS.with_borrow_mut(|alarms| alarms.insert(due));
        let set = self.set.insert(Set { place, timer: None });
        let callback =
            CALLBACK.with(|callback| callback.of(&JsValue::UNDEFINED, place as u32, serial));
        let timer = set_timeout(&callback, self.millis)
            .map_err(|thrown| no_timer(&format!("threw {}", shown(&thrown))))?;
        if !timer.is_object() && timer.as_f64().is_none() {
            return Err(no_timer(&format!("returned {}", shown(&timer))));
        }
        set.timer = clear_timeout().map(|clear| (timer, clear));
        let waits = ALARMS.with_borrow_mut(|alarms| {
            let state = &mut alarms.places[place].state;
            let waits = matches!(state, State::BeingSet);
            *state = State::Waiting(waker);
            waits
        });
        match waits {
            true => Ok(()),
            false => Err(no_timer("called back at once")),
        }
    }
}

/// The present `clearTimeout`.
fn clear_timeout() -> Option<ClearTimeout> {
    GLOBAL.with(|global| global.clear_timeout().ok())
}

/// Clears a timer by the `clearTimeout` of the clock that it was set in, because no other clock
/// knows it. If that throws, the timer fires, and its call is ignored.
fn clear(timer: &Timer, clear: &ClearTimeout) {
    // In Node it is not called if it was replaced since. The mock timers of node:test, after a
    // reset, clear one of their next timers instead (seen in Node 20 and 26).
    if timer.is_object() && clear_timeout().is_none_or(|now| now != *clear) {
        let _ = timer.let_process_end();
    } else {
        let _ = clear.call(&JsValue::UNDEFINED, timer);
    }
}

fn no_timer(what: &str) -> LockError {
    LockError::Unavailable {
        reason: format!(
            "a wait with a timeout needs a timer, but setTimeout {what}; \
             if it was replaced, as by a test, see to it that it sets one"
        ),
    }
}

fn shown(value: &JsValue) -> String {
    text(value).unwrap_or_else(|_| String::from("what has no text"))
}

impl Future for Alarm {
    type Output = Result<(), LockError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let Some(Set { place, .. }) = self.set else {
            return match self.start(waker) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            };
        };
        let (has_fired, unused) =
            ALARMS.with_borrow_mut(|alarms| match &mut alarms.places[place].state {
                State::Waiting(known) => (false, std::mem::replace(known, waker)),
                _ => (true, waker),
            });
        // Not while `ALARMS` is borrowed: the last waker of a task drops the task, and with it
        // perhaps other alarms.
        drop(unused);
        match has_fired {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let Some(Set { place, timer }) = self.set.take() else {
            return;
        };
        let Place { state, .. } = ALARMS.with_borrow_mut(|alarms| alarms.remove(place));
        if !matches!(state, State::Fired)
            && let Some((timer, clear_timeout)) = timer
        {
            clear(&timer, &clear_timeout);
        }
    }
}

impl Alarms {
    fn insert(&mut self, due: f64) -> (usize, u32) {
        self.last_serial = self.last_serial.wrapping_add(1);
        let serial = self.last_serial;
        let state = State::BeingSet;
        let place = self.places.insert(Place { serial, due, state });
        (place, serial)
    }

    fn remove(&mut self, place: usize) -> Place {
        let removed = self.places.remove(place);
        if self.places.is_empty() && self.places.capacity() > KEPT {
            self.places = Slab::new();
        }
        removed
    }

    /// The timer for `place` has fired. Returns when that was due, and whom to wake.
    fn fire(&mut self, place: u32, serial: u32) -> Option<(f64, Waker)> {
        let place = self.places.get_mut(place as usize)?;
        if place.serial != serial {
            return None;
        }
        let fired = match &place.state {
            State::BeingSet | State::FiredAtOnce => State::FiredAtOnce,
            State::Waiting(_) | State::Fired => State::Fired,
        };
        match std::mem::replace(&mut place.state, fired) {
            State::Waiting(waker) => Some((place.due, waker)),
            _ => None,
        }
    }
}

/// What `setTimeout` calls.
fn fire(place: u32, serial: u32) {
    if let Some((due, waker)) = ALARMS.with_borrow_mut(|alarms| alarms.fire(place, serial)) {
        clock::reached(due);
        // Not while `ALARMS` is borrowed: a task that is woken may drop its alarm.
        waker.wake();
    }
}
