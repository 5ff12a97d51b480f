//! The lock table: which requests hold or await which keys.
//!
//! A plain state machine: no I/O, no clock, no runtime, no synchronisation. It is
//! told of requests and releases, and answers with whom to wake. [`shared`] puts
//! it behind a mutex and makes it awaitable; every backend whose locks live in
//! this process stands on the two.
//!
//! Each key that is held has a queue, and the rule of the [Web Locks specification]
//! decides who in it holds: *a request is granted when no earlier request in the
//! queue, held or pending, conflicts with it*. From this follows what the code
//! relies on:
//!
//! - a key that nobody holds has nobody waiting, so a queue has a holder or is gone;
//! - all holders of a key have one mode, and more than one holder means shared;
//! - the first pending request conflicts with the holders, so a newcomer is
//!   granted at once only if nobody is pending;
//! - only a removal can make the first pending request grantable, so
//!   [`Table::remove`] is the one place that grants to waiters.
//!
//! Nearly always a key has one holder and nobody waits. So the first holder stands
//! in the queue itself, and to take and to free such a key is one insertion into
//! a map and one removal. All others, who hold beside the first or wait, live in
//! one slab and are linked by index, so that every operation costs the same with
//! one waiter or with a million.
//!
//! [Web Locks specification]: https://w3c.github.io/web-locks/#algorithms

use std::hash::BuildHasher as _;
use std::num::NonZeroU64;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use slab::Slab;

use crate::guard::LockMode;
use crate::hash::BuildHasher;
use crate::key::LockKey;

pub(crate) mod guard;
pub(crate) mod locks;
mod queue;
pub(crate) mod shared;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod model_tests;

use crate::core::list::{Place, place};
use queue::{Holder, Queue, Request, grant};

/// Whom to wake after a change. Nearly always nobody or one, so on the stack; in wasm
/// the size of the code counts more.
#[cfg(not(target_family = "wasm"))]
pub(crate) type Wakes<W> = smallvec::SmallVec<[W; 1]>;
#[cfg(target_family = "wasm")]
pub(crate) type Wakes<W> = Vec<W>;

/// A key with its hash, which is worked out once for all that is done with it.
#[derive(Debug, Clone)]
pub(crate) struct HashedKey {
    pub(crate) key: LockKey,
    hash: u64,
}

impl HashedKey {
    #[inline]
    pub(crate) fn new(key: LockKey, hasher: &BuildHasher) -> Self {
        let hash = hasher.hash_one(&key);
        Self { key, hash }
    }
}

/// Names one request for as long as anybody may ask about it: by its serial number,
/// which is never used again. The rest says where to look for it in the queue of its key,
/// which whoever keeps the id keeps as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId {
    serial: Serial,
    /// Where it lives unless it is the first holder. It may become that one later,
    /// and the slot another request's.
    slot: Option<Place>,
}

/// Not zero, so that `None` takes no room beside it.
type Serial = NonZeroU64;

/// Names one who watches, by a serial number and where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatcherId {
    serial: Serial,
    slot: usize,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Held,
    Pending,
    /// Removed by its owner, stolen, or gone with a [closed](Table::close) table.
    Gone,
}

/// The table will grant nothing more; the reason is in [`Table::closed`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// `W` wakes a waiter; `M` is what is known of a request (since when, by whom).
/// The table hands both back and looks into neither.
#[derive(Debug)]
pub(crate) struct Table<W, M> {
    queues: HashTable<Queue<M>>,
    /// All requests but the first holders.
    others: Slab<Request<W, M>>,
    last_serial: u64,
    /// Those who watch a held lock for its loss. A loss is rare and wakes all of
    /// them; each looks for itself.
    watchers: Slab<Watcher<W>>,
    closed: Option<String>,
}

#[derive(Debug)]
struct Watcher<W> {
    serial: Serial,
    waker: W,
}

/// A request as [`Table::for_each`] shows it.
#[derive(Debug)]
pub(crate) struct RequestInfo<'a, M> {
    pub(crate) key: &'a LockKey,
    pub(crate) mode: LockMode,
    pub(crate) status: Status,
    pub(crate) meta: &'a M,
}

/// What becomes of a request that cannot be granted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IfHeld {
    Refuse,
    Wait,
}

/// Below this many slots, giving memory back costs more than it saves.
const KEEP_CAPACITY: usize = 64;

impl<W, M> Table<W, M> {
    pub(crate) fn new() -> Self {
        Self {
            queues: HashTable::new(),
            others: Slab::new(),
            last_serial: 0,
            watchers: Slab::new(),
            closed: None,
        }
    }

    /// Grants `key` at once, or leaves the table as it was.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn try_acquire(
        &mut self,
        key: &HashedKey,
        mode: LockMode,
        meta: M,
    ) -> Result<Option<RequestId>, Closed> {
        self.request(key, mode, meta, IfHeld::Refuse)
    }

    /// Grants `key` at once or joins its queue; [`status`](Self::status) tells which.
    pub(crate) fn enqueue(
        &mut self,
        key: &HashedKey,
        mode: LockMode,
        meta: M,
    ) -> Result<RequestId, Closed> {
        let id = self.request(key, mode, meta, IfHeld::Wait)?;
        Ok(id.expect("it was granted or has joined"))
    }

    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    fn request(
        &mut self,
        key: &HashedKey,
        mode: LockMode,
        meta: M,
        if_held: IfHeld,
    ) -> Result<Option<RequestId>, Closed> {
        if self.closed.is_some() {
            return Err(Closed);
        }
        let serial = next(&mut self.last_serial);
        let queue = match entry(&mut self.queues, key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Queue::new(key, mode, Holder { serial, meta }));
                let slot = None;
                return Ok(Some(RequestId { serial, slot }));
            }
            Entry::Occupied(occupied) => occupied.into_mut(),
        };
        let status = match queue.admits(mode) {
            true => Status::Held,
            false if if_held == IfHeld::Wait => Status::Pending,
            false => return Ok(None),
        };
        let slot = self.others.insert(Request {
            serial,
            mode,
            status,
            waker: None,
            meta,
            links: Default::default(),
        });
        queue.part(status).push_back(slot, &mut self.others);
        let slot = Some(place(slot));
        Ok(Some(RequestId { serial, slot }))
    }

    /// Grants `key` exclusively whoever holds it; its holders are gone, and those
    /// who watch must be woken. Waiters stay where they are.
    pub(crate) fn steal(
        &mut self,
        key: &HashedKey,
        meta: M,
    ) -> Result<(RequestId, Wakes<W>), Closed> {
        if self.closed.is_some() {
            return Err(Closed);
        }
        let serial = next(&mut self.last_serial);
        let thief = Holder { serial, meta };
        let mut wakes = Wakes::new();
        match entry(&mut self.queues, key) {
            Entry::Vacant(vacant) => {
                vacant.insert(Queue::new(key, LockMode::Exclusive, thief));
            }
            Entry::Occupied(occupied) => {
                let queue = occupied.into_mut();
                queue.first = thief;
                queue.mode = LockMode::Exclusive;
                while let Some(slot) = queue.further.front() {
                    queue.further.unlink(slot, &mut self.others);
                    self.others.remove(slot);
                }
                wakes.extend(self.all_watchers());
            }
        }
        let slot = None;
        Ok((RequestId { serial, slot }, wakes))
    }

    pub(crate) fn status(&self, key: &HashedKey, id: RequestId) -> Status {
        if self.queues.find(key.hash, is_first(id)).is_some() {
            return Status::Held;
        }
        let slot = self.slot_of(id);
        slot.map_or(Status::Gone, |slot| self.others[slot].status)
    }

    /// Where a request lives that is not the first holder.
    fn slot_of(&self, id: RequestId) -> Option<usize> {
        let slot = id.slot? as usize;
        (self.others.get(slot)?.serial == id.serial).then_some(slot)
    }

    /// Has `waker` woken when the pending request `id` is granted or gone. Returns
    /// the waker that it replaces (or `waker` itself if the request does not wait),
    /// for the caller to drop where that can do no harm.
    pub(crate) fn set_waker(&mut self, id: RequestId, waker: W) -> Option<W> {
        match self.slot_of(id) {
            Some(slot) if self.others[slot].status == Status::Pending => {
                self.others[slot].waker.replace(waker)
            }
            _ => Some(waker),
        }
    }

    /// Removes the request `id` for `key`, held or pending: a release, or a cancelled
    /// wait. Grants what has become grantable, and does nothing if the request is gone
    /// already.
    ///
    /// Returns the waker of the request itself, for the caller to drop where that
    /// can do no harm, and those of the requests that were granted.
    #[inline]
    pub(crate) fn remove(&mut self, key: &HashedKey, id: RequestId) -> (Option<W>, Wakes<W>) {
        let mut wakes = Wakes::new();
        let others = &mut self.others;
        if let Ok(mut entry) = self.queues.find_entry(key.hash, is_first(id)) {
            let queue = entry.get_mut();
            // Another holder becomes the first, or the first of those who wait a holder.
            let next = queue.further.front().map(|slot| (slot, Status::Held));
            let next = next.or(queue.pending.front().map(|slot| (slot, Status::Pending)));
            let Some((slot, status)) = next else {
                entry.remove();
                self.give_memory_back();
                return (None, wakes);
            };
            queue.part(status).unlink(slot, others);
            let Request {
                serial,
                meta,
                mode,
                waker,
                ..
            } = others.remove(slot);
            queue.first = Holder { serial, meta };
            queue.mode = mode;
            wakes.extend(waker);
            grant(queue, others, &mut wakes);
            self.give_memory_back();
            return (None, wakes);
        }
        let Some(slot) = self.slot_of(id) else {
            return (None, wakes);
        };
        let others = &mut self.others;
        let queue = self.queues.find_mut(key.hash, is_for(key));
        let queue = queue.expect("a request in the slab is linked into the queue of its key");
        queue.part(others[slot].status).unlink(slot, others);
        let waker = others.remove(slot).waker;
        grant(queue, others, &mut wakes);
        self.give_memory_back();
        (waker, wakes)
    }

    /// Geometric, so that each removal pays a constant share of it.
    #[inline]
    fn give_memory_back(&mut self) {
        let (length, capacity) = (self.queues.len(), self.queues.capacity());
        if capacity > KEEP_CAPACITY && length < capacity / 8 {
            self.queues.shrink_to(length * 2, |queue| queue.key.hash);
        }
        give_slots_back(&mut self.others);
    }

    /// Takes every lock away and grants nothing from now on.
    pub(crate) fn close(&mut self, reason: String) -> Wakes<W> {
        if self.closed.is_none() {
            self.closed = Some(reason);
        }
        self.queues = HashTable::new();
        let wakers = std::mem::take(&mut self.others)
            .into_iter()
            .filter_map(|(_, request)| request.waker);
        let mut wakes: Wakes<W> = wakers.collect();
        wakes.extend(self.all_watchers());
        wakes
    }

    /// Why the table was [closed](Self::close), if it was.
    pub(crate) fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Has `waker` woken at the next loss of any lock, to look whether `id` is
    /// still held. Gives the waker back if it is not even now.
    pub(crate) fn watch(
        &mut self,
        key: &HashedKey,
        id: RequestId,
        waker: W,
    ) -> Result<WatcherId, W> {
        if self.status(key, id) != Status::Held {
            return Err(waker);
        }
        let serial = next(&mut self.last_serial);
        let slot = self.watchers.insert(Watcher { serial, waker });
        Ok(WatcherId { serial, slot })
    }

    /// Takes back what [`watch`](Self::watch) left, unless a loss has used it up.
    pub(crate) fn unwatch(&mut self, id: WatcherId) -> Option<W> {
        let watcher = self.watchers.get(id.slot)?;
        if watcher.serial != id.serial {
            return None;
        }
        let waker = self.watchers.remove(id.slot).waker;
        give_slots_back(&mut self.watchers);
        Some(waker)
    }

    /// Takes out those who watch, to be woken.
    fn all_watchers(&mut self) -> impl Iterator<Item = W> + use<W, M> {
        let watchers = std::mem::take(&mut self.watchers);
        watchers.into_iter().map(|(_, watcher)| watcher.waker)
    }

    /// The first holder of `key`, and how many requests wait for it before
    /// `own` (or in all), counted up to `most`.
    pub(crate) fn contention(
        &self,
        key: &HashedKey,
        own: Option<RequestId>,
        most: usize,
    ) -> Option<(&M, usize)> {
        let queue = self.queues.find(key.hash, is_for(key))?;
        let own = own.and_then(|id| id.slot).map(|slot| slot as usize);
        let ahead = queue
            .pending
            .iter(&self.others)
            .take(most)
            .take_while(|&slot| Some(slot) != own)
            .count();
        Some((&queue.first.meta, ahead))
    }

    /// Shows every request; those of one key in the order of their queue.
    pub(crate) fn for_each(&self, mut show: impl FnMut(RequestInfo<'_, M>)) {
        for queue in &self.queues {
            let key = &queue.key.key;
            show(RequestInfo {
                key,
                mode: queue.mode,
                status: Status::Held,
                meta: &queue.first.meta,
            });
            let further = queue.further.iter(&self.others);
            for slot in further.chain(queue.pending.iter(&self.others)) {
                let request = &self.others[slot];
                show(RequestInfo {
                    key,
                    mode: request.mode,
                    status: request.status,
                    meta: &request.meta,
                });
            }
        }
    }
}

/// A slab can be cut only behind its last used slot, so it shrinks when it is empty.
#[inline]
fn give_slots_back<T>(slots: &mut Slab<T>) {
    if slots.capacity() > KEEP_CAPACITY && slots.is_empty() {
        *slots = Slab::new();
    }
}

#[inline]
fn next(last: &mut u64) -> Serial {
    *last += 1;
    Serial::new(*last).expect("as many as there are take centuries")
}

#[inline]
fn entry<'a, M>(queues: &'a mut HashTable<Queue<M>>, key: &HashedKey) -> Entry<'a, Queue<M>> {
    queues.entry(key.hash, is_for(key), |queue| queue.key.hash)
}

#[inline]
fn is_for<M>(key: &HashedKey) -> impl Fn(&Queue<M>) -> bool {
    |queue| queue.key.key == key.key
}

#[inline]
fn is_first<M>(id: RequestId) -> impl Fn(&Queue<M>) -> bool {
    move |queue| queue.first.serial == id.serial
}
