//! [`Manager`]: any lock manager of this crate.

use std::rc::Rc;
use std::time::Duration;

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::answer::Answer;
use super::guards::Guard;
use super::values;
use crate::guard::LockMode;
use crate::manager::{AcquireOptions, LockManager};
use crate::memory::MemoryLockManager;
use crate::tasks::{self, TaskNumber};
use crate::web_locks::WebLockManager;

/// Drops a task that waits, which withdraws what it waits for.
#[wasm_bindgen]
pub fn cancel(task: TaskNumber) {
    tasks::cancel(task);
}

/// Every method is answered with a promise's two functions, and returns the number of
/// the task that will do so, unless that was done already.
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

    /// Locks among everyone who shares `navigator.locks`. `name` is a namespace or, if so
    /// said, a prefix.
    pub fn web(name: String, is_prefix: bool, passing: bool) -> Self {
        let locks = match is_prefix {
            true => WebLockManager::with_prefix(name),
            false => WebLockManager::with_namespace(name),
        };
        Self::on(Backend::Web(match passing {
            true => locks,
            false => locks.without_passing(),
        }))
    }

    /// A guard. `timeout` is in milliseconds, `Infinity` for ever.
    pub fn acquire(
        &self,
        key: String,
        shared: bool,
        timeout: f64,
        answer: Answer,
    ) -> Option<TaskNumber> {
        let backend = Rc::clone(&self.0);
        let options = AcquireOptions {
            mode: mode(shared),
            timeout: duration(timeout),
        };
        tasks::start(async move {
            let guard = match &*backend {
                Backend::Memory(locks) => {
                    let guard = locks.acquire_unboxed(&key, options).await;
                    guard.map(Guard::Memory)
                }
                Backend::Web(locks) => locks.acquire_unboxed(&key, options).await.map(Guard::Web),
            };
            answer.guard(guard.map(Some));
        })
    }

    /// A guard, or `undefined` if somebody else holds the lock.
    #[wasm_bindgen(js_name = tryAcquire)]
    pub fn try_acquire(&self, key: String, shared: bool, answer: Answer) -> Option<TaskNumber> {
        let backend = Rc::clone(&self.0);
        tasks::start(async move {
            let guard = ask!(backend, try_acquire(&key, mode(shared)));
            answer.guard(guard.map(|guard| guard.map(Guard::Boxed)));
        })
    }

    /// A guard.
    pub fn steal(&self, key: String, answer: Answer) -> Option<TaskNumber> {
        let backend = Rc::clone(&self.0);
        tasks::start(async move {
            let guard = ask!(backend, steal(&key));
            answer.guard(guard.map(|guard| Some(Guard::Boxed(guard))));
        })
    }

    /// An array of guards, in the order of their keys, which are strings.
    #[wasm_bindgen(js_name = lockMany)]
    pub fn lock_many(&self, keys: Array, timeout: f64, answer: Answer) -> Option<TaskNumber> {
        let backend = Rc::clone(&self.0);
        tasks::start(async move {
            let keys: Vec<String> = keys.iter().filter_map(|key| key.as_string()).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let guards = ask!(backend, lock_many(&keys, duration(timeout)));
            answer.guards(guards.map(|guards| guards.into_iter().map(Guard::Boxed).collect()));
        })
    }

    /// `{ held, pending }`.
    pub fn query(&self, answer: Answer) -> Option<TaskNumber> {
        let backend = Rc::clone(&self.0);
        tasks::start(async move {
            answer.value(ask!(backend, query()).map(values::snapshot));
        })
    }
}

impl Manager {
    fn on(backend: Backend) -> Self {
        Self(Rc::new(backend))
    }
}

fn mode(shared: bool) -> LockMode {
    match shared {
        true => LockMode::Shared,
        false => LockMode::Exclusive,
    }
}

/// What microseconds cannot express is longer than anyone will wait. Rounded up,
/// because zero means something else.
fn duration(millis: f64) -> Duration {
    let micros = (millis * 1000.0).ceil();
    if micros < u64::MAX as f64 {
        Duration::from_micros(micros as u64)
    } else {
        Duration::MAX
    }
}
