//! [`Text`] in wasm. There, the code that avoids an allocation for short keys would be too large.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// The characters of a key.
pub(super) type Text = Arc<str>;

/// A text that is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'a> {
    pub(crate) text: &'a str,
}

impl<'a> Probe<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text }
    }

    pub(crate) fn hash_one(&self, hasher: &impl BuildHasher) -> u64 {
        let mut hasher = hasher.build_hasher();
        hasher.write(self.text.as_bytes());
        hasher.finish()
    }

    pub(super) fn is(&self, text: &Text) -> bool {
        **text == *self.text
    }
}
