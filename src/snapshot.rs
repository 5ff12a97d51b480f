//! [`LockSnapshot`]: who holds what and who waits, shaped like the result of
//! `LockManager.query()` in the [Web Locks specification].
//!
//! [Web Locks specification]: https://w3c.github.io/web-locks/#api-lock-manager-query

use std::time::Duration;

use crate::guard::LockMode;

/// The requests that a manager knew of at one moment. It is out of date as soon
/// as it is made: look at it to show or debug, never to decide what to lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct LockSnapshot {
    /// The locks that are held.
    pub held: Vec<LockInfo>,
    /// The requests that wait; those for one key stand in the order of their turns.
    pub pending: Vec<LockInfo>,
}

/// One request, held or pending.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LockInfo {
    /// The key.
    pub key: String,
    /// The mode that was asked for.
    pub mode: LockMode,
    /// For how long it has been held or pending; `None` where the backend does
    /// not know, as for other tabs in browsers.
    /// The feature `serde` writes it in milliseconds.
    #[cfg_attr(feature = "serde", serde(default, with = "crate::serialize::millis"))]
    pub age: Option<Duration>,
    /// Who asked: the label that the application gave to its manager, the
    /// browser's client id, or a process.
    pub client: Option<String>,
}

impl LockInfo {
    /// A request of which no more is known. A backend adds what it knows.
    pub fn new(key: impl Into<String>, mode: LockMode) -> Self {
        Self {
            key: key.into(),
            mode,
            age: None,
            client: None,
        }
    }
}

impl LockSnapshot {
    /// A snapshot of these requests.
    pub fn new(held: Vec<LockInfo>, pending: Vec<LockInfo>) -> Self {
        Self { held, pending }
    }
}
