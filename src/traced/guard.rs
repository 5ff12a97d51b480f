//! [`TracedGuard`]: a held lock that tells its span what becomes of it.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tracing::Span;

use super::micros;
use crate::error::LockError;
use crate::fencing::FencingToken;
use crate::guard::{LockGuard, LockMode};
use crate::time::Stamp;

#[derive(Debug)]
pub(super) struct TracedGuard {
    /// `None` once it is being released.
    inner: Option<Box<dyn LockGuard>>,
    span: Span,
    since: Stamp,
    is_loss_told: AtomicBool,
}

impl TracedGuard {
    pub(super) fn new(inner: Box<dyn LockGuard>, span: Span) -> Self {
        Self {
            inner: Some(inner),
            span,
            since: Stamp::now(),
            is_loss_told: AtomicBool::new(false),
        }
    }

    fn inner(&self) -> &dyn LockGuard {
        let inner = self.inner.as_deref();
        inner.expect("only `release` takes it, which takes the guard as well")
    }

    /// Tells a loss, once: two threads may find it at the same time.
    fn tell_loss(&self, error: &LockError) {
        // Nothing else is published by it.
        if !self.is_loss_told.swap(true, Ordering::Relaxed) {
            self.span.record("outcome", "lost");
            let held = self.since.elapsed();
            tracing::warn!(target: "crosslock", parent: &self.span, error = %error, held = ?held, "lost");
        }
    }

    fn look(&self) {
        if let Some(inner) = &self.inner
            && let Err(error @ LockError::Lost { .. }) = inner.ensure_held()
        {
            self.tell_loss(&error);
        }
    }
}

impl Drop for TracedGuard {
    fn drop(&mut self) {
        // To look may ask the system; whoever traces nothing does not pay for it.
        if !self.span.is_disabled() {
            self.look();
        }
        drop(self.inner.take());
        let held = self.since.elapsed();
        self.span.record("held_us", micros(held));
        if !self.is_loss_told.load(Ordering::Relaxed) {
            self.span.record("outcome", "released");
            tracing::debug!(target: "crosslock", parent: &self.span, held = ?held, "released");
        }
    }
}

#[deny(clippy::missing_trait_methods)]
#[cfg_attr(not(all(target_family = "wasm", target_os = "unknown")), async_trait)]
#[cfg_attr(all(target_family = "wasm", target_os = "unknown"), async_trait(?Send))]
impl LockGuard for TracedGuard {
    fn key(&self) -> &str {
        self.inner().key()
    }

    fn mode(&self) -> LockMode {
        self.inner().mode()
    }

    fn is_lost(&self) -> bool {
        let is_lost = self.inner().is_lost();
        if is_lost {
            self.look();
        }
        is_lost
    }

    fn ensure_held(&self) -> Result<(), LockError> {
        let answer = self.inner().ensure_held();
        if let Err(error @ LockError::Lost { .. }) = &answer {
            self.tell_loss(error);
        }
        answer
    }

    async fn lost(&self) {
        self.inner().lost().await;
        self.look();
    }

    fn fencing_token(&self) -> Option<FencingToken> {
        self.inner().fencing_token()
    }

    async fn downgrade(&mut self) -> Result<(), LockError> {
        let inner = self.inner.as_deref_mut();
        let answer = inner.expect("it is not released").downgrade().await;
        match &answer {
            Ok(()) => tracing::debug!(target: "crosslock", parent: &self.span, "downgraded"),
            Err(error @ LockError::Lost { .. }) => self.tell_loss(error),
            Err(_) => {}
        }
        answer
    }

    async fn release(mut self: Box<Self>) {
        self.look();
        if let Some(inner) = self.inner.take() {
            inner.release().await;
        }
        // The drop tells of it, also if this future is dropped before.
    }
}
