//! [`FencingToken`]: a number by which a store can refuse a holder that has lost its lock.

use std::fmt;

/// A number that grows with every grant of a key. It comes from
/// [`LockGuard::fencing_token`](crate::LockGuard::fencing_token).
///
/// A holder may go on after it has lost its lock: it was stopped for a while, or the network
/// between it and the locks is down. No lock can keep it from writing then, but what it writes to
/// can: if each write carries the token, the store remembers the largest that it has seen and
/// refuses smaller ones.
///
/// ```
/// use crosslock::FencingToken;
///
/// let (earlier, later) = (FencingToken::new(33), FencingToken::new(34));
/// assert!(earlier < later);
/// assert_eq!(later.get(), 34);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FencingToken(u64);

impl FencingToken {
    /// For backends: the token with this number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number. Those of this crate's backends are below 2^63, so that a signed column of a
    /// database has room for them.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
