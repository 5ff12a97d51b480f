//! A way round a fault of Node: when a worker thread dies holding a lock, the lock
//! is freed, but a waiter that is queued already is not woken until someone in the
//! process makes another request, for any name (seen in Node 24 and 26; `query()`
//! does not help). So a thread that waits in Node makes one, rarely.
//!
//! Not by `setTimeout`, which test suites replace: their clock would find timers without
//! end, and lose ours when it goes. `AbortSignal.timeout` is Node's own clock, and costs
//! nothing but its one timer in a second, which keeps no process alive.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

use super::platform::{is_node, lock_manager};
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
    /// Aborted when it is time for a request. One at a time, which goes on for a moment after
    /// the last wait: to make one for every lock would take longer than the lock.
    signal: Option<Signal>,
}

thread_local! {
    static WAITS: RefCell<Waits> = RefCell::default();

    /// What keeps the process alive while somebody waits, and can be told to in no time. It is
    /// of no other use. (A lock that is waited for keeps no Node process alive by itself.)
    static PORT: Option<Port> = MessageChannel::new().and_then(|channel| channel.port1()).ok();

    /// For as long as the thread lives.
    static LOOK: Function = Closure::<dyn Fn()>::new(look).into_js_value().unchecked_into();
}

/// A request that somebody waits for was sent.
pub(super) fn waiting() {
    if !is_node() {
        return;
    }
    let is_first = WAITS.with_borrow_mut(|waits| {
        waits.count += 1;
        waits.count == 1
    });
    if is_first {
        PORT.with(|port| port.as_ref().map(Port::keep_process));
        set();
    }
}

/// One of those is waited for no more.
pub(super) fn answered() {
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

/// Sees to it that there will be a [`look`]. Where that cannot be, a wait goes on without.
fn set() {
    if WAITS.with_borrow(|waits| waits.signal.is_some()) {
        return;
    }
    let Ok(signal) = signal_after(INTERVAL) else {
        return;
    };
    if LOOK
        .with(|look| signal.add_event_listener("abort", look))
        .is_ok()
    {
        WAITS.with_borrow_mut(|waits| waits.signal = Some(signal));
    }
}

fn look() {
    let is_needed = WAITS.with_borrow_mut(|waits| {
        waits.signal = None;
        waits.count > 0
    });
    if !is_needed {
        return;
    }
    set();
    if let Ok(locks) = lock_manager() {
        tasks::spawn(async move { round_trip(&locks).await });
    }
}
