//! Tasks that run by themselves in browsers and Node, for the Web Locks backend.
//!
//! A task is polled within the call that starts it, and within each call that wakes it. (Those
//! of wasm-bindgen-futures run by `queueMicrotask`, which test suites replace like `setTimeout`:
//! once a callback is lost, none of them ever runs again.)
//!
//! A task must be woken on its own thread, as promises and timers do it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use slab::Slab;

type Task = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    static TASKS: RefCell<Tasks> = RefCell::default();
}

#[derive(Default)]
struct Tasks {
    places: Slab<Place>,
    /// The waker of each place, for all the tasks that it ever has. If a task is woken that is
    /// gone, the present task of its place is polled once more.
    wakers: Vec<Waker>,
}

enum Place {
    Waiting(Task),
    /// Taken out, so that it may start and wake others.
    Polled {
        is_woken: bool,
    },
}

/// How many places are kept for other tasks.
const KEPT: usize = 64;

/// Runs `task`.
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    let (place, waker) = TASKS.with_borrow_mut(|tasks| {
        let place = tasks.places.insert(Place::Polled { is_woken: false });
        (place, tasks.waker(place))
    });
    run(place, Box::pin(task), &waker);
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

/// Polls the task that was taken from `place` until it is done, or has to wait in its place.
fn run(place: usize, mut task: Task, waker: &Waker) {
    loop {
        if task
            .as_mut()
            .poll(&mut Context::from_waker(waker))
            .is_ready()
        {
            drop(task);
            return TASKS.with_borrow_mut(|tasks| tasks.remove(place));
        }
        match TASKS.with_borrow_mut(|tasks| tasks.put_back(place, task)) {
            None => return,
            Some(woken) => task = woken,
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
        let polled = Place::Polled { is_woken: false };
        match std::mem::replace(self.places.get_mut(place)?, polled) {
            Place::Waiting(task) => Some((task, self.waker(place))),
            Place::Polled { .. } => {
                self.places[place] = Place::Polled { is_woken: true };
                None
            }
        }
    }

    /// Gives the task back if it was woken while it was polled.
    fn put_back(&mut self, place: usize, task: Task) -> Option<Task> {
        if let Place::Polled { is_woken: true } = self.places[place] {
            self.places[place] = Place::Polled { is_woken: false };
            return Some(task);
        }
        self.places[place] = Place::Waiting(task);
        None
    }

    fn remove(&mut self, place: usize) {
        self.places.remove(place);
        if self.places.is_empty() && self.wakers.len() > KEPT {
            *self = Self::default();
        }
    }
}
