//! [`Words`]: what lets a lock be freed without the mutex.
//!
//! Each of a shard's first entries has an atomic word. It names the first holder of the
//! entry's key by its serial number, which is never used again, or says that the key is free.
//! Who may change it:
//!
//! - Whoever has the mutex of the shard may do everything.
//! - The holder itself may free its key without the mutex, by a compare-and-swap from
//!   *held by me, alone* to *free*.
//!
//! So without the mutex a word only ever goes from held to free. It cannot even do that while
//! its [lowest bit](Word::by_mutex) is set, which is how whoever has the mutex makes it stand
//! still: when others hold or wait beside the first, and when a moment of all shards is shown.
//! A guard whose lock was stolen names a serial number that the word no longer has, so it
//! frees nothing.
//!
//! What one holder wrote is seen by the next: freeing is a release, and every look under the
//! mutex an acquire, by whoever takes the key and by whoever gives its entry to another key.

use super::Serial;
use crate::core::list::Place;
use crate::sync::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// How many entries of a shard have a word, and may stay after their key is free.
pub(crate) const KEPT: usize = if cfg!(loom) {
    // So few that a second key of a shard drives out the first, and two held keys need the slab.
    1
} else if cfg!(target_family = "wasm") {
    16
} else {
    64
};

/// How many of these places a key may use.
pub(super) const WAYS: usize = if cfg!(loom) { 1 } else { 4 };

/// What is known of an entry's first holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    pub(super) const FREE: Self = Self(0);

    #[inline]
    pub(super) fn held(serial: Serial) -> Self {
        Self(serial.get() << 1)
    }

    /// The same, to be freed by the mutex alone.
    #[inline]
    pub(super) fn by_mutex(self) -> Self {
        Self(self.0 | 1)
    }

    /// The same, to be freed by the holder itself.
    #[inline]
    pub(super) fn alone(self) -> Self {
        Self(self.0 & !1)
    }

    #[inline]
    pub(super) fn is_free(self) -> bool {
        self == Self::FREE
    }

    #[inline]
    pub(super) fn is_of(self, serial: Serial) -> bool {
        self.0 >> 1 == serial.get()
    }
}

#[derive(Debug)]
pub(crate) struct Words([AtomicU64; KEPT]);

impl Words {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    #[inline]
    fn at(&self, entry: Place) -> Option<&AtomicU64> {
        self.0.get(entry as usize)
    }

    /// `None` for an entry without a word, of which the table alone knows.
    #[inline]
    pub(super) fn look(&self, entry: Place) -> Option<Word> {
        Some(Word(self.at(entry)?.load(Acquire)))
    }

    /// Whether `serial` is the first holder, and sees what all before it wrote. If not, it
    /// may hold all the same, beside the first or where there is no word.
    #[inline]
    pub(super) fn is_first(&self, entry: Place, serial: Serial) -> bool {
        self.look(entry).is_some_and(|word| word.is_of(serial))
    }

    /// Frees what `serial` holds alone; otherwise nothing is changed.
    #[inline]
    pub(super) fn free(&self, entry: Place, serial: Serial) -> bool {
        let alone = Word::held(serial).0;
        self.at(entry).is_some_and(|word| {
            // The look comes first because a failed exchange costs as much as one that succeeds. Not
            // under loom (0.7), which remembers only the last access to an atomic: after our own
            // look it would not try what happens between another thread's look and the exchange.
            (cfg!(loom) || word.load(Relaxed) == alone)
                && word.compare_exchange(alone, 0, Release, Relaxed).is_ok()
        })
    }

    /// With the mutex, of a word that is free or [stands still](Self::hold_still): has it say
    /// this. Whoever is named sees what all holders before it wrote. `false` for an entry
    /// without a word.
    #[inline]
    pub(super) fn set(&self, entry: Place, word: Word) -> bool {
        let at = self.at(entry);
        at.map(|at| at.store(word.0, Release)).is_some()
    }

    /// With the mutex: makes all keys free. A holder that is just freeing its key finds that done.
    pub(super) fn clear(&self) {
        for word in &self.0 {
            word.store(0, Release);
        }
    }

    /// With the mutex: holds the word still until the mutex is unlocked, and returns it.
    pub(super) fn hold_still(&self, entry: Place) -> Option<Word> {
        let at = self.at(entry)?;
        let word = Word(at.load(Acquire));
        let still = word.by_mutex();
        if word.is_free() || word == still {
            return Some(word);
        }
        match at.compare_exchange(word.0, still.0, Relaxed, Acquire) {
            Ok(_) => Some(still),
            // Its holder freed it first. Nobody else can change it while we have the mutex.
            Err(freed) => Some(Word(freed)),
        }
    }
}
