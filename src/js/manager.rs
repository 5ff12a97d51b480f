//! [`Manager`]: any lock manager of this crate.

use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::abort::{Signal, unless_aborted};
use super::guard::Guard;
use super::values::{failure, snapshot};
use crate::guard::LockMode;
use crate::manager::{AcquireOptions, LockManager};
use crate::memory::MemoryLockManager;
use crate::web_locks::WebLockManager;

#[derive(Debug)]
#[wasm_bindgen]
pub struct Manager(Rc<dyn LockManager>);

#[wasm_bindgen]
impl Manager {
    /// Locks within this instance of the module.
    pub fn memory(label: Option<String>) -> Self {
        Self(match label {
            Some(label) => Rc::new(MemoryLockManager::with_label(label)),
            None => Rc::new(MemoryLockManager::new()),
        })
    }

    /// Locks among everyone who shares `navigator.locks`.
    pub fn web(namespace: &str) -> Self {
        Self(Rc::new(WebLockManager::with_namespace(namespace)))
    }

    /// A promise of a [`Guard`]. `timeout` is in milliseconds, `Infinity` for ever.
    pub fn acquire(
        &self,
        key: String,
        shared: bool,
        timeout: f64,
        signal: Option<Signal>,
    ) -> Promise {
        let manager = Rc::clone(&self.0);
        let options = AcquireOptions {
            mode: mode(shared),
            timeout: duration(timeout),
        };
        future_to_promise(unless_aborted(signal, async move {
            let guard = manager.acquire(&key, options).await.map_err(failure)?;
            Ok(Guard::new(guard).into())
        }))
    }

    /// A promise of a [`Guard`], or of `undefined` if somebody else holds the lock.
    #[wasm_bindgen(js_name = tryAcquire)]
    pub fn try_acquire(&self, key: String, shared: bool) -> Promise {
        let manager = Rc::clone(&self.0);
        future_to_promise(async move {
            let guard = manager.try_acquire(&key, mode(shared)).await;
            Ok(guard.map_err(failure)?.map(Guard::new).into())
        })
    }

    /// A promise of a [`Guard`].
    pub fn steal(&self, key: String) -> Promise {
        let manager = Rc::clone(&self.0);
        future_to_promise(async move {
            let guard = manager.steal(&key).await.map_err(failure)?;
            Ok(Guard::new(guard).into())
        })
    }

    /// A promise of an array of [`Guard`]s, in the order of their keys.
    #[wasm_bindgen(js_name = lockMany)]
    pub fn lock_many(&self, keys: Vec<String>, timeout: f64, signal: Option<Signal>) -> Promise {
        let manager = Rc::clone(&self.0);
        future_to_promise(unless_aborted(signal, async move {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let guards = manager.lock_many(&keys, duration(timeout)).await;
            let guards = guards.map_err(failure)?.into_iter();
            let guards: Array = guards
                .map(|guard| JsValue::from(Guard::new(guard)))
                .collect();
            Ok(guards.into())
        }))
    }

    /// A promise of `{ held, pending }`.
    pub fn query(&self) -> Promise {
        let manager = Rc::clone(&self.0);
        future_to_promise(async move { Ok(snapshot(manager.query().await.map_err(failure)?)) })
    }
}

fn mode(shared: bool) -> LockMode {
    if shared {
        LockMode::Shared
    } else {
        LockMode::Exclusive
    }
}

/// What no `Duration` can express is longer than anyone will wait.
fn duration(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis / 1000.0).unwrap_or(Duration::MAX)
}
