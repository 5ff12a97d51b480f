//! [`Sought`]: a key on its way to its entry.

use crate::hash::BuildHasher;
use crate::key::Probe;

/// A key that is asked for, with its hash. It is checked against the rules only when it needs a
/// new entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought<'a> {
    pub(super) key: Probe<'a>,
    pub(super) hash: u64,
}

impl<'a> Sought<'a> {
    #[inline(always)]
    pub(crate) fn new(key: &'a str, hasher: &BuildHasher) -> Self {
        let key = Probe::new(key);
        let hash = key.hash_one(hasher);
        Self { key, hash }
    }

    /// For what is seldom done, and then by a call: whatever a call is given a reference to
    /// has to be in memory, and this is to stay in registers.
    #[inline(always)]
    pub(super) fn named(&self) -> Named<'a> {
        let (text, hash) = (self.key.text, self.hash);
        Named { text, hash }
    }
}

/// What is left of a [`Sought`] without what it is compared by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) text: &'a str,
    pub(super) hash: u64,
}
