//! [`Grant`]: one request to the platform, from the call until nothing more is expected of
//! it; and [`GrantId`], which is never used again.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use slab::Slab;

use super::{IfHeld, KEPT, List, LockMode, Passing, QueueSlot, RequestSlot};

/// Identifies a grant to the platform, and in all that the platform answers.
///
/// Other grants get the same slot later, but never the same serial number. So an answer that
/// comes too late, twice, or in an order that no specification has, matches no grant, and
/// nothing has to be kept for answers that may still come. (The numbers begin again after
/// four thousand million grants. An answer would have to be that late, and for the same slot.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GrantId {
    pub(crate) slot: u32,
    pub(crate) serial: u32,
}

#[derive(Debug)]
pub(super) struct Grant {
    pub(super) queue: QueueSlot,
    pub(super) mode: LockMode,
    pub(super) if_held: IfHeld,
    pub(super) passing: Passing,
    pub(super) phase: Phase,
    pub(super) holders: List,
    /// The request whose own it is before the grant; after the end was ordered, the one
    /// that waits to hear that it is over.
    pub(super) request: Option<RequestSlot>,
    pub(super) turns: u32,
    pub(super) granted: f64,
    /// Whether it ever was active.
    pub(super) is_granted: bool,
    /// When its end was ordered, in the count of its queue.
    pub(super) epoch: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Asked,
    Active,
    Ending,
    /// The platform has said that it ended, and is asked whether it knows that itself.
    Confirming,
}

#[derive(Debug)]
pub(super) struct Grants {
    places: Slab<(u32, Grant)>,
    last: u32,
}

impl Grants {
    pub(super) const fn new() -> Self {
        Self {
            places: Slab::new(),
            last: 0,
        }
    }

    pub(super) fn insert(&mut self, grant: Grant) -> GrantId {
        self.last = self.last.wrapping_add(1);
        let slot = self.places.insert((self.last, grant));
        GrantId {
            slot: u32::try_from(slot).expect("each has an entry in memory"),
            serial: self.last,
        }
    }

    /// `None` if the grant was removed.
    pub(super) fn get(&self, id: GrantId) -> Option<&Grant> {
        let (serial, grant) = self.places.get(id.slot as usize)?;
        (*serial == id.serial).then_some(grant)
    }

    pub(super) fn remove(&mut self, id: GrantId) -> Grant {
        assert!(self.get(id).is_some(), "a grant is removed once");
        let (_, grant) = self.places.remove(id.slot as usize);
        if self.places.is_empty() && self.places.capacity() > KEPT {
            self.places = Slab::new();
        }
        grant
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.places.iter().map(|(_, (_, grant))| grant)
    }

    pub(super) fn ids(&self) -> Vec<GrantId> {
        let places = self.places.iter().map(|(slot, (serial, _))| GrantId {
            slot: slot as u32,
            serial: *serial,
        });
        places.collect()
    }

    #[cfg(all(test, not(any(loom, target_family = "wasm"))))]
    pub(super) fn capacity(&self) -> usize {
        self.places.capacity()
    }
}

/// For grants that the rules refer to, and so have not removed.
impl Index<GrantId> for Grants {
    type Output = Grant;

    fn index(&self, id: GrantId) -> &Grant {
        self.get(id)
            .expect("the rules refer to no grant that is over")
    }
}

impl IndexMut<GrantId> for Grants {
    fn index_mut(&mut self, id: GrantId) -> &mut Grant {
        let (serial, grant) = &mut self.places[id.slot as usize];
        assert_eq!(
            *serial, id.serial,
            "the rules refer to no grant that is over"
        );
        grant
    }
}
