//! `AbortSignal`: how JavaScript says that it no longer wants something.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::callback::Callback;

#[wasm_bindgen]
extern "C" {
    /// <https://developer.mozilla.org/docs/Web/API/AbortSignal>. Not checked to be
    /// one of this realm: libraries and test environments bring their own.
    #[wasm_bindgen(typescript_type = "AbortSignal")]
    pub type Signal;

    #[wasm_bindgen(method, getter)]
    fn aborted(this: &Signal) -> bool;

    #[wasm_bindgen(method, getter)]
    fn reason(this: &Signal) -> JsValue;

    #[wasm_bindgen(method, js_name = addEventListener)]
    fn add_event_listener(this: &Signal, event: &str, listener: &Function);

    #[wasm_bindgen(method, js_name = removeEventListener)]
    fn remove_event_listener(this: &Signal, event: &str, listener: &Function);
}

/// Runs `work`. As soon as `signal` is aborted, `work` is dropped, which withdraws
/// whatever it waits for, and the signal's reason is the error.
///
/// The signal is looked at first: what has been granted while it was aborted is
/// given back, not given out.
pub(super) async fn unless_aborted(
    signal: Option<Signal>,
    work: impl Future<Output = Result<JsValue, JsValue>>,
) -> Result<JsValue, JsValue> {
    let Some(signal) = signal else {
        return work.await;
    };
    let listener = Listener::new(&signal);
    let mut work = pin!(work);
    poll_fn(|cx| {
        if signal.aborted() {
            return Poll::Ready(Err(signal.reason()));
        }
        // Not looked at: it is the signal that says whether it was aborted.
        let _ = listener.on_abort.poll(cx);
        work.as_mut().poll(cx)
    })
    .await
}

/// Wakes a task when `signal` is aborted. A signal may live as long as the
/// application, so it must not keep one listener for every lock that was taken.
struct Listener<'a> {
    signal: &'a Signal,
    on_abort: Callback,
}

impl<'a> Listener<'a> {
    fn new(signal: &'a Signal) -> Self {
        let on_abort = Callback::new();
        signal.add_event_listener("abort", on_abort.function());
        Self { signal, on_abort }
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let on_abort = self.on_abort.function();
        self.signal.remove_event_listener("abort", on_abort);
    }
}
