//! A way round a fault of Node: when a worker thread dies holding a lock, the lock
//! is freed, but a waiter that is queued already is not woken until someone in the
//! process makes another request, for any name (seen in Node 24 and 26; `query()`
//! does not help). So a thread that waits in Node makes one, rarely.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::platform::{is_node, lock_manager};
use super::round_trip::round_trip;

/// How long the death of a thread may go unnoticed, in milliseconds.
const INTERVAL: u32 = 1000;

#[wasm_bindgen]
extern "C" {
    /// <https://nodejs.org/api/timers.html#class-timeout>
    type Timeout;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, millis: u32) -> Timeout;

    /// Whether the process may end while the timer runs.
    #[wasm_bindgen(method, js_name = ref)]
    fn keep_process(this: &Timeout);

    #[wasm_bindgen(method, js_name = unref)]
    fn let_process_end(this: &Timeout);

    #[wasm_bindgen(method)]
    fn refresh(this: &Timeout);
}

/// The waits of this thread, which share one timer. It goes on for a moment after the
/// last of them: to start and stop one for every lock would take longer than the lock.
#[derive(Default)]
struct Waits {
    count: usize,
    is_running: bool,
    timer: Option<Timeout>,
}

thread_local! {
    static WAITS: RefCell<Waits> = RefCell::default();
}

/// A request that somebody waits for was sent.
pub(super) fn waiting() {
    if !is_node() {
        return;
    }
    WAITS.with_borrow_mut(|waits| {
        waits.count += 1;
        if waits.count > 1 {
            return;
        }
        let timer = waits.timer.get_or_insert_with(|| {
            waits.is_running = true;
            // For as long as the thread lives.
            set_timeout(
                &Closure::<dyn Fn()>::new(look)
                    .into_js_value()
                    .unchecked_into(),
                INTERVAL,
            )
        });
        if !std::mem::replace(&mut waits.is_running, true) {
            timer.refresh();
        }
        timer.keep_process();
    });
}

/// One of those is waited for no more.
pub(super) fn answered() {
    if !is_node() {
        return;
    }
    WAITS.with_borrow_mut(|waits| {
        waits.count -= 1;
        if let Some(timer) = waits.timer.as_ref().filter(|_| waits.count == 0) {
            timer.let_process_end();
        }
    });
}

fn look() {
    let is_needed = WAITS.with_borrow_mut(|waits| {
        waits.is_running = waits.count > 0;
        if let Some(timer) = waits.timer.as_ref().filter(|_| waits.is_running) {
            timer.refresh();
        }
        waits.is_running
    });
    if is_needed && let Ok(locks) = lock_manager() {
        spawn_local(async move { round_trip(&locks).await });
    }
}
