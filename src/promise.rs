//! [`promise`]: a future as JavaScript sees it.

use std::future::Future;
use std::pin::Pin;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

/// What ends as a promise does. Boxed, because each type of future would otherwise bring
/// a copy of all that makes it a promise, at more than a kilobyte each.
pub(crate) type Outcome = Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>;

/// A promise of what `future` ends with, which runs on its own from now on.
pub(crate) fn promise(future: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let future: Outcome = Box::pin(future);
    future_to_promise(future)
}
