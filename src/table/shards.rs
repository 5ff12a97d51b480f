//! The shards of a lock table, each behind a mutex: [`SharedTable`].
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

use super::answer::Answer;
use super::words::Words;
use super::{RequestId, RequestInfo, Sought, Status, Table, Wakes, WatcherId};
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

    /// The shard that has `key`.
    #[inline]
    pub(super) fn shard_for(&self, key: &Sought<'_>) -> &Shard {
        // Not by the lowest bits, which find the place within the shard.
        &self.shards[(key.hash >> 32) as usize % self.shards.len()]
    }

    /// The shard that has this request.
    #[inline]
    pub(super) fn shard_of(&self, id: &RequestId) -> &Shard {
        &self.shards[id.serial.get() as usize % self.shards.len()]
    }

    /// Takes `key` if that is possible at once.
    // This is not inlined into its many callers, and its answer fits into registers. A larger
    // value would be written to memory in pieces, and the processor stalls when it reads these
    // together.
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
        // With all shards locked nobody can take a key. With all words held still nobody can free
        // one either.
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
        // No foreign code runs under the mutex, so a panic there is a bug of the table. A table
        // in doubt must not grant anything.
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

    /// The caller drops the waker, after the mutex is unlocked.
    pub(super) fn unwatch(&self, watcher: WatcherId) -> Option<Waker> {
        self.lock().unwatch(watcher)
    }

    /// Has `id` go on in shared mode; `false` if it is not held.
    pub(super) fn downgrade(&self, id: RequestId) -> bool {
        let wakes = self.lock().downgrade(&self.words, id);
        wakes.map(wake).is_some()
    }

    /// `id` is a reference because a copy would read together what was just written in pieces.
    #[inline]
    pub(super) fn remove(&self, id: &RequestId) {
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

pub(super) fn lost(table: &Table<Waker, Meta>, key: Option<&LockKey>) -> LockError {
    LockError::Lost {
        key: key.map(LockKey::to_string),
        reason: table.closed().unwrap_or("it was stolen").to_owned(),
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
