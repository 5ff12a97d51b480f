//! The lock table behind mutexes, awaitable: [`SharedTable`] and the future
//! [`Acquire`](super::acquire::Acquire), which ends in a [`TableGuard`].
//!
//! Two rules keep it free of deadlocks:
//!
//! - Nobody locks a second shard while holding one, except
//!   [`SharedTable::for_each`], which takes all of them in their order.
//! - No waker is woken, cloned or dropped while a shard is locked. A waker is
//!   foreign code: dropping the last one of a task drops the task, with all the
//!   guards in it, and they come here to release.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::answer::Answer;
use super::guard::TableGuard;
use super::words::Words;
use super::{Refused, RequestId, RequestInfo, Sought, Status, Table, Wakes, WatcherId};
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
    pub(crate) fn now(client: Option<&Arc<str>>) -> Self {
        let since = Since::now();
        let client = client.cloned();
        Self { since, client }
    }

    /// What a request is told that timed out behind this one, with so many in front.
    pub(super) fn in_the_way(&self, ahead: usize) -> Contention {
        Contention {
            holder: self.client.as_deref().map(str::to_owned),
            held_for: Some(self.since.elapsed()),
            ahead: Some(ahead),
            no_answer: false,
        }
    }
}

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
pub(crate) struct Shard {
    table: Mutex<Table<Waker, Meta>>,
    pub(super) words: Words,
}

pub(super) const SHARDS: usize = if cfg!(target_family = "wasm") {
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
        Self {
            shards: Box::new(std::array::from_fn(Shard::new)),
            hasher: BuildHasher::default(),
        }
    }

    #[inline]
    pub(super) fn sought<'a>(&self, key: &'a str) -> Sought<'a> {
        Sought::new(key, &self.hasher)
    }

    /// Where `key` is.
    #[inline]
    pub(super) fn shard_for(&self, key: &Sought<'_>) -> &Shard {
        // Not by the lowest bits, which find the place within the shard.
        &self.shards[(key.hash >> 32) as usize % self.shards.len()]
    }

    /// Where the request is that this names.
    #[inline]
    pub(super) fn shard_of(&self, id: &RequestId) -> &Shard {
        &self.shards[id.serial.get() as usize % self.shards.len()]
    }

    /// Takes `key` if that is possible at once.
    // All that it takes to find out is here and not in the callers, who are many, and what
    // it answers fits into registers: what is returned by value otherwise is written in
    // pieces, and a processor stalls when it reads these together.
    #[cfg_attr(not(target_family = "wasm"), inline(never))]
    pub(super) fn try_acquire(
        &self,
        key: &str,
        mode: LockMode,
        client: Option<&Arc<str>>,
    ) -> Answer {
        let meta = Meta::now(client);
        let key = self.sought(key);
        let shard = self.shard_for(&key);
        let answer = shard.lock().try_acquire(&shard.words, &key, mode, meta);
        answer.into()
    }

    /// Takes every lock away, wakes everyone, and grants nothing from now on.
    #[cfg_attr(
        not(any(unix, windows)),
        expect(dead_code, reason = "for datadir locks, which can be lost as a whole")
    )]
    pub(crate) fn close(&self, reason: &str) {
        for shard in &*self.shards {
            // The guard of the mutex is gone before anyone is woken.
            let wakes = shard.lock().close(&shard.words, reason.to_owned());
            wake(wakes);
        }
    }

    /// Shows the requests of all keys as of one moment.
    pub(crate) fn for_each(&self, mut show: impl FnMut(RequestInfo<'_, Meta>)) {
        let locked: Vec<_> = self.shards.iter().map(Shard::lock).collect();
        let all = || locked.iter().zip(&*self.shards);
        // Nobody can take anything, and once all are still nobody can free anything.
        all().for_each(|(table, shard)| table.hold_all_still(&shard.words));
        all().for_each(|(table, shard)| table.for_each(&shard.words, &mut show));
    }
}

impl Shard {
    fn new(number: usize) -> Self {
        Self {
            table: Mutex::new(Table::new(number as u64, SHARDS as u64)),
            words: Words::new(),
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> MutexGuard<'_, Table<Waker, Meta>> {
        // Nothing foreign runs under the mutex, so a panic there is a bug of the
        // table, and a table in doubt must not grant anything.
        sync::locked(&self.table, "the lock table panicked earlier")
    }

    pub(super) fn status(&self, id: RequestId) -> Status {
        if self.words.is_first(id.entry, id.serial) {
            return Status::Held;
        }
        self.lock().status(&self.words, id)
    }

    /// Why `id`, which is gone, is not held any more.
    pub(super) fn lost(&self, key: Option<&LockKey>) -> LockError {
        lost(&self.lock(), key)
    }

    pub(super) fn watch(&self, id: RequestId, waker: Waker) -> Result<WatcherId, Waker> {
        self.lock().watch(&self.words, id, waker)
    }

    /// What this returns is dropped by the caller, when the mutex is free again.
    pub(super) fn unwatch(&self, watcher: WatcherId) -> Option<Waker> {
        self.lock().unwatch(watcher)
    }

    /// `id` by reference: it was just written in pieces.
    #[inline]
    fn remove(&self, id: &RequestId) {
        if !self.words.free(id.entry, id.serial) {
            self.remove_by_mutex(*id);
        }
    }

    #[inline(never)]
    fn remove_by_mutex(&self, id: RequestId) {
        let (own, wakes) = self.lock().remove(&self.words, id);
        drop(own);
        wake(wakes);
    }
}

#[inline]
pub(super) fn wake(wakes: Wakes<Waker>) {
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

/// Whether anything may be asked of the table for `key`. A bad key comes before a loss.
#[inline]
pub(super) fn check<O: Owner>(owner: &O, key: &str) -> Result<(), LockError> {
    owner.check(Freshness::Recent).map_err(|error| {
        let invalid = LockKey::new(key).err();
        invalid.map_or(error, LockError::from)
    })
}

/// Takes `key` if that is possible at once.
///
/// `wrap` makes of the guard what the caller is to have: here, because every hand that a
/// guard passes through copies it.
#[cfg_attr(not(target_family = "wasm"), inline(always))]
pub(crate) fn try_acquire<O: Owner, G>(
    owner: &O,
    key: &str,
    mode: LockMode,
    client: Option<&Arc<str>>,
    wrap: impl FnOnce(TableGuard<O>) -> G,
) -> Result<Option<G>, LockError> {
    let answer = owner.table().try_acquire(key, mode, client);
    match answer.granted() {
        Some(id) => {
            let key = LockKey::known(key);
            Ok(Some(wrap(TableGuard::new(owner, key, mode, id))))
        }
        None => match answer.refused() {
            None => Ok(None),
            Some(refused) => Err(why(owner.table(), refused, key)),
        },
    }
}

/// Takes `key` if that is possible at once, or joins its queue, to be woken by `waker`. Returns
/// whether it waits.
#[inline]
pub(super) fn enqueue(
    all: &SharedTable,
    key: &str,
    mode: LockMode,
    client: Option<&Arc<str>>,
    waker: Waker,
) -> Result<(RequestId, bool), LockError> {
    let meta = Meta::now(client);
    let sought = all.sought(key);
    let shard = all.shard_for(&sought);
    let mut table = shard.lock();
    let id = match table.enqueue(&shard.words, &sought, mode, meta) {
        Ok(id) => id,
        Err(refused) => {
            drop(table);
            return Err(why(all, refused, key));
        }
    };
    let place = table.waker(id);
    let waits = place.is_some();
    let unused = match place {
        Some(place) => place.replace(waker),
        None => Some(waker),
    };
    drop(table);
    drop(unused);
    Ok((id, waits))
}

/// Takes `key` from its holders.
pub(crate) fn steal<O: Owner>(
    owner: &O,
    key: &str,
    client: Option<&Arc<str>>,
) -> Result<TableGuard<O>, LockError> {
    let id = steal_request(owner.table(), key, client)?;
    let key = LockKey::known(key);
    Ok(TableGuard::new(owner, key, LockMode::Exclusive, id))
}

pub(super) fn steal_request(
    table: &SharedTable,
    key: &str,
    client: Option<&Arc<str>>,
) -> Result<RequestId, LockError> {
    let meta = Meta::now(client);
    let sought = table.sought(key);
    let shard = table.shard_for(&sought);
    let stolen = shard.lock().steal(&shard.words, &sought, meta);
    match stolen {
        Ok((id, wakes)) => {
            wake(wakes);
            Ok(id)
        }
        Err(refused) => Err(why(table, refused, key)),
    }
}

/// With no mutex locked: a refused key is logged, and the logger is foreign.
#[cold]
pub(super) fn why(table: &SharedTable, refused: Refused, key: &str) -> LockError {
    match refused {
        Refused::Invalid => {
            let invalid = LockKey::new(key);
            invalid.expect_err("it breaks a rule").into()
        }
        Refused::Closed => table.shard_for(&table.sought(key)).lost(None),
    }
}

pub(super) fn lost(table: &Table<Waker, Meta>, key: Option<&LockKey>) -> LockError {
    LockError::Lost {
        key: key.map(LockKey::to_string),
        reason: table.closed().unwrap_or("it was stolen").to_owned(),
    }
}

#[inline]
pub(super) fn release<O: Owner>(owner: &O, id: &RequestId) {
    if !owner.is_inherited() {
        owner.table().shard_of(id).remove(id);
    }
}

/// Frees what `id` holds, or withdraws it, where that takes the mutex. Returns whether it was
/// held.
#[cfg(all(feature = "__edge", any(unix, windows)))]
#[cold]
pub(super) fn release_by_mutex(shard: &Shard, id: RequestId) -> bool {
    let mut table = shard.lock();
    let was_held = table.status(&shard.words, id) == Status::Held;
    let (own, wakes) = table.remove(&shard.words, id);
    drop(table);
    drop(own);
    wake(wakes);
    was_held
}
