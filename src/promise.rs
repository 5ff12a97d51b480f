//! [`promise`]: a future as JavaScript sees it.

use std::future::Future;
use std::pin::Pin;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

/// A promise of what `future` ends with, which runs on its own from now on.
///
/// Boxed first, because each type of future would otherwise bring a copy of all that
/// makes it a promise, at more than a kilobyte each.
pub(crate) fn promise(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let future: Pin<Box<dyn Future<Output = _>>> = Box::pin(future);
    future_to_promise(future)
}
