//! [`Threads`]: where blocking waits run. The kernel has no lock that can be awaited, so each wait
//! that is under way has a thread, and there is one only while the kernel makes it wait.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::sync::in_turn::{Condvar, thread};
use crate::sync::{Mutex, MutexGuard};

#[cfg(all(test, loom))]
mod loom_tests;

/// How long a thread without work stays. To start one costs more than a hand-off between
/// processes, and a key that was contended mostly is so again soon.
const IDLE: Duration = Duration::from_secs(5);

/// They make a few system calls.
const STACK: usize = 128 * 1024;

type Job = Box<dyn FnOnce() + Send>;

/// Starts threads and gives them work. When it is dropped, those without work end.
#[derive(Default)]
pub(super) struct Threads(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    idle: usize,
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Threads {
    /// Runs `job` in a thread that has nothing else to do.
    ///
    /// # Errors
    ///
    /// The system starts no more threads.
    pub(super) fn run(&self, job: Job) -> io::Result<()> {
        let mut state = self.0.state();
        if state.idle > state.jobs.len() {
            state.jobs.push_back(job);
            drop(state);
            self.0.changed.notify_one();
            return Ok(());
        }
        drop(state);
        let shared = Arc::clone(&self.0);
        let thread = thread::Builder::new()
            .name(String::from("crosslock"))
            .stack_size(STACK);
        thread.spawn(move || shared.work(job)).map(drop)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No job runs under the mutex, so nothing panics there.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            job();
            let mut state = self.state();
            state.idle += 1;
            let waits = |state: &mut State| state.jobs.is_empty() && !state.closed;
            let (mut state, _) = self
                .changed
                .wait_timeout_while(state, IDLE, waits)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            next = state.jobs.pop_front();
        }
    }
}
