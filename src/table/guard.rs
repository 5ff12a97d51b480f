//! [`TableGuard`]: a held lock in a table, and the wait for its loss.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;

use super::shared::{self, Freshness, LockedTable, Owner, release};
use super::{HashedKey, RequestId, Status, WatcherId};
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::time;

/// A held lock in a table.
#[must_use = "dropping a guard frees its lock at once: keep it in a variable for as long as the lock is needed"]
pub(crate) struct TableGuard<O: Owner> {
    owner: O,
    key: HashedKey,
    mode: LockMode,
    id: RequestId,
}

impl<O: Owner> TableGuard<O> {
    #[inline]
    pub(super) fn new(owner: &O, key: HashedKey, mode: LockMode, id: RequestId) -> Self {
        Self {
            owner: owner.clone(),
            key,
            mode,
            id,
        }
    }

    /// What happened to the whole manager happened to this lock.
    fn with_key(&self, error: LockError) -> LockError {
        match error {
            LockError::Lost { reason, .. } => LockError::Lost {
                key: Some(self.key.key.to_string()),
                reason,
            },
            other => other,
        }
    }
}

impl<O: Owner> Drop for TableGuard<O> {
    #[inline]
    fn drop(&mut self) {
        release(&self.owner, &self.key, self.id);
    }
}

impl<O: Owner> std::fmt::Debug for TableGuard<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LockGuard({}, {})", self.key.key, self.mode)
    }
}

#[cfg_attr(not(all(target_family = "wasm", target_os = "unknown")), async_trait)]
#[cfg_attr(all(target_family = "wasm", target_os = "unknown"), async_trait(?Send))]
impl<O: Owner> LockGuard for TableGuard<O> {
    fn key(&self) -> &str {
        self.key.key.as_str()
    }

    fn mode(&self) -> LockMode {
        self.mode
    }

    fn is_lost(&self) -> bool {
        // Only a loss is one: what cannot be found out at the moment is for
        // `ensure_held` to report.
        matches!(
            self.owner.check(Freshness::Now),
            Err(LockError::Lost { .. })
        ) || self
            .owner
            .table()
            .shard(&self.key)
            .status(&self.key, self.id)
            != Status::Held
    }

    fn ensure_held(&self) -> Result<(), LockError> {
        self.owner
            .check(Freshness::Now)
            .map_err(|error| self.with_key(error))?;
        let table = self.owner.table().shard(&self.key);
        match table.status(&self.key, self.id) {
            Status::Held => Ok(()),
            _ => Err(shared::lost(&table, Some(&self.key.key))),
        }
    }

    async fn lost(&self) {
        let mut lost = Lost {
            guard: self,
            watcher: None,
        };
        let Some(pause) = O::CHECK_EVERY else {
            return lost.await;
        };
        // No system tells of all that can happen to a file: what another machine or
        // another mount does to it raises no event here. So we look, but only for as
        // long as somebody wants to know.
        while !self.is_lost() {
            match time::timeout(pause, &mut lost).await {
                Ok(Some(())) => return,
                Ok(None) => {}
                // There is no timer to look by. Others that use the manager may look.
                Err(_) => return lost.await,
            }
        }
    }
}

/// Waits until `guard`'s request is gone from the table.
struct Lost<'a, O: Owner> {
    guard: &'a TableGuard<O>,
    watcher: Option<WatcherId>,
}

impl<O: Owner> Lost<'_, O> {
    fn table(&self) -> LockedTable<'_> {
        self.guard.owner.table().shard(&self.guard.key)
    }
}

impl<O: Owner> Future for Lost<'_, O> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.guard.owner.is_inherited() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let previous = self.watcher.take();
        let mut table = self.table();
        let replaced = previous.and_then(|watcher| table.unwatch(watcher));
        let watched = table.watch(&self.guard.key, self.guard.id, waker);
        drop(table);
        drop(replaced);
        match watched {
            Ok(watcher) => {
                self.watcher = Some(watcher);
                Poll::Pending
            }
            Err(_unused) => Poll::Ready(()),
        }
    }
}

impl<O: Owner> Drop for Lost<'_, O> {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher.take()
            && !self.guard.owner.is_inherited()
        {
            let unused = self.table().unwatch(watcher);
            drop(unused);
        }
    }
}
