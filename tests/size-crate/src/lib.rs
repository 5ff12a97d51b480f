//! A wallet that awaits what JavaScript does for it, as nearly all do, and shows errors:
//! what that takes is in it with and without locks.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

use js_sys::Promise;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Pays, and says what came of it.
#[wasm_bindgen]
pub async fn pay(payment: Promise, key: String) -> Result<JsValue, JsError> {
    #[cfg(feature = "locks")]
    let _guard = locks::lock(&key).await?;
    let paid = JsFuture::from(payment).await;
    paid.map_err(|error| JsError::new(&format!("payment {key} failed: {error:?}")))
}

#[cfg(feature = "locks")]
mod locks {
    use std::time::Duration;

    use crosslock::{LockError, LockGuard, LockManager, web_locks::WebLockManager};

    pub async fn lock(key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        let locks: Box<dyn LockManager> = Box::new(WebLockManager::with_namespace("wallet"));
        let guard = locks.lock(key, Duration::from_secs(10)).await?;
        guard.ensure_held()?;
        Ok(guard)
    }
}
