//! [`LockManager`]: the contract that every backend keeps.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::key::LockKey;
use crate::scope::LockScope;
use crate::snapshot::LockSnapshot;
use crate::time::{self, Deadline};

/// How to wait for a lock: see [`LockManager::acquire`].
///
/// ```
/// use std::time::Duration;
/// use crosslock::{AcquireOptions, LockMode};
///
/// let write = AcquireOptions::new(Duration::from_secs(10));
/// let read = write.with_mode(LockMode::Shared);
/// assert_eq!((write.mode, read.mode), (LockMode::Exclusive, LockMode::Shared));
/// assert_eq!(read, AcquireOptions::shared(Duration::from_secs(10)));
/// ```
///
/// More may be added to it in any release, each with a default that changes nothing:
/// so it is made by [`new`](Self::new), not by a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcquireOptions {
    /// Exclusive or shared.
    pub mode: LockMode,
    /// How long to wait: `Duration::ZERO` tries once, `Duration::MAX` waits for ever.
    pub timeout: Duration,
}

impl AcquireOptions {
    /// Exclusive, for at most `timeout`.
    pub fn new(timeout: Duration) -> Self {
        Self {
            mode: LockMode::Exclusive,
            timeout,
        }
    }

    /// Shared, for at most `timeout`.
    pub fn shared(timeout: Duration) -> Self {
        Self {
            mode: LockMode::Shared,
            timeout,
        }
    }

    /// The same, in this mode.
    #[must_use]
    pub fn with_mode(mut self, mode: LockMode) -> Self {
        self.mode = mode;
        self
    }

    /// The same, for at most `timeout`.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Named locks with one reach: the [scope](Self::scope) that the backend covers.
///
/// The backends of this crate promise, and `tests/conformance` shows for each of them:
///
/// - **Exclusion.** At most one exclusive holder of a key in the backend's
///   scope, or any number of shared ones.
/// - **Fairness.** First come, first served, as the [Web Locks specification]
///   has it: a request is granted when no earlier request for its key, held or
///   pending, conflicts with it. Writers do not starve.
/// - **No polling for a lock.** The release itself wakes the next waiter. (Node needs to
///   be asked something now and then to do so, and the default body of
///   [`lock`](Self::lock), for a backend that has no queue, tries again and again.)
/// - **Cancel safety.** Dropping a pending future leaves the queue as if it had
///   never been polled; a grant that races with the drop goes to the next waiter.
/// - **Nothing left behind.** A key costs nothing once nobody holds it or waits for it, but
///   for a bounded number of idle entries, which make its next use fast: at most 2,048 in each
///   of the managers in memory or on a datadir, 16 in wasm. An entry takes 104 bytes, and the
///   text of its key if that is longer than 31 bytes. [`query`](Self::query) does not show them.
///
/// Locks are **not re-entrant**: a task that asks for a key which it already
/// holds waits like anyone else, until its timeout.
///
/// # Stability
///
/// Crates that have this trait in their own API break when it does. So within a major
/// version it only grows: a new method comes with a default body, which is correct for
/// a backend that knows nothing of it. The same holds for [`LockGuard`]. Errors, options
/// and snapshots are `#[non_exhaustive]`.
///
/// # Writing a backend
///
/// [`try_lock`](Self::try_lock) is the only required method. What is built on it
/// is correct, but knows only exclusive locks and polls; a backend that can do
/// better overrides the rest. The trait is an `async_trait`, `?Send` on browser
/// wasm (`all(target_family = "wasm", target_os = "unknown")`):
///
/// ```
/// use async_trait::async_trait;
/// use crosslock::{LockGuard, LockManager};
///
/// #[derive(Debug)]
/// struct AlwaysFree;
/// #[derive(Debug)]
/// struct NoGuard;
///
/// impl LockGuard for NoGuard {}
///
/// #[async_trait]
/// impl LockManager for AlwaysFree {
///     async fn try_lock(&self, _key: &str) -> Option<Box<dyn LockGuard>> {
///         Some(Box::new(NoGuard))
///     }
/// }
/// ```
///
/// [Web Locks specification]: https://w3c.github.io/web-locks/#algorithms
#[cfg_attr(not(all(target_family = "wasm", target_os = "unknown")), async_trait)]
#[cfg_attr(all(target_family = "wasm", target_os = "unknown"), async_trait(?Send))]
pub trait LockManager: Send + Sync + Debug {
    /// Takes the exclusive lock on `key` if it is free, without waiting for its
    /// holder.
    ///
    /// `None` when somebody holds it or is queued for it, and also on an invalid
    /// key or a broken backend, because the signature cannot say more. So `None` alone
    /// is no reason to tell a user that the work is "already in progress": a manager
    /// that has lost its datadir answers `None` for ever.
    /// [`try_acquire`](Self::try_acquire) tells which it is:
    ///
    /// ```
    /// use crosslock::{LockError, LockManager, LockMode};
    ///
    /// async fn pay(locks: &dyn LockManager) -> Result<(), String> {
    ///     match locks.try_acquire("lightning.send.42", LockMode::Exclusive).await {
    ///         Ok(Some(_guard)) => Ok(()), // ours: pay while the guard lives
    ///         Ok(None) => Err("payment already in progress".into()),
    ///         // Nothing is locked any more. Drop the manager with its guards, find out
    ///         // what happened, and open the datadir anew.
    ///         Err(error @ LockError::Lost { .. }) => Err(format!("stopped: {error}")),
    ///         // A key that breaks the rules, an API that is missing, a failing disk.
    ///         Err(error) => Err(error.to_string()),
    ///     }
    /// }
    /// # let locks = crosslock::memory::MemoryLockManager::new();
    /// # tokio::runtime::Runtime::new().unwrap().block_on(pay(&locks)).unwrap();
    /// ```
    ///
    /// The managers of this crate also write such reasons to the [`log`] facade, with
    /// the target `crosslock`: a loss as a warning, once for each manager; a refused
    /// key, and any other failure that became a `None` here, for debugging.
    ///
    /// [`log`]: https://docs.rs/log
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>>;

    /// Waits for the exclusive lock on `key`, in turn, for at most `timeout`.
    ///
    /// `Duration::ZERO` tries once; `Duration::MAX` waits for ever.
    ///
    /// The default body polls [`try_lock`](Self::try_lock), with growing pauses of
    /// up to 50 ms, and so has no queue; every backend of this crate has one.
    ///
    /// # Errors
    ///
    /// [`LockError::InvalidKey`] at once, [`LockError::TimedOut`] after `timeout`,
    /// and what the backend adds, such as [`LockError::Unavailable`].
    ///
    /// Natively, whoever has to wait with a timeout needs the timer of a tokio runtime:
    /// [`LockError::Unavailable`] if it is called outside of one, or in one that was built
    /// without `enable_time` or `enable_all`. (Tokio can only be asked by a panic, which is
    /// caught; the panic hook prints it all the same, and a program that aborts on panics
    /// ends.) A lock that is free needs no timer, nor do `Duration::ZERO` and
    /// `Duration::MAX`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the place in the queue and leaves nothing behind.
    async fn lock(&self, key: &str, timeout: Duration) -> Result<Box<dyn LockGuard>, LockError> {
        const FIRST_PAUSE: Duration = Duration::from_millis(1);
        const LONGEST_PAUSE: Duration = Duration::from_millis(50);

        LockKey::new(key)?;
        let deadline = Deadline::after(timeout);
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(guard) = self.try_lock(key).await {
                return Ok(guard);
            }
            let remaining = deadline.remaining();
            if remaining.is_zero() {
                return Err(LockError::timed_out(key, timeout, None));
            }
            time::sleep(pause.min(remaining)).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Takes the lock on `key` in `mode` if that is possible at once: the typed
    /// form of [`try_lock`](Self::try_lock).
    ///
    /// `Ok(None)` means that the lock is held, or that an earlier request which
    /// conflicts with this one is queued for it.
    ///
    /// The default body knows what `try_lock` can say: *free* or not.
    ///
    /// # Errors
    ///
    /// Everything that is not an answer: [`LockError::InvalidKey`],
    /// [`LockError::Unavailable`], [`LockError::Io`], [`LockError::Lost`];
    /// [`LockError::Unsupported`] for shared mode where a third party's backend
    /// has none.
    async fn try_acquire(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        LockKey::new(key)?;
        exclusive_only(mode)?;
        Ok(self.try_lock(key).await)
    }

    /// Waits for the lock on `key` as `options` say: the typed form of
    /// [`lock`](Self::lock), with its errors and its cancel safety.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock); [`LockError::Unsupported`] for shared mode where a
    /// third party's backend has none.
    async fn acquire(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        exclusive_only(options.mode)?;
        self.lock(key, options.timeout).await
    }

    /// Takes the exclusive locks on all `keys`, or none of them, within `timeout`
    /// over all.
    ///
    /// The locks are taken in one global order (that of the keys' bytes), so two
    /// callers that name the same keys in different orders cannot deadlock. A key
    /// that is named twice is locked once. The guards come in that order too, each
    /// with its [`key`](LockGuard::key).
    ///
    /// While it waits for one key, it holds those before it in the order. The
    /// order protects from deadlock only if the caller holds no other lock
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock). All keys are checked before the first is locked; a
    /// timeout names the key that could not be had. What was locked by then is free
    /// again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future frees what it had locked and leaves nothing behind.
    async fn lock_many(
        &self,
        keys: &[&str],
        timeout: Duration,
    ) -> Result<Vec<Box<dyn LockGuard>>, LockError> {
        let ordered = in_global_order(keys)?;
        let deadline = Deadline::after(timeout);
        let mut guards = Vec::with_capacity(ordered.len());
        for key in ordered {
            match self.lock(key, deadline.remaining()).await {
                Ok(guard) => guards.push(guard),
                Err(error) => {
                    // Awaited, so that nobody sees a key held after our error.
                    for guard in guards {
                        guard.release().await;
                    }
                    return Err(with_timeout(error, timeout));
                }
            }
        }
        Ok(guards)
    }

    /// Takes the exclusive lock on `key` away from whoever holds it, ahead of
    /// everyone who waits. The victims' guards become [lost](LockGuard::is_lost).
    ///
    /// Only for a person who decides that the holder is dead. The victim may be in
    /// the middle of what the lock protects, and goes on until it looks at its guard.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire). [`LockError::Unsupported`] where the
    /// backend cannot steal, which is the default.
    async fn steal(&self, key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        LockKey::new(key)?;
        Err(LockError::Unsupported { operation: "steal" })
    }

    /// Who holds what, and who waits, at this moment.
    ///
    /// # Errors
    ///
    /// [`LockError::Unsupported`] where the backend cannot tell, which is the
    /// default; [`LockError::Unavailable`] where it does not work at all.
    async fn query(&self) -> Result<LockSnapshot, LockError> {
        Err(LockError::Unsupported { operation: "query" })
    }

    /// Whom this manager's locks exclude.
    fn scope(&self) -> LockScope {
        LockScope::Unspecified
    }
}

/// What [`try_lock`](LockManager::try_lock) makes of the typed answer: it cannot tell of a
/// failure, so that is written down.
pub(crate) fn only_if_granted<G>(key: &str, answer: Result<Option<G>, LockError>) -> Option<G> {
    answer.unwrap_or_else(|error| {
        // Keys that were refused are in the log already.
        if !matches!(error, LockError::InvalidKey(_)) {
            log::debug!(target: "crosslock", "lock \"{key}\" was not granted: {error}");
        }
        None
    })
}

fn exclusive_only(mode: LockMode) -> Result<(), LockError> {
    match mode {
        LockMode::Exclusive => Ok(()),
        LockMode::Shared => Err(LockError::Unsupported {
            operation: "shared mode",
        }),
    }
}

/// The keys in the order of their bytes, each once.
fn in_global_order<'a>(keys: &[&'a str]) -> Result<Vec<&'a str>, LockError> {
    let mut ordered = Vec::with_capacity(keys.len());
    for &key in keys {
        LockKey::new(key)?;
        // By insertion: a handful of keys needs no sorting algorithm, and the library's
        // is a tenth of all that a browser would load of us.
        if let Err(place) = ordered.binary_search(&key) {
            ordered.insert(place, key);
        }
    }
    Ok(ordered)
}

/// A step of `lock_many` was given what was left of the time; its caller asked
/// for the whole.
fn with_timeout(error: LockError, whole: Duration) -> LockError {
    match error {
        LockError::TimedOut {
            key, contention, ..
        } => LockError::TimedOut {
            key,
            timeout: whole,
            contention,
        },
        other => other,
    }
}
