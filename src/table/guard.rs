//! [`TableGuard`]: a held lock in a table, and the wait for its loss.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;

use super::handle::{Staleness, TableHandle, release};
use super::shards::Shard;
use super::{RequestId, Status, WatcherId};
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::key::LockKey;
use crate::time;

/// A held lock in a table.
#[must_use = "dropping a guard frees its lock at once: keep it in a variable for as long as the lock is needed"]
pub(crate) struct TableGuard<H: TableHandle> {
    handle: H,
    key: LockKey,
    id: RequestId,
    mode: WideMode,
}

/// A [`LockMode`] that fills a register.
///
/// With it, a guard has no padding. A `Result` with a guard in it is copied with the padding,
/// byte by byte through memory, and the processor stalls when it then reads these bytes
/// together.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
enum WideMode {
    Exclusive,
    Shared,
}

impl From<LockMode> for WideMode {
    #[inline]
    fn from(mode: LockMode) -> Self {
        match mode {
            LockMode::Exclusive => Self::Exclusive,
            LockMode::Shared => Self::Shared,
        }
    }
}

impl From<WideMode> for LockMode {
    #[inline]
    fn from(mode: WideMode) -> Self {
        match mode {
            WideMode::Exclusive => Self::Exclusive,
            WideMode::Shared => Self::Shared,
        }
    }
}

impl<H: TableHandle> TableGuard<H> {
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(super) fn new(handle: &H, key: LockKey, mode: LockMode, id: RequestId) -> Self {
        Self {
            handle: handle.clone(),
            key,
            id,
            mode: mode.into(),
        }
    }

    fn shard(&self) -> &Shard {
        self.handle.table().shard_of(&self.id)
    }

    /// [`downgrade`](LockGuard::downgrade), for which nothing here has to wait.
    pub(crate) fn downgrade_now(&mut self) -> Result<(), LockError> {
        // In a forked process this fails before the table is touched.
        self.handle
            .check(Staleness::Now)
            .map_err(|error| self.with_key(error))?;
        self.downgrade_checked()
    }

    /// The same after [`ensure_held`](LockGuard::ensure_held).
    pub(crate) fn downgrade_checked(&mut self) -> Result<(), LockError> {
        if !self.shard().downgrade(self.id) {
            return Err(self.shard().lost(Some(&self.key)));
        }
        self.mode = WideMode::Shared;
        Ok(())
    }

    /// What happened to the whole manager happened to this lock.
    fn with_key(&self, error: LockError) -> LockError {
        match error {
            LockError::Lost { reason, .. } => LockError::Lost {
                key: Some(self.key.to_string()),
                reason,
            },
            other => other,
        }
    }
}

impl<H: TableHandle> Drop for TableGuard<H> {
    #[inline]
    fn drop(&mut self) {
        release(&self.handle, &self.id);
    }
}

impl<H: TableHandle> std::fmt::Debug for TableGuard<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LockGuard({}, {})", self.key, self.mode())
    }
}

#[cfg_attr(not(all(target_family = "wasm", target_os = "unknown")), async_trait)]
#[cfg_attr(all(target_family = "wasm", target_os = "unknown"), async_trait(?Send))]
impl<H: TableHandle> LockGuard for TableGuard<H> {
    fn key(&self) -> &str {
        self.key.as_str()
    }

    fn mode(&self) -> LockMode {
        self.mode.into()
    }

    fn is_lost(&self) -> bool {
        // Only a loss counts. `ensure_held` reports what cannot be found out at the moment.
        matches!(
            self.handle.check(Staleness::Now),
            Err(LockError::Lost { .. })
        ) || self.shard().status(self.id) != Status::Held
    }

    fn ensure_held(&self) -> Result<(), LockError> {
        self.handle
            .check(Staleness::Now)
            .map_err(|error| self.with_key(error))?;
        match self.shard().status(self.id) {
            Status::Held => Ok(()),
            _ => Err(self.shard().lost(Some(&self.key))),
        }
    }

    async fn downgrade(&mut self) -> Result<(), LockError> {
        self.downgrade_now()
    }

    async fn lost(&self) {
        let mut lost = Lost {
            guard: self,
            watcher: None,
        };
        let Some(pause) = H::CHECK_EVERY else {
            return lost.await;
        };
        // No system tells of everything that can happen to a file: what another machine or
        // another mount does to it raises no event here. So this polls, but only while
        // somebody waits for the loss.
        while !self.is_lost() {
            match time::timeout(pause, &mut lost).await {
                Ok(Some(())) => return,
                Ok(None) => {}
                // There is no timer to poll by. Others that use the manager may find the loss.
                Err(_) => return lost.await,
            }
        }
    }
}

/// Waits until `guard`'s request is gone from the table.
struct Lost<'a, H: TableHandle> {
    guard: &'a TableGuard<H>,
    watcher: Option<WatcherId>,
}

impl<H: TableHandle> Future for Lost<'_, H> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.guard.handle.is_inherited() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let previous = self.watcher.take();
        let shard = self.guard.shard();
        // What it returns is dropped here, where no mutex is locked.
        drop(previous.and_then(|watcher| shard.unwatch(watcher)));
        match shard.watch(self.guard.id, waker) {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                Poll::Pending
            }
            Err(_unused) => Poll::Ready(()),
        }
    }
}

impl<H: TableHandle> Drop for Lost<'_, H> {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.take()
            && !self.guard.handle.is_inherited()
        {
            drop(self.guard.shard().unwatch(watcher));
        }
    }
}
