//! The guard of a lock in PostgreSQL.

use async_trait::async_trait;

use super::request::Request;
use crate::error::LockError;
use crate::fencing::FencingToken;
use crate::guard::{LockGuard, LockMode};

/// A held lock, with its fencing token.
pub(super) struct PostgresGuard {
    request: Request,
    token: FencingToken,
}

impl PostgresGuard {
    /// # Errors
    ///
    /// [`LockError::Lost`] if the lock was lost since it was granted.
    pub(super) fn boxed(request: Request, token: i64) -> Result<Box<dyn LockGuard>, LockError> {
        // A sequence that counts up from 1.
        let token = FencingToken::new(token.unsigned_abs());
        let guard = Self { request, token };
        guard.ensure_held()?;
        Ok(Box::new(guard))
    }
}

impl std::fmt::Debug for PostgresGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresGuard({:?})", self.request)
    }
}

#[async_trait]
impl LockGuard for PostgresGuard {
    fn key(&self) -> &str {
        self.request.key().as_str()
    }

    fn mode(&self) -> LockMode {
        self.request.mode()
    }

    fn is_lost(&self) -> bool {
        self.request.is_lost()
    }

    fn ensure_held(&self) -> Result<(), LockError> {
        match self.request.why_lost() {
            None => Ok(()),
            Some(reason) => Err(LockError::lost(self.key(), reason)),
        }
    }

    async fn downgrade(&mut self) -> Result<(), LockError> {
        self.ensure_held()?;
        match self.mode() {
            LockMode::Exclusive => self.request.downgrade().await,
            LockMode::Shared => Ok(()),
        }
    }

    async fn lost(&self) {
        self.request.lost().await;
    }

    fn fencing_token(&self) -> Option<FencingToken> {
        Some(self.token)
    }

    async fn release(mut self: Box<Self>) {
        let done = self.request.withdraw();
        // It fails if there was nothing to release: the lock is lost.
        let _ = done.await;
    }
}
