//! [`Recorder`]: how Rust clients log, and the clock that all processes of a machine share.

use std::sync::{Arc, Mutex};

use rustix::time::{ClockId, clock_gettime};

use crate::event::{Event, What, line};

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
    sink: Sink,
}

#[derive(Debug, Clone)]
enum Sink {
    Memory(Arc<Mutex<Vec<Event>>>),
    /// A line for each event, at once: whoever is killed has told of what it did.
    Stdout,
}

impl Recorder {
    pub fn new(context: &str) -> Self {
        Self {
            context: context.into(),
            sink: Sink::Memory(Arc::default()),
        }
    }

    /// One that writes lines of JSON to the standard output.
    pub fn to_stdout(context: &str) -> Self {
        Self {
            context: context.into(),
            sink: Sink::Stdout,
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
        match &self.sink {
            Sink::Memory(done) => std::mem::take(&mut done.lock().expect("nobody panics with it")),
            Sink::Stdout => Vec::new(),
        }
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
        let event = Event { at, context, what };
        match self.recorder.sink {
            Sink::Memory(_) => self.events.push(event),
            Sink::Stdout => {
                let line = line(&event) + "\n";
                // In one piece: less than PIPE_BUF bytes are never torn (pipe(7)).
                let written = rustix::io::write(rustix::stdio::stdout(), line.as_bytes());
                assert_eq!(written, Ok(line.len()), "the pipe takes a line");
            }
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Sink::Memory(done) = &self.recorder.sink {
            let mut done = done.lock().expect("nobody panics with it");
            done.append(&mut self.events);
        }
    }
}
