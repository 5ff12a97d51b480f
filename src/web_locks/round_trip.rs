//! [`round_trip`]: to the browser's lock manager and back.
//!
//! Messages between one page and the lock manager keep their order. So when a request is
//! answered, the lock manager has had everything that we sent before the request, and we have
//! had everything that it sent before the answer.

use js_sys::Function;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::bindings::{Foreign, Kind, options, promise_of};
use crate::guard::LockMode;

/// No lock of ours can have this name, and no manager shows it.
const NAME: &str = "crosslock:round-trip";

thread_local! {
    /// For as long as the thread lives: the browser may call it at any time.
    static NOTHING: Function = Closure::<dyn Fn()>::new(|| ()).into_js_value().unchecked_into();
}

/// Returns when a request has gone to `locks` and was answered.
pub(super) async fn round_trip(locks: &Foreign) {
    let Ok(options) = options(LockMode::Shared, Kind::IfAvailable, None) else {
        return;
    };
    let nothing = NOTHING.with(Clone::clone);
    let sent = locks.request(&NAME.into(), &options, &nothing);
    let sent = sent.ok().map(|sent| promise_of("request()", &sent));
    if let Some(Ok(promise)) = sent {
        // Whether it is granted, not available or rejected: it went there and came back.
        let _ = JsFuture::from(js_sys::Promise::from(promise)).await;
    }
}
