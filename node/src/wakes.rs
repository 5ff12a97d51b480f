//! [`Wakes`]: how one copy of the package hears, in its thread, that a request of its has changed.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use napi::sys;

use crate::opening::Opened;

/// What has changed and was not looked at yet, and how to have it looked at.
#[derive(Debug)]
pub(crate) struct Wakes(Mutex<List>);

#[derive(Debug)]
struct List {
    requests: VecDeque<u32>,
    opened: Vec<(u32, Opened)>,
    /// Whether JavaScript was called, and has not come yet.
    is_called: bool,
    /// `None` once the environment ends.
    function: Option<Function>,
}

/// A thread-safe function of Node-API, which calls JavaScript to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function(pub(crate) sys::napi_threadsafe_function);

// SAFETY: any thread may call such a function for as long as it was not released (Node-API,
// "Asynchronous thread-safe function calls"). It is called only under the mutex of `List`, and
// taken out there before it is released.
unsafe impl Send for Function {}

thread_local! {
    /// Whose call it is that this thread is at work on.
    static CALL: Cell<*const Wakes> = const { Cell::new(ptr::null()) };
    /// Whether that call woke a request of the caller itself.
    static WOKE: Cell<bool> = const { Cell::new(false) };
}

impl Wakes {
    pub(crate) fn new(function: Function) -> Arc<Self> {
        Arc::new(Self(Mutex::new(List {
            requests: VecDeque::new(),
            opened: Vec::new(),
            is_called: false,
            function: Some(function),
        })))
    }

    /// What wakes this request.
    pub(crate) fn waker(self: &Arc<Self>, request: u32) -> Waker {
        let wakes = self.clone();
        Waker::from(Arc::new(One { wakes, request }))
    }

    /// Runs a step that may wake requests, and says whether it woke any of this one's own. They
    /// are looked at when the call returns: to be called for that would take a turn of the event
    /// loop.
    pub(crate) fn within<T>(&self, step: impl FnOnce() -> T) -> (T, bool) {
        CALL.set(self);
        WOKE.set(false);
        let result = step();
        CALL.set(ptr::null());
        (result, WOKE.get())
    }

    /// The next request that has changed. `None` makes the next change call JavaScript again.
    pub(crate) fn next(&self) -> Option<u32> {
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
    pub(crate) fn end(&self) -> Option<Function> {
        self.lock().function.take()
    }

    fn wake(&self, request: u32) {
        let is_own = ptr::eq(CALL.get(), self);
        let mut list = self.lock();
        list.requests.push_back(request);
        match is_own {
            true => WOKE.set(true),
            false => list.call(),
        }
    }

    /// From another thread: a datadir was opened, or could not be.
    pub(crate) fn opened(&self, ticket: u32, opened: Opened) {
        let mut list = self.lock();
        list.opened.push((ticket, opened));
        list.call();
    }

    /// The next datadir of which [`opened`](Self::opened) told.
    pub(crate) fn next_opened(&self) -> Option<(u32, Opened)> {
        self.lock().opened.pop()
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        // Nothing under it leaves the list half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn call(&mut self) {
        if !self.is_called
            && let Some(Function(function)) = self.function
        {
            let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
            // SAFETY: it was not released, as it is still there, and the mutex is locked. Its
            // queue has no limit, so the call neither blocks nor comes back to this mutex.
            let status =
                unsafe { sys::napi_call_threadsafe_function(function, ptr::null_mut(), mode) };
            // It fails where the environment ends, which then frees all that waits.
            self.is_called = status == sys::Status::napi_ok;
        }
    }
}

/// One request, as the lock table wakes it.
struct One {
    wakes: Arc<Wakes>,
    request: u32,
}

impl Wake for One {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.wake(self.request);
    }
}
