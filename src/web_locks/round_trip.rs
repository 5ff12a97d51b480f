//! [`round_trip`]: to the browser's lock manager and back.
//!
//! Messages of one page to and from the lock manager keep their order. So when the
//! answer to a request is here, everything that the manager sent before has come
//! through, and what we sent has reached it.

use js_sys::Function;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::bindings::{Foreign, Kind, options, promise_of};
use crate::guard::LockMode;

/// No name that a lock of ours can have, or that a manager would show.
const NAME: &str = "crosslock:round-trip";

thread_local! {
    /// For as long as the thread lives: the browser may call it at any time.
    static NOTHING: Function = Closure::<dyn Fn()>::new(|| ()).into_js_value().unchecked_into();
}

pub(super) async fn round_trip(locks: &Foreign) {
    let Ok(options) = options(LockMode::Shared, Kind::IfAvailable, None) else {
        return;
    };
    let nothing = NOTHING.with(Clone::clone);
    let sent = locks.request(&NAME.into(), &options, &nothing);
    let sent = sent.ok().map(|sent| promise_of("request()", &sent));
    if let Some(Ok(promise)) = sent {
        // Granted, not available or turned down: it went there and came back.
        let _ = JsFuture::from(js_sys::Promise::from(promise)).await;
    }
}
