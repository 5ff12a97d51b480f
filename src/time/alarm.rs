//! [`Alarm`]: `setTimeout` for many.
//!
//! Nearly all who wait for locks wait for one of a few times, and nearly none of them
//! until it is over. To set and to clear a timer for each costs more than the lock. So
//! all alarms of one length stand in a line, which is in the order in which they go
//! off, and have one timer, which is left running when the last of them is gone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use js_sys::Function;
use slab::Slab;
use wasm_bindgen::prelude::*;

use super::Stamp;
use crate::core::list::{Linked, Links, List};
use crate::hash::BuildHasher;

#[wasm_bindgen]
extern "C" {
    /// <https://nodejs.org/api/timers.html#class-timeout>; in browsers a number.
    type Timer;

    /// <https://developer.mozilla.org/docs/Web/API/Window/setTimeout>
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, millis: u32, line: u32) -> Timer;

    /// <https://developer.mozilla.org/docs/Web/API/Window/clearTimeout>
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &Timer);

    /// Whether the process may end while the timer runs.
    #[wasm_bindgen(method, js_name = ref)]
    fn keep_process(this: &Timer);

    #[wasm_bindgen(method, js_name = unref)]
    fn let_process_end(this: &Timer);
}

thread_local! {
    static ALARMS: RefCell<Alarms> = RefCell::default();
}

#[derive(Default)]
struct Alarms {
    /// By their length in milliseconds; each has a timer that runs.
    lines: HashMap<u32, Line, BuildHasher>,
    set: Slab<Set>,
    /// What the timers call, for as long as the thread lives.
    bell: Option<Function>,
}

struct Line {
    timer: Timer,
    waiting: List,
}

struct Set {
    rings_at: f64,
    waker: Waker,
    links: Links,
}

impl Linked for Set {
    fn links(&self) -> Links {
        self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// Ready after so many milliseconds from its first poll. Dropping it takes it out of
/// its line.
pub(super) struct Alarm {
    millis: u32,
    slot: Option<usize>,
}

impl Alarm {
    pub(super) fn after(millis: u32) -> Self {
        let slot = None;
        Self { millis, slot }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let now = Stamp::now().millis();
        let Some(slot) = self.slot else {
            let rings_at = now + f64::from(self.millis);
            let slot = ALARMS.with_borrow_mut(|alarms| alarms.set(self.millis, rings_at, waker));
            self.slot = Some(slot);
            return Poll::Pending;
        };
        let (state, unused) = ALARMS.with_borrow_mut(|alarms| {
            let set = &mut alarms.set[slot];
            match set.rings_at <= now {
                true => (Poll::Ready(()), waker),
                false => (Poll::Pending, std::mem::replace(&mut set.waker, waker)),
            }
        });
        // Outside: the last waker of a task drops the task, and with it other alarms.
        drop(unused);
        state
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            let waker = ALARMS.with_borrow_mut(|alarms| alarms.remove(self.millis, slot));
            drop(waker);
        }
    }
}

impl Alarms {
    /// Those to be woken.
    fn ring(&mut self, millis: u32, now: f64) -> Vec<Waker> {
        let Some(line) = self.lines.get_mut(&millis) else {
            return Vec::new();
        };
        if line.waiting.is_empty() {
            self.lines.remove(&millis);
            return Vec::new();
        }
        let (mut due, mut left) = (Vec::new(), f64::from(millis));
        for slot in line.waiting.iter(&self.set) {
            let Set {
                rings_at, waker, ..
            } = &self.set[slot];
            if *rings_at > now {
                left = rings_at - now;
                break;
            }
            due.push(waker.clone());
        }
        // Rounded up, as browsers do not count parts of a millisecond.
        line.timer = set_timeout(bell(&mut self.bell), left.ceil() as u32, millis);
        due
    }

    fn set(&mut self, millis: u32, rings_at: f64, waker: Waker) -> usize {
        let links = Links::default();
        let slot = self.set.insert(Set {
            rings_at,
            waker,
            links,
        });
        let line = self.lines.entry(millis).or_insert_with(|| Line {
            timer: set_timeout(bell(&mut self.bell), millis, millis),
            waiting: List::default(),
        });
        if line.waiting.is_empty() {
            line.timer.hold_process(true);
        }
        line.waiting.push_back(slot, &mut self.set);
        slot
    }

    fn remove(&mut self, millis: u32, slot: usize) -> Waker {
        let line = self
            .lines
            .get_mut(&millis)
            .expect("it goes when it is empty");
        line.waiting.unlink(slot, &mut self.set);
        if line.waiting.is_empty() {
            line.timer.hold_process(false);
            if self.lines.len() > KEPT_LINES {
                let line = self.lines.remove(&millis);
                clear_timeout(&line.expect("it was there above").timer);
            }
        }
        let Set { waker, .. } = self.set.remove(slot);
        if self.set.is_empty() && self.set.capacity() > KEPT {
            self.set = Slab::new();
        }
        waker
    }
}

/// More places than these are not kept for other alarms.
const KEPT: usize = 64;

/// So many timers may run for nobody.
const KEPT_LINES: usize = 8;

fn bell(bell: &mut Option<Function>) -> &Function {
    bell.get_or_insert_with(|| {
        let bell = Closure::<dyn Fn(u32)>::new(ring);
        bell.into_js_value().unchecked_into()
    })
}

impl Timer {
    fn hold_process(&self, hold: bool) {
        if !self.is_object() {
            return;
        }
        match hold {
            true => self.keep_process(),
            false => self.let_process_end(),
        }
    }
}

/// The timer of the line `millis` went off.
fn ring(millis: u32) {
    let due = ALARMS.with_borrow_mut(|alarms| alarms.ring(millis, Stamp::now().millis()));
    // Outside: whoever is woken drops its alarm.
    due.into_iter().for_each(Waker::wake);
}
