//! The lock table: which requests hold or await which keys.
//!
//! A plain state machine: no I/O, no clock, no runtime, no synchronisation. It is
//! told of requests and releases, and answers with whom to wake. [`shared`] puts
//! it behind a mutex and makes it awaitable; every backend whose locks live in
//! this process stands on the two.
//!
//! Each key that is held or waited for has a queue of two parts, `held` and
//! `pending`, and the rule of the [Web Locks specification] decides who moves from
//! one to the other: *a request is granted when no earlier request in the queue,
//! held or pending, conflicts with it*. From this follows what the code relies on:
//!
//! - all holders of a key have one mode, and more than one holder means shared;
//! - the first pending request conflicts with the holders, so a newcomer is
//!   granted at once only if nobody is pending;
//! - only a removal can make the first pending request grantable, so
//!   [`Table::remove`] is the one place that grants to waiters.
//!
//! Requests of all keys live in one slab and are linked into their queue by index,
//! so that every operation costs the same with one waiter or with a million.
//!
//! [Web Locks specification]: https://w3c.github.io/web-locks/#algorithms

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use slab::Slab;
use smallvec::SmallVec;

use crate::guard::LockMode;
use crate::hash::BuildHasher;
use crate::key::LockKey;

mod guard;
mod list;
pub(crate) mod locks;
pub(crate) mod shared;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod model_tests;

use list::{Linked, Links, List};

/// Whom to wake after a change. Nearly always nobody or one, so on the stack.
pub(crate) type Wakes<W> = SmallVec<[W; 1]>;

/// Names one request for as long as anybody may ask about it.
///
/// The slot is used again after the request is gone; the serial number is not, so
/// a guard whose lock was stolen cannot be taken for the slot's next user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId {
    slot: usize,
    serial: u64,
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
    queues: HashMap<LockKey, Queue, BuildHasher>,
    requests: Slab<Request<W, M>>,
    next_serial: u64,
    /// Wakers of those who watch a held lock for its loss, by serial number. A
    /// loss is rare and wakes all of them; each looks for itself.
    watchers: HashMap<u64, W, BuildHasher>,
    closed: Option<String>,
}

#[derive(Debug, Default)]
struct Queue {
    held: List,
    pending: List,
}

impl Queue {
    fn part(&mut self, status: Status) -> &mut List {
        match status {
            Status::Held => &mut self.held,
            Status::Pending | Status::Gone => &mut self.pending,
        }
    }

    /// Whether the holders leave room for `mode`. One mode is enough to look at:
    /// all holders have the same.
    fn admits<W, M>(&self, mode: LockMode, requests: &Slab<Request<W, M>>) -> bool {
        self.held.front().is_none_or(|holder| {
            mode == LockMode::Shared && requests[holder].mode == LockMode::Shared
        })
    }

    /// Whether a newcomer is granted at once: nobody is pending, and the holders
    /// leave room.
    fn grantable<W, M>(&self, mode: LockMode, requests: &Slab<Request<W, M>>) -> bool {
        self.pending.is_empty() && self.admits(mode, requests)
    }
}

#[derive(Debug)]
struct Request<W, M> {
    serial: u64,
    key: LockKey,
    mode: LockMode,
    status: Status,
    /// Set while the request is pending and its future sleeps.
    waker: Option<W>,
    meta: M,
    links: Links,
}

impl<W, M> Linked for Request<W, M> {
    fn links(&self) -> Links {
        self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// A request as [`Table::for_each`] shows it.
#[derive(Debug)]
pub(crate) struct RequestInfo<'a, M> {
    pub(crate) key: &'a LockKey,
    pub(crate) mode: LockMode,
    pub(crate) status: Status,
    pub(crate) meta: &'a M,
}

/// Below this many slots, giving memory back costs more than it saves.
const KEEP_CAPACITY: usize = 64;

impl<W, M> Table<W, M> {
    pub(crate) fn new() -> Self {
        Self {
            queues: HashMap::default(),
            requests: Slab::new(),
            next_serial: 0,
            watchers: HashMap::default(),
            closed: None,
        }
    }

    /// Grants `key` at once, or leaves the table as it was.
    pub(crate) fn try_acquire(
        &mut self,
        key: &LockKey,
        mode: LockMode,
        meta: M,
    ) -> Result<Option<RequestId>, Closed> {
        let granted = self.grants_at_once(key, mode)?;
        Ok(granted.then(|| self.insert(key, mode, meta, Status::Held)))
    }

    /// Grants `key` at once or joins its queue; [`status`](Self::status) tells which.
    pub(crate) fn enqueue(
        &mut self,
        key: &LockKey,
        mode: LockMode,
        meta: M,
    ) -> Result<RequestId, Closed> {
        let status = if self.grants_at_once(key, mode)? {
            Status::Held
        } else {
            Status::Pending
        };
        Ok(self.insert(key, mode, meta, status))
    }

    fn grants_at_once(&self, key: &LockKey, mode: LockMode) -> Result<bool, Closed> {
        if self.closed.is_some() {
            return Err(Closed);
        }
        let queue = self.queues.get(key);
        Ok(queue.is_none_or(|queue| queue.grantable(mode, &self.requests)))
    }

    /// Grants `key` exclusively whoever holds it; its holders are gone, and those
    /// who watch must be woken. Waiters stay where they are.
    pub(crate) fn steal(
        &mut self,
        key: &LockKey,
        meta: M,
    ) -> Result<(RequestId, Wakes<W>), Closed> {
        if self.closed.is_some() {
            return Err(Closed);
        }
        let mut wakes = Wakes::new();
        let mut stolen = false;
        if let Some(queue) = self.queues.get_mut(key) {
            while let Some(slot) = queue.held.front() {
                queue.held.unlink(slot, &mut self.requests);
                self.requests.remove(slot);
                stolen = true;
            }
        }
        if stolen {
            wakes.extend(self.watchers.drain().map(|(_, waker)| waker));
        }
        let id = self.insert(key, LockMode::Exclusive, meta, Status::Held);
        Ok((id, wakes))
    }

    fn insert(&mut self, key: &LockKey, mode: LockMode, meta: M, status: Status) -> RequestId {
        let serial = self.next_serial();
        let slot = self.requests.insert(Request {
            serial,
            key: key.clone(),
            mode,
            status,
            waker: None,
            meta,
            links: Links::default(),
        });
        let queue = self.queues.entry(key.clone()).or_default();
        queue.part(status).push_back(slot, &mut self.requests);
        RequestId { slot, serial }
    }

    fn next_serial(&mut self) -> u64 {
        self.next_serial += 1;
        self.next_serial
    }

    pub(crate) fn status(&self, id: RequestId) -> Status {
        self.get(id).map_or(Status::Gone, |request| request.status)
    }

    fn get(&self, id: RequestId) -> Option<&Request<W, M>> {
        let request = self.requests.get(id.slot)?;
        (request.serial == id.serial).then_some(request)
    }

    /// Has `waker` woken when the pending request `id` is granted or gone. Returns
    /// the waker that it replaces (or `waker` itself if the request does not wait),
    /// for the caller to drop where that can do no harm.
    pub(crate) fn set_waker(&mut self, id: RequestId, waker: W) -> Option<W> {
        match self.requests.get_mut(id.slot) {
            Some(request) if request.serial == id.serial && request.status == Status::Pending => {
                request.waker.replace(waker)
            }
            _ => Some(waker),
        }
    }

    /// Removes a request, held or pending: a release, or a cancelled wait. Grants
    /// what has become grantable, and does nothing if the request is gone already.
    ///
    /// Returns the waker of the request itself, for the caller to drop where that
    /// can do no harm, and those of the requests that were granted.
    pub(crate) fn remove(&mut self, id: RequestId) -> (Option<W>, Wakes<W>) {
        let mut wakes = Wakes::new();
        let Some(request) = self.get(id) else {
            return (None, wakes);
        };
        let status = request.status;
        // Cloned for the map: a short key is inline, a long one is shared.
        let Entry::Occupied(mut entry) = self.queues.entry(request.key.clone()) else {
            unreachable!("a request in the slab is linked into the queue of its key");
        };
        let queue = entry.get_mut();
        queue.part(status).unlink(id.slot, &mut self.requests);
        let waker = self.requests.remove(id.slot).waker;

        while let Some(next) = queue.pending.front() {
            if !queue.admits(self.requests[next].mode, &self.requests) {
                break;
            }
            queue.pending.unlink(next, &mut self.requests);
            queue.held.push_back(next, &mut self.requests);
            let granted = &mut self.requests[next];
            granted.status = Status::Held;
            wakes.extend(granted.waker.take());
        }
        if queue.held.is_empty() {
            entry.remove();
        }
        self.give_memory_back();
        (waker, wakes)
    }

    /// Geometric, so that each removal pays a constant share of it.
    fn give_memory_back(&mut self) {
        if self.queues.capacity() > KEEP_CAPACITY && self.queues.len() < self.queues.capacity() / 8
        {
            self.queues.shrink_to(self.queues.len() * 2);
        }
        // A slab can be cut only behind its last used slot, so it shrinks when
        // it is empty.
        if self.requests.capacity() > KEEP_CAPACITY && self.requests.is_empty() {
            self.requests = Slab::new();
        }
    }

    /// Takes every lock away and grants nothing from now on.
    pub(crate) fn close(&mut self, reason: String) -> Wakes<W> {
        if self.closed.is_none() {
            self.closed = Some(reason);
        }
        self.queues = HashMap::default();
        let wakers = std::mem::take(&mut self.requests)
            .into_iter()
            .filter_map(|(_, request)| request.waker);
        let mut wakes: Wakes<W> = wakers.collect();
        wakes.extend(self.watchers.drain().map(|(_, waker)| waker));
        wakes
    }

    /// Why the table was [closed](Self::close), if it was.
    pub(crate) fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Has `waker` woken at the next loss of any lock, to look whether `id` is
    /// still held. Gives the waker back if it is not even now.
    pub(crate) fn watch(&mut self, id: RequestId, waker: W) -> Result<u64, W> {
        if self.status(id) != Status::Held {
            return Err(waker);
        }
        let watcher = self.next_serial();
        self.watchers.insert(watcher, waker);
        Ok(watcher)
    }

    /// Takes back what [`watch`](Self::watch) left, unless a loss has used it up.
    pub(crate) fn unwatch(&mut self, watcher: u64) -> Option<W> {
        self.watchers.remove(&watcher)
    }

    /// The oldest holder of `key`, and how many requests wait for it before
    /// `own` (or in all), counted up to `most`.
    pub(crate) fn contention(
        &self,
        key: &LockKey,
        own: Option<RequestId>,
        most: usize,
    ) -> Option<(&M, usize)> {
        let queue = self.queues.get(key)?;
        let holder = &self.requests[queue.held.front()?].meta;
        let own = own.map(|id| id.slot);
        let ahead = queue
            .pending
            .iter(&self.requests)
            .take(most)
            .take_while(|&slot| Some(slot) != own)
            .count();
        Some((holder, ahead))
    }

    /// Shows every request; those of one key in the order of their queue.
    pub(crate) fn for_each(&self, mut show: impl FnMut(RequestInfo<'_, M>)) {
        for (key, queue) in &self.queues {
            let slots = queue
                .held
                .iter(&self.requests)
                .chain(queue.pending.iter(&self.requests));
            for slot in slots {
                let request = &self.requests[slot];
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
