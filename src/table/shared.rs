//! The lock table behind mutexes, awaitable: [`SharedTable`] and the future
//! [`Acquire`], which ends in a [`TableGuard`].
//!
//! Two rules keep it free of deadlocks:
//!
//! - Nobody locks a second shard while holding one, except
//!   [`SharedTable::for_each`], which takes all of them in their order.
//! - No waker is woken, cloned or dropped while a shard is locked. A waker is
//!   foreign code: dropping the last one of a task drops the task, with all the
//!   guards in it, and they come here to release.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::guard::TableGuard;
use super::{Closed, HashedKey, RequestId, RequestInfo, Status, Table, Wakes};
use crate::error::{Contention, LockError};
use crate::guard::LockMode;
use crate::hash::BuildHasher;
use crate::key::LockKey;
use crate::sync::{self, Mutex, MutexGuard};
use crate::time::Since;

/// Who asked, and when.
#[derive(Debug, Clone)]
pub(crate) struct Meta {
    pub(crate) since: Since,
    pub(crate) client: Option<Arc<str>>,
}

impl Meta {
    #[inline]
    pub(crate) fn now(client: Option<Arc<str>>) -> Self {
        let since = Since::now();
        Self { since, client }
    }
}

pub(super) type LockedTable<'a> = MutexGuard<'a, Table<Waker, Meta>>;

/// Keys are spread over shards, each with a mutex of its own, so that threads
/// that use different keys seldom meet.
#[derive(Debug)]
pub(crate) struct SharedTable {
    shards: Box<[Shard; SHARDS]>,
    hasher: BuildHasher,
}

/// Aligned so that two shards never share a cache line (nor the pair of lines
/// that x86 prefetches together).
#[derive(Debug)]
#[repr(align(128))]
struct Shard(Mutex<Table<Waker, Meta>>);

const SHARDS: usize = if cfg!(target_family = "wasm") {
    // There is one thread per table.
    1
} else if cfg!(loom) {
    // As few as can be in each other's way: its search grows with every mutex.
    2
} else {
    32
};

impl SharedTable {
    pub(crate) fn new() -> Self {
        let shards = std::array::from_fn(|_| Shard(Mutex::new(Table::new())));
        Self {
            shards: Box::new(shards),
            hasher: BuildHasher::default(),
        }
    }

    /// `key` with its hash, by which it finds its shard and its place there.
    #[inline]
    pub(crate) fn hashed(&self, key: LockKey) -> HashedKey {
        HashedKey::new(key, &self.hasher)
    }

    #[inline]
    pub(super) fn shard(&self, key: &HashedKey) -> LockedTable<'_> {
        if SHARDS == 1 {
            return self.shards[0].lock();
        }
        // Not by the lowest bits, which find the place within the shard.
        self.shards[(key.hash >> 32) as usize % self.shards.len()].lock()
    }

    /// Takes every lock away, wakes everyone, and grants nothing from now on.
    #[cfg_attr(
        not(any(unix, windows)),
        expect(dead_code, reason = "for datadir locks, which can be lost as a whole")
    )]
    pub(crate) fn close(&self, reason: &str) {
        for shard in &*self.shards {
            // The guard of the mutex is gone before anyone is woken.
            let wakes = shard.lock().close(reason.to_owned());
            wake(wakes);
        }
    }

    /// Shows the requests of all keys as of one moment.
    pub(crate) fn for_each(&self, mut show: impl FnMut(RequestInfo<'_, Meta>)) {
        let locked: Vec<_> = self.shards.iter().map(Shard::lock).collect();
        for table in &locked {
            table.for_each(&mut show);
        }
    }
}

impl Shard {
    #[inline]
    fn lock(&self) -> LockedTable<'_> {
        // Nothing foreign runs under the mutex, so a panic there is a bug of the
        // table, and a table in doubt must not grant anything.
        sync::locked(&self.0, "the lock table panicked earlier")
    }
}

#[inline]
fn wake(wakes: Wakes<Waker>) {
    for waker in wakes {
        waker.wake();
    }
}

/// What keeps a table alive: guards and futures hold one, so that they may
/// outlive their manager.
pub(crate) trait Owner: Clone + std::fmt::Debug + Send + Sync + Unpin + 'static {
    /// How often to [`check`](Self::check) while somebody waits to hear of a loss;
    /// `None` where nothing is ever found that way.
    const CHECK_EVERY: Option<Duration> = None;

    fn table(&self) -> &SharedTable;

    /// Whether this process was forked off the one that the table belongs to, whose locks
    /// do not cross a fork. It must not touch the table: a mutex in it may have been locked
    /// at the fork, by a thread that this process does not have.
    /// [`check`](Self::check) then fails before it does.
    #[inline]
    fn is_inherited(&self) -> bool {
        false
    }

    /// Looks whether the table may still be used, and [closes](SharedTable::close) it
    /// if what it stands on is gone. Must not be called with a shard locked.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`], for ever, or why that cannot be told at the moment.
    fn check(&self, _freshness: Freshness) -> Result<(), LockError> {
        Ok(())
    }
}

/// How old the answer of [`Owner::check`] may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Less than a second: for those who ask for a lock.
    Recent,
    /// For those who ask whether they still have one.
    Now,
}

impl Owner for Arc<SharedTable> {
    fn table(&self) -> &SharedTable {
        self
    }
}

/// Takes `key` if that is possible at once.
#[cfg_attr(not(target_family = "wasm"), inline(always))]
pub(crate) fn try_acquire<O: Owner>(
    owner: &O,
    key: &HashedKey,
    mode: LockMode,
    client: Option<Arc<str>>,
) -> Result<Option<TableGuard<O>>, LockError> {
    let meta = Meta::now(client);
    let mut table = owner.table().shard(key);
    match table.try_acquire(key, mode, meta) {
        Err(Closed) => Err(lost(&table, None)),
        Ok(id) => {
            drop(table);
            Ok(id.map(|id| TableGuard::new(owner, key.clone(), mode, id)))
        }
    }
}

/// Takes `key` from its holders.
pub(crate) fn steal<O: Owner>(
    owner: &O,
    key: &HashedKey,
    client: Option<Arc<str>>,
) -> Result<TableGuard<O>, LockError> {
    let meta = Meta::now(client);
    let mut table = owner.table().shard(key);
    match table.steal(key, meta) {
        Err(Closed) => Err(lost(&table, None)),
        Ok((id, wakes)) => {
            drop(table);
            wake(wakes);
            let key = key.clone();
            Ok(TableGuard::new(owner, key, LockMode::Exclusive, id))
        }
    }
}

fn describe_contention(
    table: &Table<Waker, Meta>,
    key: &HashedKey,
    own: Option<RequestId>,
) -> Option<Contention> {
    let (holder, ahead) = table.contention(key, own, Contention::MAX_AHEAD)?;
    Some(Contention {
        holder: holder.client.as_deref().map(str::to_owned),
        held_for: Some(holder.since.elapsed()),
        ahead: Some(ahead),
        no_answer: false,
    })
}

pub(super) fn lost(table: &Table<Waker, Meta>, key: Option<&LockKey>) -> LockError {
    LockError::Lost {
        key: key.map(LockKey::to_string),
        reason: table.closed().unwrap_or("it was stolen").to_owned(),
    }
}

/// Waits in turn for a key, which then is to be [taken](Self::into_guard). It joins the
/// queue when it is first polled.
///
/// Dropping it leaves the queue. If the grant came before the drop, the lock goes
/// to the next in the queue: both happen under the shard's mutex, so there is no
/// moment in which a grant belongs to nobody.
#[derive(Debug)]
pub(crate) struct Acquire<O: Owner> {
    owner: O,
    key: HashedKey,
    mode: LockMode,
    client: Option<Arc<str>>,
    /// The request while it stands in the table on our behalf: from joining the
    /// queue until a guard takes it over or it is gone.
    queued: Option<RequestId>,
}

impl<O: Owner> Acquire<O> {
    pub(crate) fn new(owner: &O, key: HashedKey, mode: LockMode, client: Option<Arc<str>>) -> Self {
        Self {
            owner: owner.clone(),
            key,
            mode,
            client,
            queued: None,
        }
    }

    /// The lock, after it was granted. Not the output of the future, because everything
    /// that a guard passes through on its way up copies it.
    pub(crate) fn into_guard(mut self) -> TableGuard<O> {
        let id = self.queued.take().expect("it was granted");
        TableGuard::new(&self.owner, self.key.clone(), self.mode, id)
    }

    /// Ends the wait: with the guard, if it was granted at the last moment, or
    /// with who is in the way.
    pub(crate) fn give_up(mut self) -> Result<TableGuard<O>, Option<Contention>> {
        if self.owner.is_inherited() {
            return Err(None);
        }
        let mut table = self.owner.table().shard(&self.key);
        let Some(id) = self.queued else {
            return Err(describe_contention(&table, &self.key, None));
        };
        if table.status(&self.key, id) == Status::Held {
            drop(table);
            return Ok(self.into_guard());
        }
        self.queued = None;
        let contention = describe_contention(&table, &self.key, Some(id));
        let (own, wakes) = table.remove(&self.key, id);
        drop(table);
        drop(own);
        wake(wakes);
        Err(contention)
    }

    fn join(&mut self, cx: &Context<'_>) -> Poll<Result<(), LockError>> {
        let meta = Meta::now(self.client.clone());
        let waker = cx.waker().clone();
        let mut table = self.owner.table().shard(&self.key);
        let Ok(id) = table.enqueue(&self.key, self.mode, meta) else {
            return Poll::Ready(Err(lost(&table, None)));
        };
        let unused = table.set_waker(id, waker);
        drop(table);
        self.queued = Some(id);
        // A waker comes back exactly if the request does not wait: it was granted.
        match unused {
            Some(_) => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }
}

/// What has come of the wait of `id`.
fn outcome(
    table: &Table<Waker, Meta>,
    key: &HashedKey,
    id: RequestId,
) -> Poll<Result<(), LockError>> {
    match table.status(key, id) {
        Status::Pending => Poll::Pending,
        Status::Held => Poll::Ready(Ok(())),
        Status::Gone => Poll::Ready(Err(lost(table, None))),
    }
}

impl<O: Owner> Future for Acquire<O> {
    type Output = Result<(), LockError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.owner.is_inherited() {
            return Poll::Ready(self.owner.check(Freshness::Recent));
        }
        let Some(id) = self.queued else {
            return self.join(cx);
        };
        let mut result = outcome(&self.owner.table().shard(&self.key), &self.key, id);
        if result.is_pending() {
            let waker = cx.waker().clone();
            let mut table = self.owner.table().shard(&self.key);
            let replaced = table.set_waker(id, waker);
            // Once more: it may have been granted since, and have woken the waker of before.
            result = outcome(&table, &self.key, id);
            drop(table);
            drop(replaced);
        }
        if let Poll::Ready(Err(_)) = result {
            self.queued = None;
        }
        result
    }
}

impl<O: Owner> Drop for Acquire<O> {
    fn drop(&mut self) {
        if let Some(id) = self.queued.take() {
            release(&self.owner, &self.key, id);
        }
    }
}

#[inline]
pub(super) fn release<O: Owner>(owner: &O, key: &HashedKey, id: RequestId) {
    if owner.is_inherited() {
        return;
    }
    let (own, wakes) = owner.table().shard(key).remove(key, id);
    drop(own);
    wake(wakes);
}
