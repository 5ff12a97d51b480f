//! [`Function`]: a function of JavaScript that any thread may have called.

use std::ptr;

use crosslock::edge;
use napi::sys;

/// A thread-safe function of Node-API, which calls JavaScript to look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function(pub(crate) sys::napi_threadsafe_function);

// SAFETY: any thread may call such a function for as long as it was not released (Node-API,
// "Asynchronous thread-safe function calls"). `Wakes` calls it under its mutex alone, and it is taken out
// there before it is released.
unsafe impl Send for Function {}

impl edge::Function for Function {
    fn call(&self) -> bool {
        let mode = sys::ThreadsafeFunctionCallMode::nonblocking;
        // SAFETY: it was not released, as `Wakes` still has it. Its queue has no limit, so the call neither
        // blocks nor comes back to the mutex of `Wakes`.
        let status = unsafe { sys::napi_call_threadsafe_function(self.0, ptr::null_mut(), mode) };
        status == sys::Status::napi_ok
    }
}

/// How one copy of the package hears of changes.
pub(crate) type Wakes = edge::Wakes<Function>;
