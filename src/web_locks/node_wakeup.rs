//! A workaround for a fault of Node. When a worker thread dies while it holds a lock, Node
//! frees the lock, but wakes no waiter that is queued already until someone in the process
//! makes another request, for any name (seen in Node 24 and 26; `query()` does not help). So
//! a thread that waits in Node makes a request about once a second.
//!
//! The time is kept by `AbortSignal.timeout`, which is Node's own clock. It needs one timer a
//! second, which keeps no process alive. `setTimeout` would not do, as test suites replace it:
//! their clock would run through our timers without end, and lose them when it is removed.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

use super::environment::{is_node, lock_manager};
use super::round_trip::round_trip;
use crate::tasks;

/// How long the death of a thread may go unnoticed, in milliseconds.
const INTERVAL: u32 = 1000;

#[wasm_bindgen]
extern "C" {
    type Signal;

    /// <https://developer.mozilla.org/docs/Web/API/AbortSignal/timeout_static>
    #[wasm_bindgen(catch, js_namespace = AbortSignal, js_name = timeout)]
    fn signal_after(millis: u32) -> Result<Signal, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/EventTarget/addEventListener>
    #[wasm_bindgen(method, catch, js_name = addEventListener)]
    fn add_event_listener(this: &Signal, event: &str, listener: &Function) -> Result<(), JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/MessageChannel>
    type MessageChannel;

    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<MessageChannel, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    fn port1(this: &MessageChannel) -> Result<Port, JsValue>;

    /// <https://nodejs.org/api/worker_threads.html#class-messageport>
    type Port;

    /// Keeps the process alive.
    #[wasm_bindgen(method, catch, js_name = ref)]
    fn keep_process(this: &Port) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = unref)]
    fn let_process_end(this: &Port) -> Result<(), JsValue>;
}

/// The waits of this thread.
#[derive(Default)]
struct Waits {
    count: usize,
    /// Aborted when it is time for a request. There is one at a time, and it outlives the last
    /// wait by up to a second: to make one for every lock would take longer than the lock.
    signal: Option<Signal>,
}

thread_local! {
    static WAITS: RefCell<Waits> = RefCell::default();

    /// Keeps the process alive while somebody waits, and has no other use. (A pending lock
    /// request by itself keeps no Node process alive.) To switch it on and off takes no time.
    static PORT: Option<Port> = MessageChannel::new().and_then(|channel| channel.port1()).ok();

    /// For as long as the thread lives.
    static ON_TIMEOUT: Function = Closure::<dyn Fn()>::new(on_timeout).into_js_value().unchecked_into();
}

/// A request that somebody waits for was sent.
pub(super) fn wait_began() {
    if !is_node() {
        return;
    }
    let is_first = WAITS.with_borrow_mut(|waits| {
        waits.count += 1;
        waits.count == 1
    });
    if is_first {
        PORT.with(|port| port.as_ref().map(Port::keep_process));
        start_timer();
    }
}

/// One of those was answered, or given up.
pub(super) fn wait_ended() {
    if !is_node() {
        return;
    }
    let was_last = WAITS.with_borrow_mut(|waits| {
        waits.count -= 1;
        waits.count == 0
    });
    if was_last {
        PORT.with(|port| port.as_ref().map(Port::let_process_end));
    }
}

/// Starts the timer, unless it runs. Where there is none, waits go on without the workaround.
fn start_timer() {
    if WAITS.with_borrow(|waits| waits.signal.is_some()) {
        return;
    }
    let Ok(signal) = signal_after(INTERVAL) else {
        return;
    };
    let added = ON_TIMEOUT.with(|listener| signal.add_event_listener("abort", listener));
    if added.is_ok() {
        WAITS.with_borrow_mut(|waits| waits.signal = Some(signal));
    }
}

fn on_timeout() {
    let is_needed = WAITS.with_borrow_mut(|waits| {
        waits.signal = None;
        waits.count > 0
    });
    if !is_needed {
        return;
    }
    start_timer();
    if let Ok(locks) = lock_manager() {
        tasks::spawn(async move { round_trip(&locks).await });
    }
}
