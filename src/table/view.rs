//! What a table shows beside the [`Status`] of a request: who is in the way of one, and all
//! requests as of one moment.

use super::words::Words;
use super::{RequestId, Sought, Status, Table, slot};
use crate::guard::LockMode;
use crate::key::LockKey;

/// A request as [`Table::for_each`] shows it.
#[derive(Debug)]
pub(crate) struct RequestInfo<'a, M> {
    pub(crate) key: &'a LockKey,
    pub(crate) mode: LockMode,
    pub(crate) status: Status,
    pub(crate) meta: &'a M,
}

impl<W, M> Table<W, M> {
    /// The first holder of `key`, and how many requests wait for it before
    /// `own` (or in all), counted up to `most`.
    pub(crate) fn contention(
        &mut self,
        words: &Words,
        key: &Sought<'_>,
        own: Option<RequestId>,
        most: usize,
    ) -> Option<(&M, usize)> {
        let (at, entry) = match own {
            Some(own) => (own.entry, self.entries.get_mut(own.entry)?),
            None => self.entries.find(key)?,
        };
        if entry.look(words, at).is_free() {
            return None;
        }
        let own = own.and_then(|own| slot(own.slot));
        let ahead = entry
            .pending
            .iter(&self.others)
            .take(most)
            .take_while(|&slot| Some(slot) != own)
            .count();
        Some((&entry.meta, ahead))
    }

    /// Makes every holder that could release without the mutex wait for it, so that several tables
    /// are [shown](Self::for_each) as of one moment.
    pub(crate) fn hold_all_still(&self, words: &Words) {
        for (at, entry) in self.entries.iter() {
            entry.hold_still(words, at);
        }
    }

    /// Shows every request; those of one key in the order of their queue.
    pub(crate) fn for_each(&self, words: &Words, mut show: impl FnMut(RequestInfo<'_, M>)) {
        for (at, entry) in self.entries.iter() {
            if entry.look(words, at).is_free() {
                continue;
            }
            let key = &entry.key;
            show(RequestInfo {
                key,
                mode: entry.mode,
                status: Status::Held,
                meta: &entry.meta,
            });
            let further = entry.further.iter(&self.others);
            for slot in further.chain(entry.pending.iter(&self.others)) {
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
