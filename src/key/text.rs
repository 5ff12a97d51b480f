//! [`Text`]: the characters of a key, in place if they are few.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// ASCII text that is cheap to clone, to compare and to hash.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Text {
    Short(Short),
    Long(Arc<str>),
}

/// Up to [`Short::LONGEST`] bytes, then zeros, and in the last byte how many there are.
///
/// Words and not bytes, because a key moves several times in the life of a lock, and a
/// processor stalls when it reads together what was just written in pieces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Short([u64; Self::WORDS]);

impl Short {
    const WORDS: usize = 4;
    const LONGEST: usize = Self::WORDS * size_of::<u64>() - 1;

    #[inline(always)]
    fn new(text: &str) -> Option<Self> {
        if text.len() > Self::LONGEST {
            return None;
        }
        let (whole, rest) = text.as_bytes().as_chunks::<8>();
        let mut words = [0; Self::WORDS];
        for (word, chunk) in words.iter_mut().zip(whole) {
            *word = u64::from_le_bytes(*chunk);
        }
        let rest = rest.iter().rev();
        words[whole.len()] = rest.fold(0, |word, &byte| word << 8 | u64::from(byte));
        words[Self::WORDS - 1] |= (text.len() as u64) << 56;
        // In memory the characters stand in their order on every machine.
        Some(Self(words.map(u64::to_le)))
    }

    fn as_bytes(&self) -> &[u8] {
        let words: *const [u64; Self::WORDS] = &raw const self.0;
        // SAFETY: it points to as many bytes, all of them initialised since a `u64` has
        // no padding, and a byte needs no alignment. They are borrowed as `self` is.
        let bytes: &[u8; Self::LONGEST + 1] = unsafe { &*words.cast() };
        &bytes[..usize::from(bytes[Self::LONGEST])]
    }
}

impl From<&str> for Text {
    #[inline(always)]
    fn from(text: &str) -> Self {
        match Short::new(text) {
            Some(short) => Self::Short(short),
            None => Self::Long(text.into()),
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

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Short(Short(words)) => words.iter().for_each(|&word| state.write_u64(word)),
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
        for length in 0..=200 {
            let text = Text::from(&long[..length]);
            assert_eq!(&*text, &long[..length]);
            assert_eq!(matches!(text, Text::Short(_)), length <= Short::LONGEST);
            assert!(text == Text::from(&long[..length]));
            assert!(text != Text::from(&long[1..=length]) || length == 0);
            assert!(text < Text::from(&long[..=length]));
        }
    }
}
