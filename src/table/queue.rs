//! [`Queue`]: who holds one key, and who waits for it.

use slab::Slab;

use super::{HashedKey, Serial, Status, Wakes};
use crate::core::list::{Linked, Links, List};
use crate::guard::LockMode;

/// A key that is held.
#[derive(Debug)]
pub(super) struct Queue<M> {
    pub(super) key: HashedKey,
    /// The mode of all holders.
    pub(super) mode: LockMode,
    pub(super) first: Holder<M>,
    /// Who holds beside the first one.
    pub(super) further: List,
    pub(super) pending: List,
}

#[derive(Debug)]
pub(super) struct Holder<M> {
    pub(super) serial: Serial,
    pub(super) meta: M,
}

impl<M> Queue<M> {
    #[inline]
    pub(super) fn new(key: &HashedKey, mode: LockMode, first: Holder<M>) -> Self {
        Self {
            key: key.clone(),
            mode,
            first,
            further: List::default(),
            pending: List::default(),
        }
    }

    /// Whether a newcomer is granted at once: nobody is pending, and the holders
    /// leave room.
    #[inline]
    pub(super) fn admits(&self, mode: LockMode) -> bool {
        self.pending.is_empty() && self.mode == LockMode::Shared && mode == LockMode::Shared
    }

    pub(super) fn part(&mut self, status: Status) -> &mut List {
        match status {
            Status::Held => &mut self.further,
            Status::Pending | Status::Gone => &mut self.pending,
        }
    }
}

/// A request that is not the first holder.
#[derive(Debug)]
pub(super) struct Request<W, M> {
    pub(super) serial: Serial,
    pub(super) mode: LockMode,
    pub(super) status: Status,
    /// Set while the request is pending and its future sleeps.
    pub(super) waker: Option<W>,
    pub(super) meta: M,
    pub(super) links: Links,
}

impl<W, M> Linked for Request<W, M> {
    fn links(&self) -> Links {
        self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

/// Grants to readers who wait right behind readers that hold.
pub(super) fn grant<W, M>(
    queue: &mut Queue<M>,
    others: &mut Slab<Request<W, M>>,
    wakes: &mut Wakes<W>,
) {
    while let Some(slot) = queue.pending.front() {
        if queue.mode != LockMode::Shared || others[slot].mode != LockMode::Shared {
            break;
        }
        queue.pending.unlink(slot, others);
        queue.further.push_back(slot, others);
        let granted = &mut others[slot];
        granted.status = Status::Held;
        wakes.extend(granted.waker.take());
    }
}
