//! [`LockGuard`]: proof that a lock is held.

use std::fmt::Debug;

use async_trait::async_trait;

pub use crate::core::LockMode;
use crate::error::LockError;
use crate::fencing::FencingToken;

/// A held lock. Dropping it frees the lock.
///
/// A guard is `'static` and keeps its backend alive. So it may outlive its manager, and it may
/// move between tasks and threads. A panic while it is held frees the lock like any other
/// drop: there is no poisoning.
///
/// (In browsers wasm may have threads. If a guard of Web Locks is dropped on another thread
/// than its own, the lock is free when its own thread next uses such a lock. See
/// `web_locks::WebLockManager`.)
///
/// Every method has a default body, so a third party's guard may be as plain as
/// `impl LockGuard for MyGuard {}`. (A guard that overrides [`lost`](Self::lost),
/// [`downgrade`](Self::downgrade) or [`release`](Self::release) needs `#[async_trait]`, and on browser wasm
/// `#[async_trait(?Send)]`.)
#[must_use = "dropping a guard frees its lock at once: keep it in a variable for as long as the lock is needed"]
#[cfg_attr(not(all(target_family = "wasm", target_os = "unknown")), async_trait)]
#[cfg_attr(all(target_family = "wasm", target_os = "unknown"), async_trait(?Send))]
pub trait LockGuard: Send + Sync + Debug {
    /// The key that is locked. It is empty if a third party's guard does not tell it.
    fn key(&self) -> &str {
        ""
    }

    /// The mode in which it is locked.
    fn mode(&self) -> LockMode {
        LockMode::Exclusive
    }

    /// Whether the lock was taken away while this guard was held: by a steal, because the page
    /// went into the back/forward cache, or because the `LOCK` file was replaced. Once this is
    /// true, it stays true.
    fn is_lost(&self) -> bool {
        false
    }

    /// Returns `Ok` while the lock is held. Once it was [lost](Self::is_lost), the error says
    /// what happened. Call `guard.ensure_held()?` right before a step that cannot be undone.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`].
    fn ensure_held(&self) -> Result<(), LockError> {
        if !self.is_lost() {
            return Ok(());
        }
        Err(LockError::lost(self.key(), "the backend took it away"))
    }

    /// Returns once the lock was [lost](Self::is_lost), and never otherwise. It is for a
    /// `select!` beside the work that the lock protects.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any time, and the method called again.
    async fn lost(&self) {
        std::future::pending().await
    }

    /// A number that grows with every grant of the key, also across restarts of what keeps the
    /// locks. Whatever the lock protects can refuse a holder that has lost it and goes on.
    ///
    /// `None`, as by default, where a lock cannot be lost without its holder's knowledge, or where
    /// the backend has no such number. Of the backends of this crate `postgres` has one.
    fn fencing_token(&self) -> Option<FencingToken> {
        None
    }

    /// Turns the exclusive lock into a shared one, without letting go of it in between: no
    /// exclusive request is granted meanwhile. So what was just written can be read on in peace,
    /// by this holder and by others. Requests that fit are granted at once, in order: the shared
    /// ones at the head of the queue. [`mode`](Self::mode) then says `Shared`. Nothing happens to
    /// a lock that is shared already.
    ///
    /// There is no way back: two shared holders that both wanted to become exclusive would wait
    /// for each other for ever.
    ///
    /// The Web Locks API has no such operation, and a tab cannot have it by itself: the readers
    /// of other tabs would go on waiting, and those of its own would overtake them. So guards
    /// of `WebLockManager` do not have it.
    ///
    /// # Errors
    ///
    /// The lock is as it was before if it fails. [`LockError::Unsupported`] if the backend
    /// cannot do it, as the default body cannot. [`LockError::Lost`] if the lock is not held any
    /// more. [`LockError::Io`] from a datadir that processes share. [`LockError::Backend`] from
    /// PostgreSQL, also while a transaction is open that has checked this lock.
    ///
    /// # Cancel safety
    ///
    /// In PostgreSQL the lock may have become shared although the future was dropped, and
    /// [`mode`](Self::mode) still say `Exclusive`; to call it again is harmless. Elsewhere the
    /// future is ready at once.
    async fn downgrade(&mut self) -> Result<(), LockError> {
        match self.mode() {
            LockMode::Shared => self.ensure_held(),
            LockMode::Exclusive => Err(LockError::unsupported("downgrade")),
        }
    }

    /// Frees the lock and returns when it *is* free.
    ///
    /// Dropping the guard frees the lock as well, but does not wait until it is free, which
    /// takes a moment in browsers.
    ///
    /// # Cancel safety
    ///
    /// The lock is freed even if the future is dropped.
    async fn release(self: Box<Self>) {
        drop(self);
    }
}
