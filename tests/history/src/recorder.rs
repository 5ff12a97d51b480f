//! [`Recorder`]: how Rust clients log, and the clock that all processes of a machine share.

use std::sync::{Arc, Mutex};

use rustix::time::{ClockId, clock_gettime};

use crate::event::{Event, What};

/// Nanoseconds of `CLOCK_MONOTONIC`, which is one clock for all processes (clock_gettime(2)).
/// Node's `process.hrtime()` reads the same.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).expect("it began at the start");
    let nanos = u64::try_from(now.tv_nsec).expect("it is less than a second");
    seconds * 1_000_000_000 + nanos
}

/// Collects what the tasks of one context log. Each task has a log of its own, so that logging
/// does not put them in an order that the lock did not.
#[derive(Debug, Clone)]
pub struct Recorder {
    context: Arc<str>,
    done: Arc<Mutex<Vec<Event>>>,
}

impl Recorder {
    pub fn new(context: &str) -> Self {
        Self {
            context: context.into(),
            done: Arc::default(),
        }
    }

    pub fn log(&self) -> Log {
        Log {
            recorder: self.clone(),
            events: Vec::new(),
        }
    }

    /// What all logs had that were dropped.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.done.lock().expect("nobody panics with it"))
    }
}

/// What one task logs.
#[derive(Debug)]
pub struct Log {
    recorder: Recorder,
    events: Vec<Event>,
}

impl Log {
    pub fn add(&mut self, what: What) {
        let context = self.recorder.context.to_string();
        // The text first: it takes longer than the look at the clock.
        let at = now();
        self.events.push(Event { at, context, what });
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let mut done = self.recorder.done.lock().expect("nobody panics with it");
        done.append(&mut self.events);
    }
}
