//! [`Alarm`]: one `setTimeout`.
//!
//! Each wait has a timer of its own, set when the wait begins and cleared when it ends. To
//! share one among waits of the same length would be cheaper, but nothing tells whether a
//! timer still runs: a test suite may have cleared all of them, or have replaced the clock
//! that it was set in, and whoever relied on it would wait for ever. And frameworks count
//! timers: one that runs for nobody keeps a page of theirs from ever being "stable".
//!
//! `setTimeout` and `clearTimeout` are foreign code: they may throw, be missing, or call us
//! back at once. So nothing is borrowed while they run.

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

    /// [`ring`] for JavaScript.
    type Bell;

    /// Not as further arguments of `setTimeout`, which many who wrap it do not pass on.
    /// <https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Function/bind>
    #[wasm_bindgen(method, js_name = bind)]
    fn of(this: &Bell, bound_this: &JsValue, place: u32, serial: u32) -> Function;

    /// <https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/String/String>
    #[wasm_bindgen(catch, js_name = String)]
    fn text(value: &JsValue) -> Result<String, JsValue>;
}

thread_local! {
    static ALARMS: RefCell<Alarms> = RefCell::default();

    static GLOBAL: Global = js_sys::global().unchecked_into();

    /// For as long as the thread lives.
    static BELL: Bell = Closure::<dyn Fn(u32, u32)>::new(ring)
        .into_js_value()
        .unchecked_into();
}

#[derive(Default)]
struct Alarms {
    places: Slab<Place>,
    last_serial: u32,
}

struct Place {
    /// Tells who had the place before: a timer that was cleared may fire all the same.
    serial: u32,
    rings_at: f64,
    state: State,
}

enum State {
    /// `setTimeout` has not returned.
    BeingSet,
    /// It has called back before it returned.
    RangAtOnce,
    Waiting(Waker),
    Rang,
}

/// More places than these are not kept for other alarms.
const KEPT: usize = 64;

/// Ready after so many milliseconds from its first poll, by a timer that was set in the
/// clock of that moment. Dropping it clears the timer.
///
/// The error is [`LockError::Unavailable`], if no timer could be set.
pub(super) struct Alarm {
    millis: u32,
    set: Option<Set>,
}

struct Set {
    place: usize,
    /// With what clears it; `None` where that is not possible. Then it fires for nobody.
    timer: Option<(Timer, ClearTimeout)>,
}

impl Alarm {
    pub(super) fn after(millis: u32) -> Self {
        let set = None;
        Self { millis, set }
    }

    fn start(&mut self, waker: Waker) -> Result<(), LockError> {
        let rings_at = clock::now() + f64::from(self.millis);
        let (place, serial) = ALARMS.with_borrow_mut(|alarms| alarms.insert(rings_at));
        let set = self.set.insert(Set { place, timer: None });
        let callback = BELL.with(|bell| bell.of(&JsValue::UNDEFINED, place as u32, serial));
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

/// That of now.
fn clear_timeout() -> Option<ClearTimeout> {
    GLOBAL.with(|global| global.clear_timeout().ok())
}

/// By the clock that it was set in, as no other knows it. What that throws is of no use to
/// anybody: the timer will find that nobody waits.
fn clear(timer: &Timer, clear: &ClearTimeout) {
    // But not in Node if that is not the clock of now. The mock timers of node:test, once they
    // were reset, take out one of their next timers instead (seen in Node 20 and 26).
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
        let (rang, unused) =
            ALARMS.with_borrow_mut(|alarms| match &mut alarms.places[place].state {
                State::Waiting(known) => (false, std::mem::replace(known, waker)),
                _ => (true, waker),
            });
        // Outside: the last waker of a task drops the task, and with it other alarms.
        drop(unused);
        match rang {
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
        if !matches!(state, State::Rang)
            && let Some((timer, clear_timeout)) = timer
        {
            clear(&timer, &clear_timeout);
        }
    }
}

impl Alarms {
    fn insert(&mut self, rings_at: f64) -> (usize, u32) {
        self.last_serial = self.last_serial.wrapping_add(1);
        let serial = self.last_serial;
        let state = State::BeingSet;
        let place = self.places.insert(Place {
            serial,
            rings_at,
            state,
        });
        (place, serial)
    }

    fn remove(&mut self, place: usize) -> Place {
        let removed = self.places.remove(place);
        if self.places.is_empty() && self.places.capacity() > KEPT {
            self.places = Slab::new();
        }
        removed
    }

    /// Who is to be woken, and when that was due.
    fn ring(&mut self, place: u32, serial: u32) -> Option<(f64, Waker)> {
        let place = self.places.get_mut(place as usize)?;
        if place.serial != serial {
            return None;
        }
        let rang = match &place.state {
            State::BeingSet | State::RangAtOnce => State::RangAtOnce,
            State::Waiting(_) | State::Rang => State::Rang,
        };
        match std::mem::replace(&mut place.state, rang) {
            State::Waiting(waker) => Some((place.rings_at, waker)),
            _ => None,
        }
    }
}

/// The timer that was set for the alarm at `place` went off.
fn ring(place: u32, serial: u32) {
    if let Some((rings_at, waker)) = ALARMS.with_borrow_mut(|alarms| alarms.ring(place, serial)) {
        clock::reached(rings_at);
        // Outside: whoever is woken drops its alarm.
        waker.wake();
    }
}
