//! [`LockGuard`]: proof that a lock is held.

use std::fmt::Debug;

use async_trait::async_trait;

pub use crate::core::LockMode;
use crate::error::LockError;

/// A held lock. Dropping it frees the lock.
///
/// A guard is `'static` and keeps its backend alive, so it may outlive the
/// manager it came from and move between tasks and threads. A panic while it is
/// held frees the lock like any other drop: there is no poisoning.
///
/// (In browsers, where wasm has threads: a guard of Web Locks that is dropped on another
/// thread than its own frees the lock when its own thread next uses such a lock. See
/// `web_locks::WebLockManager`.)
///
/// Every method has a default body, so that a third party's guard may be as
/// plain as `impl LockGuard for MyGuard {}`. (A guard that overrides
/// [`lost`](Self::lost) or [`release`](Self::release) needs `#[async_trait]`,
/// and `#[async_trait(?Send)]` on browser wasm.)
#[must_use = "dropping a guard frees its lock at once: keep it in a variable for as long as the lock is needed"]
#[cfg_attr(not(all(target_family = "wasm", target_os = "unknown")), async_trait)]
#[cfg_attr(all(target_family = "wasm", target_os = "unknown"), async_trait(?Send))]
pub trait LockGuard: Send + Sync + Debug {
    /// The key that is locked; empty where a third party's guard does not say.
    fn key(&self) -> &str {
        ""
    }

    /// How it is locked.
    fn mode(&self) -> LockMode {
        LockMode::Exclusive
    }

    /// Whether the backend took the lock away while this guard was held: a
    /// steal, a page that went into the back/forward cache, a `LOCK` file that
    /// was replaced. Once true, it stays true.
    fn is_lost(&self) -> bool {
        false
    }

    /// `Ok` while the lock is held, and an error that says what happened once it
    /// was [lost](Self::is_lost). For `guard.ensure_held()?` right before a step
    /// that cannot be undone.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`].
    fn ensure_held(&self) -> Result<(), LockError> {
        if !self.is_lost() {
            return Ok(());
        }
        Err(LockError::Lost {
            key: Some(self.key().to_owned()),
            reason: String::from("the backend took it away"),
        })
    }

    /// Returns once the lock was [lost](Self::is_lost), and never otherwise:
    /// for a `select!` beside the work that the lock protects.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again at any time.
    async fn lost(&self) {
        std::future::pending().await
    }

    /// Frees the lock and returns when it *is* free.
    ///
    /// Dropping the guard frees it as well, but does not wait until the backend
    /// has done so, which takes a moment in browsers.
    ///
    /// # Cancel safety
    ///
    /// The lock is freed even if the future is dropped.
    async fn release(self: Box<Self>) {
        drop(self);
    }
}
