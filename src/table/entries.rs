//! [`Entries`]: which entry a key has.
//!
//! The first [`KEPT`] entries of a table are places that a key may keep when it is free,
//! *idle*, so that whoever takes it again finds it with one look, and whoever frees it touches
//! nothing but its [word](super::words). They are a cache of sets: the hash of a key says which
//! few places are its own. When all of them are taken, a new key is given the place of an idle
//! one. So there are never more than `KEPT` idle keys, and nothing has to be swept.
//!
//! While all places of its set are held, a key has an entry in a slab, which a map leads to.
//! It leaves both when it is free.

use hashbrown::HashTable;
use slab::Slab;

use super::queue::Entry;
use super::words::{KEPT, WAYS, Word, Words};
use super::{KEEP_CAPACITY, Named, Sought, give_slots_back};
use crate::core::list::{List, Place, place};
use crate::guard::LockMode;
use crate::key::LockKey;

#[derive(Debug)]
pub(super) struct Entries<M> {
    /// The hashes of the keys in `kept`, side by side.
    hashes: [u64; KEPT],
    /// Those that have a word. Empty until the first of them is needed.
    kept: Vec<Option<Entry<M>>>,
    /// All others, with places from [`KEPT`] on.
    more: Slab<Entry<M>>,
    /// From a key to its place in `more`.
    places: HashTable<Place>,
}

/// The first of the places that a key with this hash may have.
#[inline]
fn set_of(hash: u64) -> usize {
    (hash as usize % (KEPT / WAYS)) * WAYS
}

impl<M> Entries<M> {
    pub(super) fn new() -> Self {
        Self {
            hashes: [0; KEPT],
            kept: Vec::new(),
            more: Slab::new(),
            places: HashTable::new(),
        }
    }

    /// `None` where there is no entry: a [closed](super::Table::close) table has none.
    #[inline]
    pub(super) fn get(&self, at: Place) -> Option<&Entry<M>> {
        let at = at as usize;
        match at < KEPT {
            true => self.kept.get(at)?.as_ref(),
            false => self.more.get(at - KEPT),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: Place) -> Option<&mut Entry<M>> {
        let at = at as usize;
        match at < KEPT {
            true => self.kept.get_mut(at)?.as_mut(),
            false => self.more.get_mut(at - KEPT),
        }
    }

    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(super) fn find(&mut self, key: &Sought<'_>) -> Option<(Place, &mut Entry<M>)> {
        let set = set_of(key.hash);
        for at in set..set + WAYS {
            if self.hashes[at] == key.hash
                && let Some(Some(entry)) = self.kept.get(at)
                && entry.key.is(&key.key)
            {
                let entry = self.kept[at].as_mut();
                return entry.map(|entry| (at as Place, entry));
            }
        }
        match self.more.is_empty() {
            true => None,
            false => self.find_more(key.named()),
        }
    }

    #[inline(never)]
    fn find_more(&mut self, key: Named<'_>) -> Option<(Place, &mut Entry<M>)> {
        let is_it = |&at: &Place| self.more[at as usize - KEPT].key.as_str() == key.text;
        let at = *self.places.find(key.hash, is_it)?;
        Some((at, &mut self.more[at as usize - KEPT]))
    }

    /// A new entry for `key`, which has none. It is free, and whoever asked for it has to
    /// take it.
    pub(super) fn insert(
        &mut self,
        words: &Words,
        key: Named<'_>,
        mode: LockMode,
        meta: M,
    ) -> Place {
        let entry = Entry {
            hash: key.hash,
            key: LockKey::known(key.text),
            word: Word::FREE,
            mode,
            meta,
            further: List::default(),
            pending: List::default(),
        };
        if self.kept.is_empty() {
            self.kept.resize_with(KEPT, || None);
        }
        let set = set_of(key.hash);
        let set = set..set + WAYS;
        let is_free = |&at: &usize| words.look(at as Place).is_some_and(Word::is_free);
        let unused = set.clone().find(|&at| self.kept[at].is_none());
        // The key decides which of several idle entries is given up, so that no two keys drive
        // each other out for ever.
        let first = set.start + (key.hash >> 16) as usize % WAYS;
        let free = unused.or_else(|| (first..set.end).chain(set.start..first).find(is_free));
        if let Some(at) = free {
            self.hashes[at] = key.hash;
            self.kept[at] = Some(entry);
            return at as Place;
        }
        let at = place(KEPT + self.more.insert(entry));
        let Self { places, more, .. } = self;
        places.insert_unique(key.hash, at, |&at| more[at as usize - KEPT].hash);
        at
    }

    /// The key of `at` is free.
    #[inline]
    pub(super) fn now_free(&mut self, at: Place) {
        let Some(slot) = (at as usize).checked_sub(KEPT) else {
            return;
        };
        let hash = self.more.remove(slot).hash;
        let found = self.places.find_entry(hash, |&found| found == at);
        found.expect("an entry has a key").remove();
        // With room for as many again, so that each removal pays a constant share of it.
        let Self { places, more, .. } = self;
        let room = KEEP_CAPACITY.max(places.len() * 2);
        places.shrink_to(room, |&at| more[at as usize - KEPT].hash);
        give_slots_back(&mut self.more);
    }

    /// All of them, the idle ones too.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, &Entry<M>)> {
        let kept = self.kept.iter().enumerate();
        let kept = kept.filter_map(|(at, entry)| Some((at, entry.as_ref()?)));
        let more = self.more.iter().map(|(slot, entry)| (KEPT + slot, entry));
        kept.chain(more).map(|(at, entry)| (place(at), entry))
    }

    /// For how many keys there is room at the moment.
    #[cfg(all(any(test, crosslock_fuzz), not(any(loom, target_family = "wasm"))))]
    pub(super) fn capacity(&self) -> usize {
        self.kept.capacity() + self.more.capacity() + self.places.capacity()
    }
}

/// What the documentation of [`LockManager`](crate::LockManager) says of idle entries.
#[cfg(all(target_pointer_width = "64", not(any(loom, target_family = "wasm"))))]
const _: () = {
    assert!(size_of::<Option<Entry<super::shards::Meta>>>() == 104);
    assert!(KEPT * super::shards::SHARDS == 2048);
};
