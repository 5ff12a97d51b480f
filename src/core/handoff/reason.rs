//! [`Reason`]: why a request failed, or a lock was lost.

/// What happened, by the rules; `R` is what the platform had to say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason<R> {
    /// Somebody took the lock away.
    Stolen,
    /// The page went into the back/forward cache.
    Cached,
    /// The platform ended what was held, without being asked to.
    Ended,
    /// The platform took away what was held, and said why.
    TakenAway(R),
    /// The platform would not have the request, and said why.
    Failed(R),
    /// The platform was done with the request before it had called back.
    NotCalledBack,
    /// The platform called back for a request that was to wait, and had no lock for it.
    NoLock,
}
