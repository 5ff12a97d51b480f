//! [`Waits`]: the waits for bytes of one file that have a thread.

use std::collections::HashMap;
use std::ops::Range;

use super::place::Place;
use super::protocol::{self, Call};
use crate::guard::LockMode;
use crate::hash::BuildHasher;

/// What a thread waits for: bytes of a region, in a mode.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct BlockedWait {
    region: u64,
    mode: LockMode,
    bytes: Range<u64>,
}

impl BlockedWait {
    /// The wait that `call` is, if it is one.
    pub(super) fn of(place: Place, call: &Call) -> Option<Self> {
        match call {
            Call::Wait(mode, bytes) => Some(Self {
                region: place.start,
                mode: *mode,
                bytes: bytes.clone(),
            }),
            _ => None,
        }
    }

    fn serves(&self, wanted: &Self) -> bool {
        let (wait, of) = ((self.mode, &self.bytes), (wanted.mode, &wanted.bytes));
        self.region == wanted.region && protocol::serves(wait, of)
    }
}

/// The waits that have a thread, and the acquisition that each is for. One that was given
/// up serves the next that has to wait for the same: see [`protocol::serves`]. So there are never
/// more threads than there are bytes that other processes have locked, one in each mode.
#[derive(Debug, Default)]
pub(super) struct Waits(HashMap<BlockedWait, u64, BuildHasher>);

impl Waits {
    /// Has a wait that is under way be for the acquisition `number`, if one does for `wanted` as well.
    /// Returns whether there is one.
    pub(super) fn join(&mut self, wanted: &BlockedWait, number: u64) -> bool {
        let found = self.0.iter_mut().find(|(wait, _)| wait.serves(wanted));
        match found {
            Some((_, waits_for)) => {
                *waits_for = number;
                true
            }
            None => false,
        }
    }

    pub(super) fn insert(&mut self, wait: BlockedWait, number: u64) {
        self.0.insert(wait, number);
    }

    /// It is over. Returns the acquisition that it was for.
    pub(super) fn remove(&mut self, wait: &BlockedWait) -> Option<u64> {
        self.0.remove(wait)
    }
}
