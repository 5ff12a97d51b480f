//! [`Manager`]: any lock manager of this crate.

use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, Promise};
use wasm_bindgen::prelude::*;

use super::abort::{Signal, unless_aborted};
use super::guard::Guard;
use super::values::{failure, snapshot};
use crate::guard::LockMode;
use crate::manager::{AcquireOptions, LockManager};
use crate::memory::MemoryLockManager;
use crate::promise::promise;
use crate::web_locks::WebLockManager;

#[expect(missing_debug_implementations, reason = "JavaScript prints it")]
#[wasm_bindgen]
pub struct Manager(Rc<Backend>);

/// Not a `dyn LockManager`, which would compile in every method that the trait has,
/// asked for or not.
enum Backend {
    Memory(MemoryLockManager),
    Web(WebLockManager),
}

/// The answer of a [`Backend`] to one of the trait's methods.
macro_rules! ask {
    ($backend:expr, $($question:tt)+) => {
        match &*$backend {
            Backend::Memory(locks) => locks.$($question)+,
            Backend::Web(locks) => locks.$($question)+,
        }
        .await
    };
}

#[wasm_bindgen]
impl Manager {
    /// Locks within this instance of the module.
    pub fn memory(label: Option<String>) -> Self {
        Self::on(Backend::Memory(match label {
            Some(label) => MemoryLockManager::with_label(label),
            None => MemoryLockManager::new(),
        }))
    }

    /// Locks among everyone who shares `navigator.locks`.
    pub fn web(namespace: &str) -> Self {
        Self::on(Backend::Web(WebLockManager::with_namespace(namespace)))
    }

    /// A promise of a [`Guard`]. `timeout` is in milliseconds, `Infinity` for ever.
    pub fn acquire(
        &self,
        key: String,
        shared: bool,
        timeout: f64,
        signal: Option<Signal>,
    ) -> Promise {
        let backend = Rc::clone(&self.0);
        let options = AcquireOptions {
            mode: mode(shared),
            timeout: duration(timeout),
        };
        promise(unless_aborted(signal, async move {
            let guard = ask!(backend, acquire(&key, options)).map_err(failure)?;
            Ok(Guard::new(guard).into())
        }))
    }

    /// A promise of a [`Guard`], or of `undefined` if somebody else holds the lock.
    #[wasm_bindgen(js_name = tryAcquire)]
    pub fn try_acquire(&self, key: String, shared: bool) -> Promise {
        let backend = Rc::clone(&self.0);
        promise(async move {
            let guard = ask!(backend, try_acquire(&key, mode(shared)));
            Ok(guard.map_err(failure)?.map(Guard::new).into())
        })
    }

    /// A promise of a [`Guard`].
    pub fn steal(&self, key: String) -> Promise {
        let backend = Rc::clone(&self.0);
        promise(async move {
            let guard = ask!(backend, steal(&key)).map_err(failure)?;
            Ok(Guard::new(guard).into())
        })
    }

    /// A promise of an array of [`Guard`]s, in the order of their keys.
    #[wasm_bindgen(js_name = lockMany)]
    pub fn lock_many(&self, keys: Vec<String>, timeout: f64, signal: Option<Signal>) -> Promise {
        let backend = Rc::clone(&self.0);
        promise(unless_aborted(signal, async move {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let guards = ask!(backend, lock_many(&keys, duration(timeout)));
            let guards = guards.map_err(failure)?.into_iter();
            let guards: Array = guards
                .map(|guard| JsValue::from(Guard::new(guard)))
                .collect();
            Ok(guards.into())
        }))
    }

    /// A promise of `{ held, pending }`.
    pub fn query(&self) -> Promise {
        let backend = Rc::clone(&self.0);
        promise(async move { Ok(snapshot(ask!(backend, query()).map_err(failure)?)) })
    }
}

impl Manager {
    fn on(backend: Backend) -> Self {
        Self(Rc::new(backend))
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
