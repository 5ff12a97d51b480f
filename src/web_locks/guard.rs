//! [`WebLockGuard`]: a lock that the browser has granted to this client.

use std::fmt;

use async_trait::async_trait;

use super::limits::{ANSWER_LIMIT, answered_within};
use super::reason::describe;
use super::request::{RequestHandle, RequestState};
use crate::core::handoff::State;
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::key::LockKey;

#[must_use = "dropping a guard frees its lock at once: keep it in a variable for as long as the lock is needed"]
pub(super) struct WebLockGuard {
    key: LockKey,
    mode: LockMode,
    request: RequestHandle,
}

impl WebLockGuard {
    /// `request` was granted.
    pub(super) fn new(key: LockKey, mode: LockMode, request: RequestHandle) -> Self {
        Self { key, mode, request }
    }
}

fn is_lost(state: &RequestState) -> bool {
    matches!(state, State::Lost(_))
}

fn is_free(state: &RequestState) -> bool {
    matches!(state, State::Freed | State::Lost(_))
}

impl fmt::Debug for WebLockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockGuard({}, {})", self.key, self.mode)
    }
}

#[async_trait(?Send)]
impl LockGuard for WebLockGuard {
    fn key(&self) -> &str {
        self.key.as_str()
    }

    fn mode(&self) -> LockMode {
        self.mode
    }

    fn is_lost(&self) -> bool {
        self.request.state(is_lost)
    }

    fn ensure_held(&self) -> Result<(), LockError> {
        self.request.state(|state| match state {
            State::Lost(reason) => Err(LockError::lost(self.key.as_str(), describe(reason))),
            _ => Ok(()),
        })
    }

    async fn lost(&self) {
        self.request
            .until(|state| is_lost(state).then_some(()))
            .await;
    }

    async fn release(self: Box<Self>) {
        self.request.release();
        let is_free = self.request.until(|state| is_free(state).then_some(()));
        // If the browser never confirms it, there is nothing more to wait for.
        answered_within(ANSWER_LIMIT, is_free).await;
    }
}
