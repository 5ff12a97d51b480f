//! [`round_trip`]: to the browser's lock manager and back.
//!
//! Messages of one page to and from the lock manager keep their order. So when the
//! answer to a request is here, everything that the manager sent before has come
//! through, and what we sent has reached it.

use js_sys::Object;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::bindings::{LockManager, RequestOptions};

/// Outside the names that locks of ours can have.
const NAME: &str = "crosslock.round-trip";

pub(super) async fn round_trip(locks: &LockManager) {
    let options: RequestOptions = Object::new().unchecked_into();
    options.set_mode("shared");
    options.set_if_available(true);
    let callback = Closure::once(|_lock: JsValue| ());
    if let Ok(promise) = locks.request(&NAME.into(), &options, callback.as_ref().unchecked_ref()) {
        // Granted, not available or turned down: it went there and came back.
        let _ = JsFuture::from(promise).await;
    }
}
