//! [`Text`]: the characters of a key, without an allocation if they are few.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// ASCII text that is cheap to clone, to compare and to hash.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Text {
    Short(Short),
    Long(Arc<str>),
}

/// Up to [`Short::LONGEST`] bytes, then zeros, and their number in the last byte.
///
/// These are words and not bytes, because a key is moved several times in the life of a lock,
/// and a processor stalls when it reads a word whose bytes were just written one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short([u64; Self::WORDS]);

impl Short {
    const WORDS: usize = 4;
    const LONGEST: usize = Self::WORDS * size_of::<u64>() - 1;

    /// Of the first bytes of a text that is too long.
    #[inline(always)]
    fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        // Written out, and not a loop over a buffer, so that they stay in registers.
        let last = word(bytes, 24) | (bytes.len() as u64) << 56;
        // In memory the characters are in their order on every machine.
        let [first, second, third] = [word(bytes, 0), word(bytes, 8), word(bytes, 16)];
        Self([first.to_le(), second.to_le(), third.to_le(), last.to_le()])
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        let words: *const [u64; Self::WORDS] = &raw const self.0;
        // SAFETY: it points to as many bytes, all of them initialised since a `u64` has
        // no padding, and a byte needs no alignment. They are borrowed as `self` is.
        let bytes: &[u8; Self::LONGEST + 1] = unsafe { &*words.cast() };
        &bytes[..usize::from(bytes[Self::LONGEST])]
    }
}

/// The up to eight bytes from `at` on, then zeros.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    let Some(rest) = bytes.get(at..) else {
        return 0;
    };
    if let Some(whole) = rest.first_chunk() {
        return u64::from_le_bytes(*whole);
    }
    // The last eight bytes of the text, some of which belong to the word before.
    if let Some(last) = bytes.last_chunk()
        && !rest.is_empty()
    {
        return u64::from_le_bytes(*last) >> (64 - 8 * rest.len());
    }
    let backwards = rest.iter().rev();
    backwards.fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// A text that is looked for, in the form that is compared the fastest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'a> {
    pub(crate) text: &'a str,
    /// Not used if the text is too long for it.
    short: Short,
}

impl<'a> Probe<'a> {
    #[inline(always)]
    pub(crate) fn new(text: &'a str) -> Self {
        let short = Short::new(text);
        Self { text, short }
    }

    #[inline(always)]
    pub(crate) fn hash_one(&self, hasher: &impl BuildHasher) -> u64 {
        let mut hasher = hasher.build_hasher();
        match self.text.len() <= Short::LONGEST {
            true => self.short.hash(&mut hasher),
            false => hasher.write(self.text.as_bytes()),
        }
        hasher.finish()
    }

    #[inline(always)]
    pub(super) fn is(&self, text: &Text) -> bool {
        match text {
            Text::Short(short) => *short == self.short && self.text.len() <= Short::LONGEST,
            Text::Long(text) => **text == *self.text,
        }
    }
}

impl From<&str> for Text {
    #[inline(always)]
    fn from(text: &str) -> Self {
        match text.len() <= Short::LONGEST {
            true => Self::Short(Short::new(text)),
            false => Self::Long(text.into()),
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Short(short) => str::from_utf8(short.as_bytes()).expect("it was text"),
            Self::Long(text) => text,
        }
    }
}

impl Hash for Short {
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.iter().for_each(|&word| state.write_u64(word));
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Short(short) => short.hash(state),
            Self::Long(text) => state.write(text.as_bytes()),
        }
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        str::cmp(self, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_every_length_stays_what_it_was() {
        let long = "lightning.send.42.".repeat(12);
        // Under Miri those around which anything changes.
        let is_tried = |length: &usize| !cfg!(miri) || *length < 40 || *length == 200;
        for length in (0..=200).filter(is_tried) {
            let text = Text::from(&long[..length]);
            assert_eq!(&*text, &long[..length]);
            assert_eq!(matches!(text, Text::Short(_)), length <= Short::LONGEST);
            assert!(text == Text::from(&long[..length]));
            assert!(text != Text::from(&long[1..=length]) || length == 0);
            assert!(text < Text::from(&long[..=length]));
            let probe = Probe::new(&long[..length]);
            assert!(probe.is(&text));
            assert!(!probe.is(&Text::from(&long[..=length])));
            assert!(length == 0 || !probe.is(&Text::from(&long[1..=length])));
        }
    }
}
