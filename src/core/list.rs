//! A doubly linked list whose nodes live in a slab and link by index: removal
//! from anywhere in constant time, without unsafe code or an allocation per list.

use slab::Slab;

/// A node's place in the slab, or [`NOWHERE`]. Half as wide as a pointer: every key
/// that is held carries two lists.
pub(crate) type Place = u32;

pub(crate) const NOWHERE: Place = Place::MAX;

/// What a node carries to be in a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    previous: Place,
    next: Place,
}

impl Default for Links {
    fn default() -> Self {
        let (previous, next) = (NOWHERE, NOWHERE);
        Self { previous, next }
    }
}

pub(crate) trait Linked {
    fn links(&self) -> Links;
    fn links_mut(&mut self) -> &mut Links;
}

/// The ends of a list. Whoever holds it knows which slab its nodes live in, and
/// that a node is in one list at a time.
#[derive(Debug)]
pub(crate) struct List {
    front: Place,
    back: Place,
}

impl Default for List {
    fn default() -> Self {
        let (front, back) = (NOWHERE, NOWHERE);
        Self { front, back }
    }
}

impl List {
    pub(crate) fn is_empty(&self) -> bool {
        self.front == NOWHERE
    }

    pub(crate) fn front(&self) -> Option<usize> {
        slot(self.front)
    }

    pub(crate) fn push_back<T: Linked>(&mut self, slot: usize, nodes: &mut Slab<T>) {
        let place = place(slot);
        *nodes[slot].links_mut() = Links {
            previous: self.back,
            next: NOWHERE,
        };
        match self::slot(self.back) {
            Some(back) => nodes[back].links_mut().next = place,
            None => self.front = place,
        }
        self.back = place;
    }

    pub(crate) fn unlink<T: Linked>(&mut self, slot: usize, nodes: &mut Slab<T>) {
        let Links { previous, next } = core::mem::take(nodes[slot].links_mut());
        match self::slot(previous) {
            Some(previous) => nodes[previous].links_mut().next = next,
            None => self.front = next,
        }
        match self::slot(next) {
            Some(next) => nodes[next].links_mut().previous = previous,
            None => self.back = previous,
        }
    }

    pub(crate) fn iter<'a, T: Linked>(
        &self,
        nodes: &'a Slab<T>,
    ) -> impl Iterator<Item = usize> + 'a {
        core::iter::successors(self.front(), |&slot| self::slot(nodes[slot].links().next))
    }
}

pub(crate) fn slot(place: Place) -> Option<usize> {
    (place != NOWHERE).then_some(place as usize)
}

pub(crate) fn place(slot: usize) -> Place {
    let place = Place::try_from(slot).ok().filter(|&place| place != NOWHERE);
    place.expect("four thousand million requests are too many")
}
