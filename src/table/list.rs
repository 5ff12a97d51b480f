//! A doubly linked list whose nodes live in a slab and link by index: removal
//! from anywhere in constant time, without unsafe code or an allocation per list.

use slab::Slab;

/// What a node carries to be in a list.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Links {
    previous: Option<usize>,
    next: Option<usize>,
}

pub(super) trait Linked {
    fn links(&self) -> Links;
    fn links_mut(&mut self) -> &mut Links;
}

/// The ends of a list. Whoever holds it knows which slab its nodes live in, and
/// that a node is in one list at a time.
#[derive(Debug, Default)]
pub(super) struct List {
    front: Option<usize>,
    back: Option<usize>,
}

impl List {
    pub(super) fn is_empty(&self) -> bool {
        self.front.is_none()
    }

    pub(super) fn front(&self) -> Option<usize> {
        self.front
    }

    pub(super) fn push_back<T: Linked>(&mut self, slot: usize, nodes: &mut Slab<T>) {
        *nodes[slot].links_mut() = Links {
            previous: self.back,
            next: None,
        };
        match self.back {
            Some(back) => nodes[back].links_mut().next = Some(slot),
            None => self.front = Some(slot),
        }
        self.back = Some(slot);
    }

    pub(super) fn unlink<T: Linked>(&mut self, slot: usize, nodes: &mut Slab<T>) {
        let Links { previous, next } = std::mem::take(nodes[slot].links_mut());
        match previous {
            Some(previous) => nodes[previous].links_mut().next = next,
            None => self.front = next,
        }
        match next {
            Some(next) => nodes[next].links_mut().previous = previous,
            None => self.back = previous,
        }
    }

    pub(super) fn iter<'a, T: Linked>(
        &self,
        nodes: &'a Slab<T>,
    ) -> impl Iterator<Item = usize> + 'a {
        std::iter::successors(self.front, |&slot| nodes[slot].links().next)
    }
}
