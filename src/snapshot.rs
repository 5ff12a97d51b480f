//! [`LockSnapshot`]: who holds what and who waits. It has the shape of the result of
//! `LockManager.query()` in the [Web Locks specification].
//!
//! [Web Locks specification]: https://w3c.github.io/web-locks/#api-lock-manager-query

mod waits;

use std::time::Duration;

use crate::guard::LockMode;
pub use waits::Wait;

/// The requests that a manager knew of at one time. A snapshot is out of date as soon as it
/// is made. Use it to show or to debug, and never to decide what to lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct LockSnapshot {
    /// The locks that are held.
    pub held: Vec<LockInfo>,
    /// The requests that wait. Those for one key are in the order in which they will be granted.
    pub pending: Vec<LockInfo>,
}

/// One request, held or pending.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LockInfo {
    /// The key.
    pub key: String,
    /// The mode of the request.
    pub mode: LockMode,
    /// For how long it has been held or pending. `None` if the backend does not know, as for
    /// other tabs in browsers.
    /// The feature `serde` writes it in milliseconds.
    #[cfg_attr(feature = "serde", serde(default, with = "crate::serialize::millis"))]
    pub age: Option<Duration>,
    /// Who made the request: the label that the application gave to its manager, the client id of the
    /// browser, or a process. `None` if the backend does not know.
    pub client: Option<String>,
}

impl LockInfo {
    /// A request with this key and mode. A backend sets the other fields if it knows them.
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
