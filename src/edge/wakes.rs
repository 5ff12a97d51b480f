//! [`Wakes`]: how one copy of the package hears, in its thread, that a request of its has changed.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ptr;
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};

use super::Opened;
use crate::sync::{Mutex, MutexGuard, thread_local};

#[cfg(all(test, loom))]
mod loom_tests;

/// Calls JavaScript to look.
pub trait Function: Send + 'static {
    /// Has the thread of JavaScript come, soon and once. Returns whether it will. It is called under a mutex, so it
    /// neither waits nor comes back here.
    fn call(&self) -> bool;
}

/// What has changed and was not looked at yet, and how to have it looked at.
#[derive(Debug)]
pub struct Wakes<F>(Mutex<List<F>>);

#[derive(Debug)]
struct List<F> {
    requests: VecDeque<u32>,
    opened: Vec<(u32, Opened)>,
    /// Whether JavaScript was called, and has not come yet.
    is_called: bool,
    /// `None` once the environment ends.
    function: Option<F>,
}

thread_local! {
    /// Whose call it is that this thread is at work on.
    static CALL: Cell<*const ()> = const { Cell::new(ptr::null()) };
    /// Whether that call woke a request of the caller itself.
    static WOKE: Cell<bool> = const { Cell::new(false) };
}

impl<F: Function> Wakes<F> {
    pub fn new(function: F) -> Arc<Self> {
        Arc::new(Self(Mutex::new(List {
            requests: VecDeque::new(),
            opened: Vec::new(),
            is_called: false,
            function: Some(function),
        })))
    }

    /// What wakes this request.
    pub fn waker(self: &Arc<Self>, request: u32) -> Waker {
        let wakes = self.clone();
        Waker::from(Arc::new(One { wakes, request }))
    }

    /// Runs a step that may wake requests, and says whether it woke any of this one's own. They
    /// are looked at when the call returns: to be called for that would take a turn of the event
    /// loop. If the step panics, nobody looks then, and JavaScript is called.
    pub fn within<T>(&self, step: impl FnOnce() -> T) -> (T, bool) {
        let call = Call::begin(self);
        let result = step();
        (result, call.end())
    }

    /// The next request that has changed. `None` makes the next change call JavaScript again.
    pub fn next(&self) -> Option<u32> {
        let mut list = self.lock();
        let next = list.requests.pop_front();
        if next.is_none() {
            list.is_called = false;
            // What a stampede needed is given back.
            list.requests.shrink_to(64);
        }
        next
    }

    /// From now on JavaScript is called no more. Returns what called it.
    pub fn end(&self) -> Option<F> {
        self.lock().function.take()
    }

    fn wake(&self, request: u32) {
        let this: *const Self = self;
        let is_own = ptr::eq(CALL.with(Cell::get), this.cast());
        let mut list = self.lock();
        list.requests.push_back(request);
        match is_own {
            true => WOKE.with(|woke| woke.set(true)),
            false => list.call(),
        }
    }

    /// From another thread: a datadir was opened, or could not be.
    pub fn opened(&self, ticket: u32, opened: Opened) {
        let mut list = self.lock();
        list.opened.push((ticket, opened));
        list.call();
    }

    /// The next datadir of which [`opened`](Self::opened) told.
    pub fn next_opened(&self) -> Option<(u32, Opened)> {
        self.lock().opened.pop()
    }

    fn lock(&self) -> MutexGuard<'_, List<F>> {
        // Nothing under it leaves the list half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Function> List<F> {
    fn call(&mut self) {
        if !self.is_called
            && let Some(function) = &self.function
        {
            // It fails where the environment ends, which then frees all that waits.
            self.is_called = function.call();
        }
    }
}

/// A call that the thread is at work on. It ends when this is dropped, by a panic too: else all that the thread wakes
/// from then on would be taken for what a call looks at when it returns.
struct Call<'a, F: Function>(&'a Wakes<F>);

impl<'a, F: Function> Call<'a, F> {
    fn begin(wakes: &'a Wakes<F>) -> Self {
        let own: *const Wakes<F> = wakes;
        CALL.with(|call| call.set(own.cast()));
        WOKE.with(|woke| woke.set(false));
        Self(wakes)
    }

    /// Returns whether it woke any of its own. The caller looks at them.
    fn end(self) -> bool {
        WOKE.with(|woke| woke.replace(false))
    }
}

impl<F: Function> Drop for Call<'_, F> {
    fn drop(&mut self) {
        CALL.with(|call| call.set(ptr::null()));
        if WOKE.with(|woke| woke.replace(false)) {
            self.0.lock().call();
        }
    }
}

/// One request, as the lock table wakes it.
struct One<F> {
    wakes: Arc<Wakes<F>>,
    request: u32,
}

impl<F: Function> Wake for One<F> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.wake(self.request);
    }
}
