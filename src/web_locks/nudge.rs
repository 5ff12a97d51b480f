//! A way round a fault of Node: when a worker thread dies holding a lock, the lock
//! is freed, but a waiter that is queued already is not woken until someone in the
//! process makes another request, for any name (seen in Node 24 and 26; `query()`
//! does not help). So whoever waits in Node makes one, rarely.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use js_sys::Object;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::bindings::{LockManager, RequestOptions};
use super::platform::node_version;
use crate::error::LockError;
use crate::time;

/// How long the death of a thread may go unnoticed.
const INTERVAL: Duration = Duration::from_secs(1);

/// Outside the names that locks can have.
const NAME: &str = "crosslock.nudge";

/// Runs `wait`, with nudges if this is Node.
pub(super) async fn while_waiting<T>(
    locks: &LockManager,
    wait: impl Future<Output = Result<T, LockError>>,
) -> Result<T, LockError> {
    if node_version().is_none() {
        return wait.await;
    }
    let mut wait = pin!(wait);
    loop {
        if let Some(output) = time::timeout(INTERVAL, wait.as_mut()).await? {
            return output;
        }
        nudge(locks);
    }
}

fn nudge(locks: &LockManager) {
    let options: RequestOptions = Object::new().unchecked_into();
    options.set_if_available(true);
    let callback = Closure::once(|_lock: JsValue| ());
    if let Ok(promise) = locks.request(NAME, &options, callback.as_ref().unchecked_ref()) {
        spawn_local(async move {
            // Whether it was granted does not matter, nor does an error: the wait
            // that it is for will see the same.
            let _ = JsFuture::from(promise).await;
            drop(callback);
        });
    }
}
