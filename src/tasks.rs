//! Tasks: what runs by itself in browsers and Node: what JavaScript asks for, until it is
//! answered, and what the Web Locks backend does on the side.
//!
//! A task is polled when it is started, and again by whatever wakes it, in the same
//! breath: a lock that is free is granted within the call that asks for it, and a
//! release hands over without a turn of JavaScript's queues in between. (A future of
//! wasm-bindgen-futures takes two of those, a promise and two closures, which is more
//! than all that a lock costs here.)
//!
//! And those of wasm-bindgen-futures run by `queueMicrotask`, which test suites replace like
//! `setTimeout`: once it has lost a callback, none of them ever runs again.
//!
//! All that wakes a task must be on its thread: promises, timers and, as the npm package has
//! no threads (each worker loads a module of its own), whatever JavaScript asks for.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use slab::Slab;

/// Names a task that waits.
pub(crate) type TaskNumber = u32;

type Task = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    static TASKS: RefCell<Tasks> = RefCell::default();
}

#[derive(Default)]
struct Tasks {
    places: Slab<Place>,
    /// One for each place, for all the tasks that it will ever have. Who wakes a task
    /// that is gone has another one look for itself once more.
    wakers: Vec<Waker>,
}

enum Place {
    Waiting(Task),
    /// Taken out, so that it may start, wake and cancel others, and itself.
    Polled(Meanwhile),
}

/// What happened to a task while it was polled.
#[derive(Clone, Copy)]
enum Meanwhile {
    Nothing,
    Woken,
    Cancelled,
}

/// What follows when a task was polled and is not done.
enum Next {
    Wait,
    PollAgain(Task),
    Drop(Task),
}

/// More places than these are not kept for other tasks.
const KEPT: usize = 64;

/// Runs `task`. Returns its number if it has to wait.
pub(crate) fn start(task: impl Future<Output = ()> + 'static) -> Option<TaskNumber> {
    let (place, waker) = TASKS.with_borrow_mut(|tasks| {
        let place = tasks.places.insert(Place::Polled(Meanwhile::Nothing));
        (place, tasks.waker(place))
    });
    let is_done = run(place, Box::pin(task), &waker);
    (!is_done).then(|| TaskNumber::try_from(place).expect("a pointer has 32 bits"))
}

/// Runs `task`, which nobody will [cancel].
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    let _ = start(task);
}

/// Drops a task that waits, which withdraws what it waits for. One that is being polled
/// is dropped after that.
#[cfg_attr(
    not(feature = "js"),
    expect(dead_code, reason = "for JavaScript, which cannot drop a future")
)]
pub(crate) fn cancel(task: TaskNumber) {
    let task = TASKS.with_borrow_mut(|tasks| tasks.cancel(task as usize));
    // Outside: it may wake others.
    drop(task);
}

struct WakePlace(usize);

impl Wake for WakePlace {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some((task, waker)) = TASKS.with_borrow_mut(|tasks| tasks.take(self.0)) {
            run(self.0, task, &waker);
        }
    }
}

/// Polls the task that was taken from `place` until it is done (`true`) or waits there.
fn run(place: usize, mut task: Task, waker: &Waker) -> bool {
    loop {
        if task
            .as_mut()
            .poll(&mut Context::from_waker(waker))
            .is_ready()
        {
            drop(task);
            TASKS.with_borrow_mut(|tasks| tasks.remove(place));
            return true;
        }
        match TASKS.with_borrow_mut(|tasks| tasks.put_back(place, task)) {
            Next::Wait => return false,
            Next::PollAgain(woken) => task = woken,
            Next::Drop(cancelled) => {
                drop(cancelled);
                TASKS.with_borrow_mut(|tasks| tasks.remove(place));
                return true;
            }
        }
    }
}

impl Tasks {
    fn waker(&mut self, place: usize) -> Waker {
        while self.wakers.len() <= place {
            let waker = Waker::from(Arc::new(WakePlace(self.wakers.len())));
            self.wakers.push(waker);
        }
        self.wakers[place].clone()
    }

    /// The task at `place`, unless there is none or it is being polled.
    fn take(&mut self, place: usize) -> Option<(Task, Waker)> {
        match self.places.get_mut(place)? {
            Place::Polled(meanwhile) => {
                if let Meanwhile::Nothing = meanwhile {
                    *meanwhile = Meanwhile::Woken;
                }
                None
            }
            waiting => {
                let taken = std::mem::replace(waiting, Place::Polled(Meanwhile::Nothing));
                let Place::Waiting(task) = taken else {
                    return None;
                };
                Some((task, self.waker(place)))
            }
        }
    }

    /// What is to be done with a task that was polled and is not done.
    fn put_back(&mut self, place: usize, task: Task) -> Next {
        match self.places[place] {
            Place::Polled(Meanwhile::Woken) => {
                self.places[place] = Place::Polled(Meanwhile::Nothing);
                Next::PollAgain(task)
            }
            Place::Polled(Meanwhile::Cancelled) => Next::Drop(task),
            _ => {
                self.places[place] = Place::Waiting(task);
                Next::Wait
            }
        }
    }

    /// The task at `place`, if it waits there.
    fn cancel(&mut self, place: usize) -> Option<Place> {
        match self.places.get_mut(place)? {
            Place::Polled(meanwhile) => {
                *meanwhile = Meanwhile::Cancelled;
                None
            }
            Place::Waiting(_) => Some(self.remove(place)),
        }
    }

    fn remove(&mut self, place: usize) -> Place {
        let removed = self.places.remove(place);
        if self.places.is_empty() && self.wakers.len() > KEPT {
            *self = Self::default();
        }
        removed
    }
}
