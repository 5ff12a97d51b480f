//! What JavaScript calls for every lock: numbers come and go.
//!
//! Without the macro, whose conversions of two numbers take 80 ns of a call where these take 15,
//! measured with Node 20 and 26. A lock with its release is two of these calls.

use std::any::Any;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;

use crosslock::LockMode;
use crosslock::edge::State;
use napi::bindgen_prelude::Object;
use napi::{Error, JsError, JsValue, Result, sys};

use crate::exports::{Code, error};
use crate::thread::{self, IfHeld};

/// Adds the functions of this file to what the addon exports.
pub(crate) fn add_to(exports: Object<'_>) -> Result<()> {
    let (env, exports) = (exports.value().env, exports.raw());
    let functions: [(&CStr, sys::napi_callback); 7] = [
        (c"request", Some(request)),
        (c"state", Some(state)),
        (c"free", Some(free)),
        (c"remove", Some(remove)),
        (c"next", Some(next)),
        (c"watch", Some(watch)),
        (c"downgrade", Some(downgrade)),
    ];
    for (name, callback) in functions {
        let length = name.count_bytes() as isize;
        let mut function = ptr::null_mut();
        // SAFETY: `exports` is an object of `env`, in whose thread we are called to make it. The
        // names end in a zero, and the functions have no data.
        let status = unsafe {
            sys::napi_create_function(
                env,
                name.as_ptr(),
                length,
                callback,
                ptr::null_mut(),
                &mut function,
            );
            sys::napi_set_named_property(env, exports, name.as_ptr(), function)
        };
        if status != sys::Status::napi_ok {
            return Err(Error::from_status(status.into()));
        }
    }
    Ok(())
}

/// `request(queue, flags)`. `flags`: 1 shared, 2 not to wait, 4 to steal. Returns the number of the
/// request, above the three bits of its state; [`BUSY`] has no number.
extern "C" fn request(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[queue, flags]| ask(queue, flags, None))
}

/// `name` is `None` for the client's own.
pub(crate) fn ask(queue: u32, flags: u32, name: Option<Arc<str>>) -> Result<u32, Code> {
    let mode = match flags & 1 {
        0 => LockMode::Exclusive,
        _ => LockMode::Shared,
    };
    let if_held = match flags & 6 {
        0 => IfHeld::Wait,
        2 => IfHeld::Refuse,
        _ => IfHeld::Steal,
    };
    let asked = thread::with(|thread| thread.request(queue, mode, if_held, name));
    Ok(match asked.map_err(error)? {
        Some((request, state)) => numbered(request) << 3 | code(state),
        None => BUSY,
    })
}

/// Somebody else holds the lock, and the request was not to wait.
const BUSY: u32 = 2;

/// Zero is nobody.
fn numbered(request: u32) -> u32 {
    request + 1
}

fn code(state: State) -> u32 {
    match state {
        State::Pending => 0,
        State::Held => 1,
        State::Failed => 3,
        State::Lost => 4,
    }
}

/// `state(request)`.
extern "C" fn state(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[request]| {
        Ok(code(thread::with(|thread| thread.state(request - 1))))
    })
}

/// `free(request)` frees a lock and forgets its request. Returns 1, below a bit that says whether
/// [`next`] has something, below the queue if it has no request any more, plus one; or [`LOST`],
/// and then the request is still there.
extern "C" fn free(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[request]| Ok(end(request, true)))
}

/// `remove(request)`: the same of any request.
extern "C" fn remove(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[request]| Ok(end(request, false)))
}

fn end(request: u32, only_if_held: bool) -> u32 {
    let freed = thread::with(|thread| thread.free(request - 1, only_if_held));
    freed.map_or(LOST, |freed| {
        let unused = freed.unused.map_or(0, |queue| queue + 1);
        1 | u32::from(freed.follows) << 1 | unused << 2
    })
}

const LOST: u32 = 6;

/// `next(client)`: the next of its requests that may have changed, above the three bits of its
/// state; or 0, and then the client is called when there is one.
extern "C" fn next(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[client]| {
        let next = thread::with(|thread| thread.next(client));
        Ok(next.map_or(0, |(request, state)| numbered(request) << 3 | code(state)))
    })
}

/// `watch(request)`: from now on [`next`] tells of the loss of a held lock. Returns the state.
extern "C" fn watch(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[request]| {
        Ok(code(thread::with(|thread| thread.watch(request - 1))))
    })
}

/// `downgrade(request)`: makes a held lock shared. Returns the state that follows, and afterwards [`next`] may
/// have something.
extern "C" fn downgrade(env: sys::napi_env, info: sys::napi_callback_info) -> sys::napi_value {
    answer(env, info, |[request]| {
        let state = thread::with(|thread| thread.downgrade(request - 1));
        state.map(code).map_err(error)
    })
}

/// Calls `step` with the numbers that JavaScript gave. What it fails with is thrown, and so is a
/// panic.
#[inline(always)]
fn answer<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
    step: impl FnOnce([u32; N]) -> Result<u32, Code>,
) -> sys::napi_value {
    let numbers = numbers(env, info);
    let result = catch_unwind(AssertUnwindSafe(|| step(numbers?)));
    let result = result.unwrap_or_else(|panic| Err(panicked(&*panic)));
    let mut value = ptr::null_mut();
    match result {
        // SAFETY: Node-API calls us with `env` in its thread.
        Ok(number) => unsafe { sys::napi_create_uint32(env, number, &mut value) },
        Err(error) => {
            // SAFETY: the same.
            unsafe { JsError::from(error).throw_into(env) };
            sys::Status::napi_ok
        }
    };
    // Nothing, which is `undefined`, where something is thrown.
    value
}

#[inline(always)]
fn numbers<const N: usize>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> Result<[u32; N], Code> {
    let mut values = [ptr::null_mut(); N];
    let mut numbers = [0; N];
    let mut length = N;
    let values = &mut values;
    // SAFETY: Node-API calls us with `env` in its thread, and `info` of this call. It writes at most
    // `length` values, and `undefined` for those that are missing.
    unsafe {
        let (this, data) = (ptr::null_mut(), ptr::null_mut());
        sys::napi_get_cb_info(env, info, &mut length, values.as_mut_ptr(), this, data);
    }
    for (value, number) in values.iter().zip(&mut numbers) {
        // SAFETY: the value is of this call. What is no number is refused.
        let status = unsafe { sys::napi_get_value_uint32(env, *value, number) };
        if status != sys::Status::napi_ok {
            return Err(Error::new(Code::UNAVAILABLE, "the addon takes numbers"));
        }
    }
    Ok(numbers)
}

#[cold]
fn panicked(panic: &(dyn Any + Send)) -> Error<Code> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or(panic.downcast_ref::<&str>().copied());
    let message = format!(
        "the addon panicked: {}",
        text.unwrap_or("it did not say why")
    );
    Error::new(Code::UNAVAILABLE, message)
}
