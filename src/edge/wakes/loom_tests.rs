//! Every interleaving of the threads that wake and the one that runs JavaScript, by loom.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::{Function, Wakes};

/// The event loop of a thread that runs JavaScript.
#[derive(Debug, Default)]
struct Loop {
    is_called: Mutex<bool>,
    changed: Condvar,
    has_ended: AtomicBool,
}

impl Function for Arc<Loop> {
    fn call(&self) -> bool {
        // `Relaxed` on purpose: nothing here orders it after the end but the mutex of the list.
        assert!(!self.has_ended.load(Relaxed), "it was released");
        *self.is_called.lock().unwrap() = true;
        self.changed.notify_one();
        true
    }
}

impl Loop {
    fn wait_for_call(&self) {
        let mut is_called = self.is_called.lock().unwrap();
        while !*is_called {
            is_called = self.changed.wait(is_called).unwrap();
        }
        *is_called = false;
    }

    /// Looks whenever it is called, until so many requests have changed.
    fn look(&self, wakes: &Wakes<Arc<Self>>, mut seen: Vec<u32>, count: usize) {
        while seen.len() < count {
            self.wait_for_call();
            seen.extend(std::iter::from_fn(|| wakes.next()));
        }
        seen.sort_unstable();
        assert!(seen.iter().copied().eq(1..=count as u32), "{seen:?}");
    }
}

fn new() -> (Arc<Loop>, Arc<Wakes<Arc<Loop>>>) {
    let event_loop = Arc::new(Loop::default());
    (Arc::clone(&event_loop), Wakes::new(event_loop))
}

fn wake_in_thread(wakes: &Arc<Wakes<Arc<Loop>>>, request: u32) -> thread::JoinHandle<()> {
    let waker = wakes.waker(request);
    thread::spawn(move || waker.wake())
}

/// Whoever pushes a change while the others are looked at calls again, or it would lie there for ever.
#[test]
fn no_change_is_overlooked() {
    loom::model(|| {
        let (event_loop, wakes) = new();
        let threads = [1, 2].map(|request| wake_in_thread(&wakes, request));
        event_loop.look(&wakes, Vec::new(), 2);
        for thread in threads {
            thread.join().expect("who wakes");
        }
    });
}

/// A call of JavaScript wakes a request of its own, and looks when it returns, while another thread wakes one.
#[test]
fn what_a_call_wakes_itself_is_looked_at_when_it_returns() {
    loom::model(|| {
        let (event_loop, wakes) = new();
        let other = wake_in_thread(&wakes, 1);
        let own = wakes.waker(2);
        let ((), follows) = wakes.within(|| own.wake());
        assert!(follows, "nobody else tells it");
        let seen = std::iter::from_fn(|| wakes.next()).collect();
        event_loop.look(&wakes, seen, 2);
        other.join().expect("who wakes");
    });
}

/// A call panics once it has woken a request of its own, and JavaScript gets an error instead of what follows. So it is
/// called for that, and for what the same thread wakes afterwards.
#[test]
fn what_a_call_that_panics_has_woken_is_called_for() {
    loom::model(|| {
        let (event_loop, wakes) = new();
        let own = wakes.waker(1);
        let call = AssertUnwindSafe(|| {
            wakes.within(|| {
                own.wake();
                resume_unwind(Box::new("as a panic does"));
            })
        });
        assert!(catch_unwind(call).is_err());
        event_loop.look(&wakes, Vec::new(), 1);
        wakes.waker(1).wake();
        event_loop.look(&wakes, Vec::new(), 1);
    });
}

/// The environment ends while a request is woken. From then on the function is not called: it is released.
#[test]
fn nobody_calls_what_was_released() {
    loom::model(|| {
        let (event_loop, wakes) = new();
        let threads = [1, 2].map(|request| wake_in_thread(&wakes, request));
        assert!(wakes.end().is_some());
        event_loop.has_ended.store(true, Relaxed);
        for thread in threads {
            thread.join().expect("who wakes");
        }
        assert!(wakes.end().is_none());
    });
}
