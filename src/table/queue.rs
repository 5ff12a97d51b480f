//! [`Entry`]: who holds one key, and who waits for it.

use slab::Slab;

use super::words::{Word, Words};
use super::{RequestId, Serial, Status, Wakes};
use crate::core::list::{Linked, Links, List, Place};
use crate::guard::LockMode;
use crate::key::LockKey;

/// A key that is held, or was a moment ago.
#[derive(Debug)]
pub(super) struct Entry<M> {
    pub(super) hash: u64,
    pub(super) key: LockKey,
    /// Who holds it first, where no [word](super::words) says so.
    pub(super) word: Word,
    /// The mode of all holders.
    pub(super) mode: LockMode,
    /// Of the first holder.
    pub(super) meta: M,
    /// Who holds beside the first one.
    pub(super) further: List,
    pub(super) pending: List,
}

impl<M> Entry<M> {
    /// Who holds it first; `at` is where it stands.
    #[inline]
    pub(super) fn look(&self, words: &Words, at: Place) -> Word {
        words.look(at).unwrap_or(self.word)
    }

    /// The same, and nobody changes it until it is [set](Self::set).
    pub(super) fn hold_still(&self, words: &Words, at: Place) -> Word {
        words.hold_still(at).unwrap_or(self.word)
    }

    #[inline]
    pub(super) fn set(&mut self, words: &Words, at: Place, word: Word) {
        if !words.set(at, word) {
            self.word = word;
        }
    }

    /// Makes `serial` the first holder of a free key.
    #[inline]
    pub(super) fn take(
        &mut self,
        words: &Words,
        at: Place,
        mode: LockMode,
        meta: M,
        serial: Serial,
    ) -> RequestId {
        self.mode = mode;
        self.meta = meta;
        self.set(words, at, Word::held(serial));
        RequestId::of_first(serial, at)
    }

    /// Makes `first` the first holder. It may release without the mutex if it is alone.
    pub(super) fn name(&mut self, words: &Words, at: Place, first: Serial) {
        let word = Word::held(first);
        let word = match self.is_of_one() {
            true => word,
            false => word.by_mutex(),
        };
        self.set(words, at, word);
    }

    /// Whether a newcomer is granted beside those who hold: nobody is pending, and they
    /// leave room.
    #[inline]
    pub(super) fn admits(&self, mode: LockMode) -> bool {
        self.pending.is_empty() && self.mode == LockMode::Shared && mode == LockMode::Shared
    }

    /// Whether nobody holds it beside the first, nor waits.
    #[inline]
    pub(super) fn is_of_one(&self) -> bool {
        self.further.is_empty() && self.pending.is_empty()
    }

    pub(super) fn part(&mut self, status: Status) -> &mut List {
        match status {
            Status::Held => &mut self.further,
            Status::Pending | Status::Gone => &mut self.pending,
        }
    }

    /// Replaces the first holder, which has left. Returns the new one, if there is any.
    pub(super) fn promote<W>(&mut self, others: &mut Slab<Request<W, M>>) -> Option<Promoted<W>> {
        // It is another holder, or else the first waiter.
        let (slot, status) = match self.further.front() {
            Some(slot) => (slot, Status::Held),
            None => (self.pending.front()?, Status::Pending),
        };
        self.part(status).unlink(slot, others);
        let Request {
            serial,
            meta,
            mode,
            waker,
            ..
        } = others.remove(slot);
        self.meta = meta;
        self.mode = mode;
        Some(Promoted { serial, waker })
    }

    /// Grants the lock to the readers at the head of the queue while readers hold it.
    pub(super) fn grant<W>(&mut self, others: &mut Slab<Request<W, M>>, wakes: &mut Wakes<W>) {
        while let Some(slot) = self.pending.front() {
            if self.mode != LockMode::Shared || others[slot].mode != LockMode::Shared {
                break;
            }
            self.pending.unlink(slot, others);
            self.further.push_back(slot, others);
            let granted = &mut others[slot];
            granted.status = Status::Held;
            wakes.extend(granted.waker.take());
        }
    }
}

/// The new first holder, and its waker.
pub(super) struct Promoted<W> {
    pub(super) serial: Serial,
    pub(super) waker: Option<W>,
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
