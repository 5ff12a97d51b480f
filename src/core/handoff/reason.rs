//! [`Reason`]: why a request failed, or a lock was lost.

/// What happened; `R` is the platform's own explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason<R> {
    /// Somebody took the lock away.
    Stolen,
    /// The page went into the back/forward cache.
    Cached,
    /// The platform ended the lock without being asked to.
    Ended,
    /// The platform took the lock away, and gave a reason.
    TakenAway(R),
    /// The platform refused the request, and gave a reason.
    Failed(R),
    /// The promise of the request was resolved before the callback ran.
    NotCalledBack,
    /// The platform called back without a lock for a request that was to wait.
    NoLock,
}
