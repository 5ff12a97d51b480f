//! [`Client`]: one copy of the package in one thread.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use napi::{Error, Result, Status, sys};

use crate::function::{Function, Wakes};
use crate::thread;

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) wakes: Arc<Wakes>,
    /// What the lock table is to call its requests that have no label.
    pub(crate) name: Arc<str>,
    env: sys::napi_env,
    function: Function,
    waiting: u32,
}

impl Client {
    /// `wake` is called with no argument when something [is to be looked at](Wakes::next).
    ///
    /// # Safety
    ///
    /// `env` is the environment that this thread runs JavaScript in, and `wake` a function in it.
    pub(crate) unsafe fn new(
        env: sys::napi_env,
        wake: sys::napi_value,
        name: Arc<str>,
    ) -> Result<Self> {
        let mut function = ptr::null_mut();
        let text = c"crosslock";
        let mut title = ptr::null_mut();
        // SAFETY: `env` is that of this thread, as the caller says, and all else outlives the calls.
        // Without a callback of ours the function itself is called.
        unsafe {
            let length = text.count_bytes() as isize;
            check(sys::napi_create_string_utf8(
                env,
                text.as_ptr(),
                length,
                &mut title,
            ))?;
            check(sys::napi_create_threadsafe_function(
                env,
                wake,
                ptr::null_mut(),
                title,
                0,
                1,
                ptr::null_mut(),
                None,
                ptr::null_mut(),
                None,
                &mut function,
            ))?;
            // It keeps the event loop alive only while something waits.
            check(sys::napi_unref_threadsafe_function(env, function))?;
        }
        let function = Function(function);
        Ok(Self {
            wakes: Wakes::new(function),
            name,
            env,
            function,
            waiting: 0,
        })
    }

    /// Frees what `client` has when its environment ends.
    ///
    /// Hooks run in the reverse of the order in which they were added (Node-API,
    /// "napi_add_env_cleanup_hook"), so this one runs before that of the function that [`new`](Self::new)
    /// made, which ends it.
    ///
    /// # Safety
    ///
    /// As [`new`](Self::new); once for each client.
    pub(crate) unsafe fn free_at_the_end(env: sys::napi_env, client: u32) -> Result<()> {
        let client = ptr::without_provenance_mut::<c_void>(client as usize);
        // SAFETY: the hook runs in this thread, and takes a number.
        check(unsafe { sys::napi_add_env_cleanup_hook(env, Some(ended), client) })
    }

    /// One more of its requests waits.
    pub(crate) fn begins_to_wait(&mut self) {
        self.waiting += 1;
        if self.waiting == 1 {
            // SAFETY: clients are of the thread that runs `env`, and gone with it.
            unsafe { sys::napi_ref_threadsafe_function(self.env, self.function.0) };
        }
    }

    /// One of them waits no longer.
    pub(crate) fn ends_to_wait(&mut self) {
        self.waiting -= 1;
        if self.waiting == 0 {
            // SAFETY: as above.
            unsafe { sys::napi_unref_threadsafe_function(self.env, self.function.0) };
        }
    }
}

fn check(status: sys::napi_status) -> Result<()> {
    match status {
        sys::Status::napi_ok => Ok(()),
        status => Err(Error::from_status(Status::from(status))),
    }
}

/// The environment of a client ends: its thread returns, was terminated, threw or has no memory
/// left. No JavaScript runs any more.
extern "C" fn ended(client: *mut c_void) {
    // Nothing may unwind into Node.
    let _ = std::panic::catch_unwind(|| {
        let Some(client) = thread::with(|thread| thread.end(client.addr() as u32)) else {
            return;
        };
        // No other thread calls it from here on. Those that did are behind the mutex.
        if let Some(Function(function)) = client.wakes.end() {
            let mode = sys::ThreadsafeFunctionReleaseMode::release;
            // SAFETY: it was made with a count of one, and this is the only release.
            unsafe { sys::napi_release_threadsafe_function(function, mode) };
        }
    });
}
