//! The lock table: which requests hold or await which keys.
//!
//! A plain state machine: no I/O, no clock, no runtime. It is told of requests and
//! releases, and answers with whom to wake. [`shards`] put it behind mutexes, and [`acquire`] and [`guard`] make
//! it awaitable; every backend whose locks live in this process stands on these.
//!
//! Each key that is held has an entry, and the rule of the [Web Locks specification]
//! decides who in it holds: *a request is granted when no earlier request in the
//! queue, held or pending, conflicts with it*. From this follows what the code
//! relies on:
//!
//! - a key that nobody holds has nobody waiting, so a queue has a holder or is empty;
//! - all holders of a key have one mode, and more than one holder means shared;
//! - the first pending request conflicts with the holders, so a newcomer is
//!   granted at once only if nobody is pending;
//! - only a removal can make the first pending request grantable, or a holder that goes on in
//!   shared mode, so [`Table::remove`] and [`Table::downgrade`] are the places that grant to waiters.
//!
//! Nearly always a key has one holder and nobody waits, and it is taken again soon. So the
//! first holder stands in the entry itself, which [stays](entries) for a while when its key
//! is free: to take such a key is one look into a map, and to free it is one
//! compare-and-swap of a [word](words), without the table. All others, who hold beside the
//! first or wait, live in one slab and are linked by index, so that every operation costs
//! the same with one waiter or with a million.
//!
//! [Web Locks specification]: https://w3c.github.io/web-locks/#algorithms

use slab::Slab;

use crate::guard::LockMode;
use crate::key;

mod acquire;
mod answer;
mod entries;
pub(crate) mod guard;
pub(crate) mod handle;
mod id;
pub(crate) mod locks;
mod operations;
mod queue;
#[cfg(all(feature = "__edge", any(unix, windows)))]
pub(crate) mod requests;
pub(crate) mod shards;
mod sought;
mod view;
mod watchers;
pub(crate) mod words;

#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod entries_tests;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(any(test, crosslock_fuzz), not(any(loom, target_family = "wasm"))))]
pub(crate) mod model_tests;
#[cfg(all(test, any(unix, windows), not(loom)))]
mod shards_tests;

use crate::core::list::{place, slot};
use entries::Entries;
pub(crate) use id::{RequestId, Serial, Status};
use queue::{Promoted, Request};
use sought::Named;
pub(crate) use sought::Sought;
pub(crate) use view::RequestInfo;
pub(crate) use watchers::WatcherId;
use watchers::Watchers;
use words::{Word, Words};

/// Whom to wake after a change. Nearly always nobody or one, so on the stack; in wasm
/// the size of the code counts more.
#[cfg(not(target_family = "wasm"))]
pub(crate) type Wakes<W> = smallvec::SmallVec<[W; 1]>;
#[cfg(target_family = "wasm")]
pub(crate) type Wakes<W> = Vec<W>;

/// Why there is no answer to a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The table will grant nothing more; the reason is in [`Table::closed`].
    Closed,
    /// The key breaks a rule.
    Invalid,
}

/// `W` wakes a waiter; `M` is what is known of a request (since when, by whom).
/// The table hands both back and looks into neither.
///
/// Whoever has it exclusively gives it its words, which are beside it and not in it, as the
/// holder of a lock may reach them without it.
#[derive(Debug)]
pub(crate) struct Table<W, M> {
    entries: Entries<M>,
    /// All requests but the first holders.
    others: Slab<Request<W, M>>,
    last_serial: u64,
    step: u64,
    watchers: Watchers<W>,
    closed: Option<String>,
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
    /// Of several tables that use up the same serial numbers: this one has every `step`th,
    /// beginning behind `first`, which is less than that.
    pub(crate) fn new(first: u64, step: u64) -> Self {
        Self {
            entries: Entries::new(),
            others: Slab::new(),
            last_serial: first,
            step,
            watchers: Watchers::new(),
            closed: None,
        }
    }

    #[inline]
    fn next_serial(&mut self) -> Serial {
        self.last_serial += self.step;
        Serial::new(self.last_serial).expect("as many as there are take centuries")
    }

    /// Grants `key` at once, or leaves the table as it was.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn try_acquire(
        &mut self,
        words: &Words,
        key: &Sought<'_>,
        mode: LockMode,
        meta: M,
    ) -> Result<Option<RequestId>, Refused> {
        self.request(words, key, mode, meta, IfHeld::Refuse)
    }

    /// Grants `key` at once or joins its queue; [`status`](Self::status) tells which.
    pub(crate) fn enqueue(
        &mut self,
        words: &Words,
        key: &Sought<'_>,
        mode: LockMode,
        meta: M,
    ) -> Result<RequestId, Refused> {
        let id = self.request(words, key, mode, meta, IfHeld::Wait)?;
        Ok(id.expect("it was granted or has joined"))
    }

    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    fn request(
        &mut self,
        words: &Words,
        key: &Sought<'_>,
        mode: LockMode,
        meta: M,
        if_held: IfHeld,
    ) -> Result<Option<RequestId>, Refused> {
        if self.closed.is_some() {
            return Err(Refused::Closed);
        }
        let serial = self.next_serial();
        let Some((at, entry)) = self.entries.find(key) else {
            return Ok(Some(self.take_new(
                words,
                key.named(),
                mode,
                meta,
                serial,
            )?));
        };
        if entry.look(words, at).is_free() {
            return Ok(Some(entry.take(words, at, mode, meta, serial)));
        }
        let admitted = entry.admits(mode);
        if !admitted && if_held == IfHeld::Refuse {
            return Ok(None);
        }
        // From here on no holder can leave without the mutex.
        if entry.hold_still(words, at).is_free() {
            return Ok(Some(entry.take(words, at, mode, meta, serial)));
        }
        let status = match admitted {
            true => Status::Held,
            false => Status::Pending,
        };
        let slot = self.others.insert(Request {
            serial,
            mode,
            status,
            waker: None,
            meta,
            links: Default::default(),
        });
        entry.part(status).push_back(slot, &mut self.others);
        Ok(Some(RequestId {
            serial,
            entry: at,
            slot: place(slot),
        }))
    }

    #[inline(never)]
    fn take_new(
        &mut self,
        words: &Words,
        key: Named<'_>,
        mode: LockMode,
        meta: M,
        serial: Serial,
    ) -> Result<RequestId, Refused> {
        // The caller explains the refusal, after the mutex is unlocked: it is logged.
        if !key::is_valid(key.text) {
            return Err(Refused::Invalid);
        }
        let at = self.entries.insert(words, key, mode, meta);
        let entry = self.entries.get_mut(at).expect("it is new");
        entry.set(words, at, Word::held(serial));
        Ok(RequestId::of_first(serial, at))
    }

    /// Grants `key` exclusively whoever holds it; its holders are gone, and those
    /// who watch must be woken. Waiters stay where they are.
    pub(crate) fn steal(
        &mut self,
        words: &Words,
        key: &Sought<'_>,
        meta: M,
    ) -> Result<(RequestId, Wakes<W>), Refused> {
        if self.closed.is_some() {
            return Err(Refused::Closed);
        }
        let serial = self.next_serial();
        let mut wakes = Wakes::new();
        let mode = LockMode::Exclusive;
        let Some((at, entry)) = self.entries.find(key) else {
            let id = self.take_new(words, key.named(), mode, meta, serial)?;
            return Ok((id, wakes));
        };
        let was_held = !entry.hold_still(words, at).is_free();
        entry.meta = meta;
        entry.mode = mode;
        while let Some(slot) = entry.further.front() {
            entry.further.unlink(slot, &mut self.others);
            self.others.remove(slot);
        }
        entry.name(words, at, serial);
        if was_held {
            wakes.extend(self.watchers.take_all());
        }
        Ok((RequestId::of_first(serial, at), wakes))
    }

    pub(crate) fn status(&self, words: &Words, id: RequestId) -> Status {
        if self.is_first(words, id) {
            return Status::Held;
        }
        let slot = slot_of(&self.others, id);
        slot.map_or(Status::Gone, |slot| self.others[slot].status)
    }

    fn is_first(&self, words: &Words, id: RequestId) -> bool {
        let entry = self.entries.get(id.entry);
        entry.is_some_and(|entry| entry.look(words, id.entry).is_of(id.serial))
    }

    /// Where the waker of a pending request is, to be woken when it is granted or gone;
    /// `None` if it does not wait.
    pub(crate) fn waker(&mut self, id: RequestId) -> Option<&mut Option<W>> {
        let slot = slot_of(&self.others, id)?;
        let request = &mut self.others[slot];
        (request.status == Status::Pending).then_some(&mut request.waker)
    }

    /// Removes a request, held or pending: a release, or a cancelled wait. Grants what has
    /// become grantable, and does nothing if the request is gone already.
    ///
    /// Returns the waker of the request itself, for the caller to drop where that
    /// can do no harm, and those of the requests that were granted.
    #[inline(never)]
    pub(crate) fn remove(&mut self, words: &Words, id: RequestId) -> (Option<W>, Wakes<W>) {
        let mut wakes = Wakes::new();
        let (at, others) = (id.entry, &mut self.others);
        let Some(entry) = self.entries.get_mut(at) else {
            return (None, wakes);
        };
        if entry.look(words, at).is_of(id.serial) {
            match entry.promote(others) {
                None => {
                    entry.set(words, at, Word::FREE);
                    self.entries.now_free(at);
                }
                Some(Promoted { serial, waker }) => {
                    wakes.extend(waker);
                    entry.grant(others, &mut wakes);
                    entry.name(words, at, serial);
                }
            }
            give_slots_back(&mut self.others);
            return (None, wakes);
        }
        let Some(slot) = slot_of(others, id) else {
            return (None, wakes);
        };
        entry.part(others[slot].status).unlink(slot, others);
        let waker = others.remove(slot).waker;
        entry.grant(others, &mut wakes);
        if entry.is_of_one() {
            // The first holder may release without the mutex again.
            let word = entry.look(words, at).alone();
            entry.set(words, at, word);
        }
        give_slots_back(&mut self.others);
        (waker, wakes)
    }

    /// Has a request that is held exclusively go on in shared mode, and grants the readers at the
    /// head of the queue. Does nothing to one that is shared already. `None` if it is not held.
    #[inline(never)]
    pub(crate) fn downgrade(&mut self, words: &Words, id: RequestId) -> Option<Wakes<W>> {
        let mut wakes = Wakes::new();
        if self.status(words, id) != Status::Held {
            return None;
        }
        let (at, others) = (id.entry, &mut self.others);
        let entry = self.entries.get_mut(at)?;
        if entry.mode == LockMode::Shared {
            return Some(wakes);
        }
        // An exclusive holder is the first, and the only one. It is the one who asks, so it does
        // not free its word meanwhile; a thief would need the mutex.
        entry.mode = LockMode::Shared;
        entry.grant(others, &mut wakes);
        entry.name(words, at, id.serial);
        Some(wakes)
    }

    /// Takes every lock away and grants nothing from now on.
    pub(crate) fn close(&mut self, words: &Words, reason: String) -> Wakes<W> {
        if self.closed.is_none() {
            self.closed = Some(reason);
        }
        words.clear();
        self.entries = Entries::new();
        let wakers = std::mem::take(&mut self.others)
            .into_iter()
            .filter_map(|(_, request)| request.waker);
        let mut wakes: Wakes<W> = wakers.collect();
        wakes.extend(self.watchers.take_all());
        wakes
    }

    /// Why the table was [closed](Self::close), if it was.
    pub(crate) fn closed(&self) -> Option<&str> {
        self.closed.as_deref()
    }

    /// Has `waker` woken at the next loss of any lock, to look whether `id` is
    /// still held. Gives the waker back if it is not even now.
    pub(crate) fn watch(&mut self, words: &Words, id: RequestId, waker: W) -> Result<WatcherId, W> {
        if self.status(words, id) != Status::Held {
            return Err(waker);
        }
        let serial = self.next_serial();
        Ok(self.watchers.add(serial, waker))
    }

    /// Takes back what [`watch`](Self::watch) left, unless a loss has used it up.
    pub(crate) fn unwatch(&mut self, id: WatcherId) -> Option<W> {
        self.watchers.remove(id)
    }
}

/// Where a request lives that is not the first holder.
#[inline]
fn slot_of<W, M>(others: &Slab<Request<W, M>>, id: RequestId) -> Option<usize> {
    let slot = slot(id.slot)?;
    (others.get(slot)?.serial == id.serial).then_some(slot)
}

/// A slab can be cut only behind its last used slot, so it shrinks when it is empty.
#[inline]
fn give_slots_back<T>(slots: &mut Slab<T>) {
    if slots.capacity() > KEEP_CAPACITY && slots.is_empty() {
        *slots = Slab::new();
    }
}
