//! [`Contention`]: what a timeout tells about the requests that were in the way.

use std::fmt;
use std::time::Duration;

/// What was in the way of a request that timed out.
///
/// A field is `None` if the backend does not know it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, rename_all = "camelCase"))]
#[non_exhaustive]
pub struct Contention {
    /// The holder's label, client id or process.
    pub holder: Option<String>,
    /// For how long the lock had been held when the wait ended. It may be up to 32 milliseconds
    /// too long, and is never too short. The feature `serde` writes it in milliseconds.
    #[cfg_attr(feature = "serde", serde(with = "crate::serialize::millis"))]
    pub held_for: Option<Duration>,
    /// How many requests still waited in front. They are counted up to
    /// [`Contention::MAX_AHEAD`], so that number means "this many or more".
    pub ahead: Option<usize>,
    /// Whether the lock manager of the platform gave no answer. Then nothing is known about a
    /// holder. (A page that is prerendered gets no answer before it is shown.)
    pub no_answer: bool,
}

impl Contention {
    /// The number at which counting [`ahead`](Self::ahead) stops, so that a thousand timeouts
    /// in a long queue stay cheap.
    pub const MAX_AHEAD: usize = 32;
}

impl fmt::Display for Contention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.no_answer {
            return f.write_str(
                "the browser has not answered (a prerendered page gets no answer before it is shown)",
            );
        }
        f.write_str("held")?;
        if let Some(holder) = &self.holder {
            write!(f, " by {holder}")?;
        }
        if let Some(held_for) = self.held_for {
            // Whole milliseconds: nobody debugs a stuck wallet by nanoseconds.
            let millis = Duration::from_millis(u64::from(held_for.subsec_millis()));
            let held_for = Duration::from_secs(held_for.as_secs()) + millis;
            write!(f, " for {held_for:?}")?;
        }
        match self.ahead {
            None | Some(0) => Ok(()),
            Some(1) => f.write_str(", 1 request waits in front"),
            Some(Self::MAX_AHEAD) => {
                write!(f, ", {} or more requests wait in front", Self::MAX_AHEAD)
            }
            Some(n) => write!(f, ", {n} requests wait in front"),
        }
    }
}
