//! [`TracedLockManager`]: any lock manager, with a span of `tracing` for each lock.
//!
//! One wrapper serves every backend, those of third parties as well, and nothing of it is in the
//! way of those who do not use it: the backends know nothing of traces.
//!
//! Each request has a span `lock` of the target `crosslock`, a child of the span in which it was
//! made, so the trace shows who asked. It lasts until the lock is released. Its fields:
//!
//! | field | what it says |
//! | --- | --- |
//! | `key`, `mode` | what was asked for |
//! | `by` | the [label](TracedLockManager::with_label), if there is one |
//! | `waited_us` | microseconds from the request to the grant |
//! | `held_us` | microseconds from the grant to the release |
//! | `outcome` | `released`, `lost`, `busy`, `timed out`, `failed` or `dropped` |
//!
//! In it there are events: `asked`, `granted`, `busy`, `timed out` (with who held the lock, and for how
//! long), `failed`, `downgraded`, `released`, all at the level `DEBUG`; and at the level `WARN` `lost`, with the reason,
//! and `deadlock`, if that is [asked for](TracedLockManager::warn_of_deadlocks). A loss is told when the
//! guard is next asked, or dropped.
//!
//! ```
//! use std::time::Duration;
//! use crosslock::{LockManager, memory::MemoryLockManager, traced::TracedLockManager};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let locks = TracedLockManager::new(MemoryLockManager::new());
//! let guard = locks.lock("lightning.send.42", Duration::from_secs(10)).await?;
//! # drop(guard);
//! # Ok::<_, crosslock::LockError>(())
//! # }).unwrap();
//! ```

mod guard;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::manager::{AcquireOptions, LockManager};
use crate::scope::LockScope;
use crate::snapshot::LockSnapshot;
use crate::time::Stamp;
use guard::TracedGuard;

/// A lock manager that traces what is asked of it: see the [module](self).
///
/// It costs a span for each request where a subscriber wants one, and a box for each guard.
#[derive(Debug, Clone)]
pub struct TracedLockManager<M> {
    manager: M,
    label: Option<Arc<str>>,
    warns: bool,
}

impl<M: LockManager> TracedLockManager<M> {
    /// Traces what is asked of `manager`.
    pub fn new(manager: M) -> Self {
        Self {
            manager,
            label: None,
            warns: false,
        }
    }

    /// Has the spans say who asks. For what [`query`](LockManager::query) says, the manager within
    /// has a label of its own.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Has every wait look whether it closes a circle of clients that wait for each other, and warn
    /// of it by the event `deadlock`. For debugging: each wait then makes a
    /// [`query`](LockManager::query).
    ///
    /// It goes by the labels of the manager within, and is right if each task has a manager with a
    /// label of its own: see [`LockSnapshot::deadlock`]. It only warns: the wait goes on until its timeout.
    #[must_use]
    pub fn warn_of_deadlocks(mut self) -> Self {
        self.warns = true;
        self
    }

    /// The manager within.
    pub fn get_ref(&self) -> &M {
        &self.manager
    }

    /// The manager within.
    pub fn into_inner(self) -> M {
        self.manager
    }

    fn ask(&self, key: &str, mode: LockMode) -> Asked {
        let span = tracing::debug_span!(
            target: "crosslock",
            "lock",
            key,
            mode = %mode,
            by = Empty,
            waited_us = Empty,
            held_us = Empty,
            outcome = Empty,
        );
        if let Some(label) = &self.label {
            span.record("by", display(label));
        }
        tracing::debug!(target: "crosslock", parent: &span, "asked");
        Asked {
            span,
            since: Stamp::now(),
            is_over: false,
        }
    }

    /// Waits, and looks for a circle once it is clear that this is a wait.
    async fn wait<T>(&self, key: &str, asked: &Asked, wait: impl Future<Output = T>) -> T {
        let mut wait = pin!(wait.instrument(asked.span.clone()));
        if self.warns {
            let first = poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx))).await;
            if let Poll::Ready(output) = first {
                return output;
            }
            if let Ok(snapshot) = self.manager.query().await
                && let Some(circle) = snapshot.deadlock_at(key)
            {
                let circle: Vec<_> = circle.iter().map(ToString::to_string).collect();
                tracing::warn!(target: "crosslock", parent: &asked.span, circle = circle.join(", "), "deadlock");
            }
        }
        wait.await
    }
}

/// A request whose outcome is not known yet.
struct Asked {
    span: Span,
    since: Stamp,
    is_over: bool,
}

impl Asked {
    fn granted(mut self, guard: Box<dyn LockGuard>) -> Box<dyn LockGuard> {
        self.is_over = true;
        let waited = self.since.elapsed();
        self.span.record("waited_us", micros(waited));
        tracing::debug!(target: "crosslock", parent: &self.span, waited = ?waited, "granted");
        Box::new(TracedGuard::new(guard, self.span.clone()))
    }

    fn busy(mut self) {
        self.is_over = true;
        self.span.record("outcome", "busy");
        tracing::debug!(target: "crosslock", parent: &self.span, "busy");
    }

    fn failed(mut self, error: &LockError) {
        self.is_over = true;
        let waited = self.since.elapsed();
        self.span.record("waited_us", micros(waited));
        let outcome = match error {
            LockError::TimedOut { .. } => "timed out",
            LockError::Lost { .. } => "lost",
            _ => "failed",
        };
        self.span.record("outcome", outcome);
        // A timeout names the holder where that is known.
        tracing::debug!(target: "crosslock", parent: &self.span, error = %error, "{outcome}");
    }

    fn answer(
        self,
        answer: Result<Box<dyn LockGuard>, LockError>,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        match answer {
            Ok(guard) => Ok(self.granted(guard)),
            Err(error) => {
                self.failed(&error);
                Err(error)
            }
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.is_over {
            self.span.record("outcome", "dropped");
            tracing::debug!(target: "crosslock", parent: &self.span, "dropped");
        }
    }
}

/// As many as fit, which are half a million years.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

// A method that is missing here would fall back to the default body, which polls.
#[deny(clippy::missing_trait_methods)]
#[cfg_attr(not(all(target_family = "wasm", target_os = "unknown")), async_trait)]
#[cfg_attr(all(target_family = "wasm", target_os = "unknown"), async_trait(?Send))]
impl<M: LockManager> LockManager for TracedLockManager<M> {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        let asked = self.ask(key, LockMode::Exclusive);
        let answer = self.manager.try_lock(key);
        match answer.instrument(asked.span.clone()).await {
            Some(guard) => Some(asked.granted(guard)),
            None => {
                asked.busy();
                None
            }
        }
    }

    async fn lock(&self, key: &str, timeout: Duration) -> Result<Box<dyn LockGuard>, LockError> {
        let asked = self.ask(key, LockMode::Exclusive);
        let answer = self.wait(key, &asked, self.manager.lock(key, timeout));
        let answer = answer.await;
        asked.answer(answer)
    }

    async fn try_acquire(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        let asked = self.ask(key, mode);
        let answer = self.manager.try_acquire(key, mode);
        match answer.instrument(asked.span.clone()).await {
            Ok(Some(guard)) => Ok(Some(asked.granted(guard))),
            Ok(None) => {
                asked.busy();
                Ok(None)
            }
            Err(error) => {
                asked.failed(&error);
                Err(error)
            }
        }
    }

    async fn acquire(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        let asked = self.ask(key, options.mode);
        let answer = self.wait(key, &asked, self.manager.acquire(key, options));
        let answer = answer.await;
        asked.answer(answer)
    }

    /// Each key has a span; all of them begin with the call.
    async fn lock_many(
        &self,
        keys: &[&str],
        timeout: Duration,
    ) -> Result<Vec<Box<dyn LockGuard>>, LockError> {
        let mut asked: Vec<(&str, Asked)> = Vec::with_capacity(keys.len());
        for &key in keys {
            if asked.iter().all(|(known, _)| *known != key) {
                asked.push((key, self.ask(key, LockMode::Exclusive)));
            }
        }
        match self.manager.lock_many(keys, timeout).await {
            Ok(guards) => {
                let traced = guards.into_iter().map(|guard| {
                    let at = asked.iter().position(|(key, _)| *key == guard.key());
                    match at {
                        Some(at) => asked.swap_remove(at).1.granted(guard),
                        // A guard of a third party that does not tell its key.
                        None => guard,
                    }
                });
                Ok(traced.collect())
            }
            Err(error) => {
                asked
                    .into_iter()
                    .for_each(|(_, asked)| asked.failed(&error));
                Err(error)
            }
        }
    }

    async fn steal(&self, key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        let asked = self.ask(key, LockMode::Exclusive);
        let answer = self.manager.steal(key);
        let answer = answer.instrument(asked.span.clone()).await;
        asked.answer(answer)
    }

    async fn query(&self) -> Result<LockSnapshot, LockError> {
        self.manager.query().await
    }

    fn scope(&self) -> LockScope {
        self.manager.scope()
    }
}
