//! [`Acquire`]: the future of one who waits for a key.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::guard::TableGuard;
use super::handle::{Staleness, TableHandle, check, release};
use super::operations::{self, enqueue};
use super::shards::{lost, wake};
use super::{RequestId, Status};
use crate::error::{Contention, LockError};
use crate::guard::LockMode;
use crate::key::LockKey;

/// Waits in turn for a key, which then is to be [taken](Self::take_guard). It joins the
/// queue when it is first polled.
///
/// Dropping it leaves the queue. If the grant came before the drop, the lock goes
/// to the next in the queue: both happen under the shard's mutex, so there is no
/// moment in which a grant belongs to nobody.
#[derive(Debug)]
pub(crate) struct Acquire<'l, 'k, H: TableHandle> {
    handle: &'l H,
    key: &'k str,
    mode: LockMode,
    client: Option<&'l Arc<str>>,
    /// The request while it stands in the table on our behalf: from joining the
    /// queue until a guard takes it over or it is gone.
    queued: Option<RequestId>,
}

impl<'l, 'k, H: TableHandle> Acquire<'l, 'k, H> {
    pub(crate) fn new(
        handle: &'l H,
        key: &'k str,
        mode: LockMode,
        client: Option<&'l Arc<str>>,
    ) -> Self {
        Self {
            handle,
            key,
            mode,
            client,
            queued: None,
        }
    }

    /// The lock, after it was granted. Not the output of the future, because everything
    /// that a guard passes through on its way up copies it.
    #[inline]
    pub(crate) fn take_guard(&mut self) -> TableGuard<H> {
        let id = self.queued.take().expect("it was granted");
        TableGuard::new(self.handle, LockKey::known(self.key), self.mode, id)
    }

    /// Ends the wait: with the guard, if it was granted at the last moment, or
    /// with who is in the way.
    pub(crate) fn give_up(&mut self) -> Result<TableGuard<H>, Option<Contention>> {
        if self.handle.is_inherited() {
            return Err(None);
        }
        let table = self.handle.table();
        let key = table.sought(self.key);
        let shard = table.shard_for(&key);
        let words = &shard.words;
        let mut table = shard.lock();
        if let Some(id) = self.queued
            && table.status(words, id) == Status::Held
        {
            drop(table);
            return Ok(self.take_guard());
        }
        let id = self.queued.take();
        let contention = table.contention(words, &key, id, Contention::MAX_AHEAD);
        let contention = contention.map(|(holder, ahead)| (holder.clone(), ahead));
        let (own, wakes) = id.map(|id| table.remove(words, id)).unwrap_or_default();
        drop(table);
        drop(own);
        wake(wakes);
        Err(contention.map(|(holder, ahead)| holder.in_the_way(ahead)))
    }

    /// Whether its request stands in the table.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        self.queued.is_some()
    }

    /// Takes the key if it is free, and does not join the queue if it is not.
    ///
    /// `wrap` is as for [`operations::try_acquire`].
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn try_acquire<G>(
        &self,
        wrap: impl FnOnce(TableGuard<H>) -> G,
    ) -> Result<Option<G>, LockError> {
        check(self.handle, self.key)?;
        operations::try_acquire(self.handle, self.key, self.mode, self.client, wrap)
    }

    /// Leaves the queue, or frees the key if it was granted.
    #[inline]
    pub(crate) fn leave(&mut self) {
        if let Some(id) = self.queued.take() {
            release(self.handle, &id);
        }
    }

    pub(crate) fn key(&self) -> &'k str {
        self.key
    }

    pub(crate) fn handle(&self) -> &'l H {
        self.handle
    }

    fn join(&mut self, cx: &Context<'_>) -> Poll<Result<(), LockError>> {
        let waker = cx.waker().clone();
        let table = self.handle.table();
        let (id, waits) = match enqueue(table, self.key, self.mode, self.client, waker) {
            Ok(joined) => joined,
            Err(error) => return Poll::Ready(Err(error)),
        };
        self.queued = Some(id);
        match waits {
            true => Poll::Pending,
            false => Poll::Ready(Ok(())),
        }
    }

    /// What has come of the wait of `id`. If nothing has, and `waker` is not known yet, it
    /// is to be waked from now on.
    fn look(&self, id: RequestId, waker: &Waker) -> Poll<Result<(), LockError>> {
        let shard = self.handle.table().shard_of(&id);
        // Whoever passed the lock on has named us there.
        if shard.words.is_first(id.entry, id.serial) {
            return Poll::Ready(Ok(()));
        }
        let mut new = None;
        loop {
            let mut table = shard.lock();
            match table.status(&shard.words, id) {
                Status::Held => return Poll::Ready(Ok(())),
                Status::Gone => return Poll::Ready(Err(lost(&table, None))),
                Status::Pending => {}
            }
            let place = table.waker(id).expect("it is pending");
            if place.as_ref().is_some_and(|known| known.will_wake(waker)) {
                return Poll::Pending;
            }
            if let Some(new) = new.take() {
                let replaced = place.replace(new);
                drop(table);
                drop(replaced);
                return Poll::Pending;
            }
            drop(table);
            new = Some(waker.clone());
        }
    }
}

impl<H: TableHandle> Future for Acquire<'_, '_, H> {
    type Output = Result<(), LockError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.handle.is_inherited() {
            return Poll::Ready(self.handle.check(Staleness::Recent));
        }
        let Some(id) = self.queued else {
            return self.join(cx);
        };
        let result = self.look(id, cx.waker());
        if let Poll::Ready(Err(_)) = result {
            self.queued = None;
        }
        result
    }
}

impl<H: TableHandle> Drop for Acquire<'_, '_, H> {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}
