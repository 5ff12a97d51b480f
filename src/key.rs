//! [`LockKey`]: the name of a lock.
//!
//! The rules are the same for every backend, because a key may become part of a file name, of
//! a browser's lock name or of a database value. If one backend accepted a name that another
//! refuses, an application could not change from the one to the other.

use std::fmt;
use std::str::FromStr;

use crate::core::{self, BrokenRule};

#[cfg_attr(target_family = "wasm", path = "key/text_in_wasm.rs")]
mod text;
pub(crate) use text::Probe;
use text::Text;

/// The name of a lock that has passed the rules for keys.
///
/// A key is 1 to 200 bytes of ASCII letters, digits, `-`, `_` and `.`, and
/// begins and ends with a letter or a digit.
///
/// ```
/// use crosslock::LockKey;
///
/// assert!(LockKey::new("lightning.send.42").is_ok());
/// assert!(LockKey::new("01abcdef.round.7").is_ok());
/// for bad in ["", "..", "_abc", "abc-", "a/b", "a:b", "naïve"] {
///     assert!(LockKey::new(bad).is_err());
/// }
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockKey(Text);

impl LockKey {
    /// The longest key, in bytes.
    pub const MAX_LEN: usize = core::MAX_KEY_LEN;

    /// Checks `key` against the rules.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`], which names the rule that `key` breaks.
    // Inlined, because otherwise every caller on the way copies the key, which natively takes
    // as long as the lock itself.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub fn new(key: &str) -> Result<Self, InvalidKey> {
        match broken_rule(key) {
            None => Ok(Self(Text::from(key))),
            Some(rule) => Err(InvalidKey::new(key, rule)),
        }
    }

    /// A key that is known to follow the rules.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn known(key: &str) -> Self {
        debug_assert!(broken_rule(key).is_none(), "it was checked");
        Self(Text::from(key))
    }

    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn is(&self, probe: &Probe<'_>) -> bool {
        probe.is(&self.0)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The rule that a key breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRule {
    /// A key has at least one character.
    NotEmpty,
    /// A key has at most [`LockKey::MAX_LEN`] bytes; this one has `len`.
    MaxLength {
        /// How many bytes the refused key has.
        len: usize,
    },
    /// Only ASCII letters, digits, `-`, `_` and `.` are allowed.
    Charset {
        /// The first character that is not.
        found: char,
        /// Its position, in bytes from the start.
        at: usize,
    },
    /// The first character is a letter or a digit.
    Start,
    /// The last character is a letter or a digit.
    End,
    /// A prefix for the names of locks begins neither with `-`, which browsers refuse,
    /// nor with `crosslock:`, which is for namespaces.
    Prefix,
}

impl fmt::Display for KeyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEmpty => f.write_str("it needs at least one character"),
            Self::MaxLength { len } => {
                let max = LockKey::MAX_LEN;
                write!(f, "at most {max} bytes are allowed, it has {len}")
            }
            Self::Charset { found, at } => write!(
                f,
                "'{}' at byte {at} is not allowed, use ASCII letters, digits, '-', '_' and '.'",
                escaped([*found])
            ),
            Self::Start => f.write_str("the first character must be an ASCII letter or digit"),
            Self::End => f.write_str("the last character must be an ASCII letter or digit"),
            Self::Prefix => f.write_str("a prefix must not begin with '-' or \"crosslock:\""),
        }
    }
}

/// A key was refused. Retrying cannot help; the application has to change the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid lock key \"{shown}\": {rule}")]
pub struct InvalidKey {
    shown: String,
    rule: KeyRule,
}

impl InvalidKey {
    /// Every refusal is logged, because `try_lock` can only tell its caller "not granted".
    #[cold]
    pub(crate) fn new(key: &str, rule: KeyRule) -> Self {
        let shown = shown(key);
        let refused = Self { shown, rule };
        log::debug!(target: "crosslock", "{refused}");
        refused
    }

    /// The refused key, escaped and cut to a length that fits a log line.
    pub fn key(&self) -> &str {
        &self.shown
    }

    /// The rule that it breaks.
    pub fn rule(&self) -> KeyRule {
        self.rule
    }
}

/// Whether `key` follows the rules, for callers that make no error of it.
// Not inlined: its loop is unrolled, and one copy of that is enough.
#[inline(never)]
pub(crate) fn is_valid(key: &str) -> bool {
    broken_rule(key).is_none()
}

#[cfg_attr(not(target_family = "wasm"), inline(always))]
fn broken_rule(key: &str) -> Option<KeyRule> {
    Some(match core::broken_rule(key.as_bytes())? {
        BrokenRule::NotEmpty => KeyRule::NotEmpty,
        BrokenRule::MaxLength => KeyRule::MaxLength { len: key.len() },
        BrokenRule::Charset(at) => KeyRule::Charset {
            // All before it is ASCII, so a character begins there.
            found: key[at..].chars().next()?,
            at,
        },
        BrokenRule::Start => KeyRule::Start,
        BrokenRule::End => KeyRule::End,
    })
}

/// A refused key may have line breaks, terminal escapes or a megabyte of data. None of that may
/// get into a log, so it is escaped and cut.
fn shown(key: &str) -> String {
    const MAX_CHARS: usize = 64;
    let mut out = escaped(key.chars().take(MAX_CHARS));
    if key.chars().nth(MAX_CHARS).is_some() {
        out.push('…');
    }
    out
}

fn escaped(chars: impl IntoIterator<Item = char>) -> String {
    let mut out = String::new();
    for char in chars {
        if char.is_ascii() {
            out.extend(char.escape_default());
        } else if is_unseen(char) {
            out.extend(char.escape_unicode());
        } else {
            out.push(char);
        }
    }
    out
}

/// Characters beyond ASCII that cannot be seen, and may hide, join or reverse those beside them.
/// (`char::escape_debug` knows every character, but its tables are 5 % of all that a browser
/// loads of this crate.)
fn is_unseen(char: char) -> bool {
    matches!(char,
        '\u{80}'..='\u{a0}' // controls, no-break space
        | '\u{ad}' // soft hyphen
        | '\u{300}'..='\u{36f}' // accents that join the character before
        | '\u{600}'..='\u{605}' | '\u{61c}' // Arabic marks
        | '\u{180b}'..='\u{180f}' // Mongolian selectors
        | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' // spaces, directions
        | '\u{20d0}'..='\u{20ff}' // marks that enclose
        | '\u{3000}' // wide space
        | '\u{e000}'..='\u{f8ff}' // private use
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' // selectors, byte order mark
        | '\u{e0000}'.. // tags, private use
    )
}

impl fmt::Debug for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for LockKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for LockKey {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for LockKey {
    type Err = InvalidKey;

    fn from_str(key: &str) -> Result<Self, InvalidKey> {
        Self::new(key)
    }
}

impl TryFrom<&str> for LockKey {
    type Error = InvalidKey;

    fn try_from(key: &str) -> Result<Self, InvalidKey> {
        Self::new(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(key: &str) -> KeyRule {
        LockKey::new(key).unwrap_err().rule()
    }

    #[test]
    fn keys_at_the_edge_of_the_rules() {
        for good in ["a", "7", "a.b", "a--b", "A_b.C-9", &"x".repeat(200)] {
            assert_eq!(LockKey::new(good).unwrap().as_str(), good);
        }
        assert_eq!(rule(""), KeyRule::NotEmpty);
        assert_eq!(rule(&"x".repeat(201)), KeyRule::MaxLength { len: 201 });
        assert_eq!(rule("a/b"), KeyRule::Charset { found: '/', at: 1 });
        assert_eq!(rule("a b"), KeyRule::Charset { found: ' ', at: 1 });
        assert_eq!(rule("aé"), KeyRule::Charset { found: 'é', at: 1 });
        assert_eq!(rule("a\0"), KeyRule::Charset { found: '\0', at: 1 });
        for start in ["_abc", "-a", ".a", "..", "."] {
            assert_eq!(rule(start), KeyRule::Start);
        }
        for end in ["abc-", "a_", "a."] {
            assert_eq!(rule(end), KeyRule::End);
        }
    }

    #[test]
    fn the_error_shows_the_key_escaped_and_cut() {
        let error = LockKey::new("a\n\u{1b}[31m").unwrap_err();
        assert_eq!(error.key(), "a\\n\\u{1b}[31m");
        assert!(error.to_string().contains("'\\n' at byte 1"), "{error}");

        let error = LockKey::new("naïve \"鍵\" \u{202e}\u{9b}\0🔑").unwrap_err();
        assert_eq!(error.key(), r#"naïve \"鍵\" \u{202e}\u{9b}\u{0}🔑"#);

        let error = LockKey::new(&"é".repeat(100_000)).unwrap_err();
        assert!(error.key().chars().count() <= 65, "{error}");
        assert!(error.to_string().contains("200000"), "{error}");
    }
}
