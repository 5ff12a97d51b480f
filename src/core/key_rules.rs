//! The rules for keys: 1 to 200 bytes of ASCII letters, digits, `-`, `_` and `.`, the
//! first and the last a letter or a digit.

/// The longest key, in bytes.
pub(crate) const MAX_KEY_LEN: usize = 200;

/// The first rule that a key breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BrokenRule {
    NotEmpty,
    MaxLength,
    /// With the place of the first byte that is not allowed.
    Charset(usize),
    Start,
    End,
}

/// Checks the bytes of a key, in UTF-8.
#[cfg_attr(not(target_family = "wasm"), inline(always))]
pub(crate) fn broken_rule(bytes: &[u8]) -> Option<BrokenRule> {
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return Some(BrokenRule::NotEmpty);
    };
    if bytes.len() > MAX_KEY_LEN {
        return Some(BrokenRule::MaxLength);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() | matches!(b, b'-' | b'_' | b'.');
    // All of them, whatever the first ones are: that goes by many at a time.
    if !bytes.iter().fold(true, |all, &byte| all & allowed(byte)) {
        let refused = bytes.iter().position(|&byte| !allowed(byte))?;
        return Some(BrokenRule::Charset(refused));
    }
    if !first.is_ascii_alphanumeric() {
        return Some(BrokenRule::Start);
    }
    if !last.is_ascii_alphanumeric() {
        return Some(BrokenRule::End);
    }
    None
}
