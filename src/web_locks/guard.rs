//! [`WebLockGuard`]: a lock that the browser has granted.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::hold::{Hold, Phase};
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::key::LockKey;

/// Lets go when dropped. Before the grant it stands for the claim to the lock, and
/// stays inside this module.
#[must_use = "dropping a guard frees its lock at once: keep it in a variable for as long as the lock is needed"]
pub(super) struct WebLockGuard {
    key: LockKey,
    hold: Arc<Hold>,
}

impl WebLockGuard {
    pub(super) fn new(key: LockKey, hold: Arc<Hold>) -> Self {
        Self { key, hold }
    }

    pub(super) fn hold(&self) -> &Hold {
        &self.hold
    }

    pub(super) fn lost_because(&self, reason: &str) -> LockError {
        LockError::Lost {
            key: Some(self.key.to_string()),
            reason: reason.to_owned(),
        }
    }
}

impl fmt::Debug for WebLockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockGuard({}, {})", self.key, self.hold.mode)
    }
}

impl Drop for WebLockGuard {
    fn drop(&mut self) {
        self.hold.release();
    }
}

#[async_trait(?Send)]
impl LockGuard for WebLockGuard {
    fn key(&self) -> &str {
        self.key.as_str()
    }

    fn mode(&self) -> LockMode {
        self.hold.mode
    }

    fn is_lost(&self) -> bool {
        matches!(self.hold.phase(), Phase::Lost(_))
    }

    fn ensure_held(&self) -> Result<(), LockError> {
        match self.hold.phase() {
            Phase::Lost(reason) => Err(self.lost_because(&reason)),
            _ => Ok(()),
        }
    }

    async fn lost(&self) {
        let is_lost = |phase: &Phase| matches!(phase, Phase::Lost(_)).then_some(());
        self.hold.until(is_lost).await;
    }

    async fn release(self: Box<Self>) {
        self.hold.release();
        let is_free = |phase: &Phase| matches!(phase, Phase::Freed | Phase::Lost(_)).then_some(());
        self.hold.until(is_free).await;
    }
}
