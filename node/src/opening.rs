//! [`Opening`]: a datadir that is being opened, on a thread of its own. It may have to wait for
//! another process, and even a try may take long where the datadir is on a network.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crosslock::edge::{Kind, Locks, Opened};
use crosslock::{DatadirOptions, PidLockError};

use crate::function::Wakes;

/// To drop it ends the wait for another process, and gives up a datadir that was opened since.
#[derive(Debug)]
pub(crate) struct Opening {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

/// Too plain for a model: the flag is set under the mutex under which whoever waits looks at it, so no notice comes
/// between the look and the wait; and the thread is joined before anything that it uses is gone.
#[derive(Debug, Default)]
struct Stop {
    is_set: Mutex<bool>,
    changed: Condvar,
}

/// A wait begins with the first of these and ends with the second, as in Rust: no system tells
/// when such a lock is free.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

impl Opening {
    /// Opens a datadir, and has `wakes` tell of it as `ticket`.
    pub(crate) fn start(
        kind: Kind,
        datadir: PathBuf,
        lock_file: Option<PathBuf>,
        timeout: Duration,
        wakes: Arc<Wakes>,
        ticket: u32,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(Stop::default());
        let stopped = stop.clone();
        let open = move || {
            let mut options = DatadirOptions::new(datadir);
            if let Some(lock_file) = lock_file {
                options = options.with_lock_file(lock_file);
            }
            if let Some(opened) = wait(kind, &options, timeout, &stopped) {
                wakes.opened(ticket, opened);
            }
        };
        let thread = thread::Builder::new().name("crosslock".into());
        Ok(Self {
            stop,
            thread: Some(thread.spawn(open)?),
        })
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        *self.stop.lock() = true;
        self.stop.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It panics at nothing that we know of, and then there is nothing to give up.
            let _ = thread.join();
        }
    }
}

impl Stop {
    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.is_set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for so long. Returns whether to stop.
    fn within(&self, pause: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), pause, |is_set| !*is_set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// `None` if nobody wants to know any more.
fn wait(kind: Kind, options: &DatadirOptions, timeout: Duration, stop: &Stop) -> Option<Opened> {
    let start = Instant::now();
    let (mut pause, longest) = PAUSES;
    loop {
        let opened = Locks::open(kind, options.clone());
        let is_held = matches!(
            opened,
            Some(Err(
                PidLockError::AlreadyHeld { .. } | PidLockError::OtherKind { .. }
            ))
        );
        if !is_held {
            return Some(opened);
        }
        let remaining = timeout.saturating_sub(start.elapsed());
        if remaining.is_zero() {
            return Some(opened);
        }
        if stop.within(pause.min(remaining)) {
            return None;
        }
        pause = (pause * 2).min(longest);
    }
}
