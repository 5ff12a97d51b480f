//! [`LockManager`]: the contract that every backend keeps.

mod pointers;

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
/// More options may be added in any release, each with a default that changes nothing. So
/// options are made by [`new`](Self::new) or [`shared`](Self::shared), and not by a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AcquireOptions {
    /// Exclusive or shared.
    pub mode: LockMode,
    /// How long to wait. `Duration::ZERO` tries once, `Duration::MAX` waits for ever.
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

    /// These options with another mode.
    #[must_use]
    pub fn with_mode(mut self, mode: LockMode) -> Self {
        self.mode = mode;
        self
    }

    /// These options with another timeout.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// Named locks with one reach: the [scope](Self::scope) that the backend covers.
///
/// The backends of this crate promise, and the suite of the feature `conformance` shows for each
/// of them:
///
/// - **Exclusion.** A key has at most one exclusive holder in the backend's scope, or any
///   number of shared ones.
/// - **Fairness.** First come, first served, by the rule of the [Web Locks specification]:
///   a request is granted when no earlier request for its key, held or pending, conflicts
///   with it. Writers do not starve.
/// - **No polling for a lock.** The release itself wakes the next waiter. (There are two
///   exceptions. In Node, a thread that waits makes a request about once a second, because
///   Node may forget to wake it. The default body of [`lock`](Self::lock) polls; it is for
///   backends that have no queue.)
/// - **Cancel safety.** If a pending future is dropped, the queue is as if it had never been
///   polled. A grant that races with the drop goes to the next waiter.
/// - **Nothing left behind.** A key costs nothing once nobody holds it or waits for it, but
///   for a bounded number of idle entries, which make its next use fast. A manager in memory
///   or on a datadir has at most 2,048 of them, 16 in wasm. An entry takes 104 bytes, and the
///   text of its key if that is longer than 31 bytes. [`query`](Self::query) does not show them.
///
/// Locks are **not re-entrant**: a task that asks for a key which it already holds waits
/// until its timeout, like any other task.
///
/// # Stability
///
/// A crate that has this trait in its own API breaks when the trait does. So within a major
/// version the trait only grows: a new method has a default body that is correct for a
/// backend which knows nothing of it. The same holds for [`LockGuard`]. Errors, options
/// and snapshots are `#[non_exhaustive]`.
///
/// # Pointers
///
/// `Arc<M>`, `Box<M>` and `&M` are lock managers as well, also of a `dyn LockManager`. So a
/// function or a struct that is generic over `M: LockManager` takes any of them.
///
/// # Writing a backend
///
/// [`try_lock`](Self::try_lock) is the only required method. The default bodies of the
/// others are built on it. The module `conformance`, which is there with the feature of that
/// name, says how to write a backend, and has the suite that tests it.
///
/// [Web Locks specification]: https://w3c.github.io/web-locks/#algorithms
#[cfg_attr(not(all(target_family = "wasm", target_os = "unknown")), async_trait)]
#[cfg_attr(all(target_family = "wasm", target_os = "unknown"), async_trait(?Send))]
pub trait LockManager: Send + Sync + Debug {
    /// Takes the exclusive lock on `key` if it is free, without waiting for its
    /// holder.
    ///
    /// The answer is `None` when somebody holds the lock or is queued for it. It is `None` also
    /// for an invalid key or a broken backend, because the signature cannot say more. So do not
    /// tell a user on `None` alone that the work is "already in progress": a manager that has
    /// lost its datadir answers `None` for ever. [`try_acquire`](Self::try_acquire) tells the
    /// cases apart:
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
    /// the target `crosslock`. A loss is a warning, once for each manager. A refused key, or
    /// any other failure that became a `None` here, is a debug message.
    ///
    /// [`log`]: https://docs.rs/log
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>>;

    /// Waits for the exclusive lock on `key`, in turn, for at most `timeout`.
    ///
    /// `Duration::ZERO` tries once; `Duration::MAX` waits for ever.
    ///
    /// The default body polls [`try_lock`](Self::try_lock), with growing pauses of up to
    /// 50 ms. So it has no queue. Every backend of this crate has one.
    ///
    /// # Errors
    ///
    /// [`LockError::InvalidKey`] at once, [`LockError::TimedOut`] after `timeout`,
    /// [`LockError::Lost`] if the lock was taken away just when it was granted, and what the
    /// backend adds, such as [`LockError::Unavailable`].
    ///
    /// Natively, a wait with a timeout needs the timer of a tokio runtime. Outside of a
    /// runtime, or in one that was built without `enable_time` or `enable_all`, the error is
    /// [`LockError::Unavailable`]. (Tokio tells of a missing timer only by a panic. It is
    /// caught, but the panic hook prints it, and a program that aborts on panics ends.) A lock
    /// that is free needs no timer. Neither does `Duration::ZERO` or `Duration::MAX`.
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
    /// The default body calls `try_lock`, and so reports its failures as `Ok(None)`.
    ///
    /// # Errors
    ///
    /// [`LockError::InvalidKey`], [`LockError::Unavailable`], [`LockError::Io`],
    /// [`LockError::Lost`]. From a third party's backend also [`LockError::Backend`], and
    /// [`LockError::Unsupported`] if it has no shared mode.
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
    /// As [`lock`](Self::lock). From a third party's backend also
    /// [`LockError::Unsupported`] if it has no shared mode.
    async fn acquire(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        exclusive_only(options.mode)?;
        self.lock(key, options.timeout).await
    }

    /// Takes the exclusive locks on all `keys`, or on none of them. `timeout` is for all of
    /// them together.
    ///
    /// The locks are taken in one global order, that of the keys' bytes. So two callers that
    /// name the same keys in different orders cannot deadlock. A key that is named twice is
    /// locked once. The guards are in the global order, too, and each has its
    /// [`key`](LockGuard::key).
    ///
    /// A call that waits for one key holds the keys before it in the order. The order protects
    /// from deadlock only if the caller holds no other lock meanwhile.
    ///
    /// # Errors
    ///
    /// As [`lock`](Self::lock). All keys are checked before the first is locked. A timeout
    /// names the key that was not acquired. The locks that were acquired before are free again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future frees the locks that it had acquired and leaves nothing behind.
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
    /// This is for a person who decides that the holder is dead. The victim may be in the
    /// middle of what the lock protects, and it goes on until it checks its guard.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire). [`LockError::Unsupported`] if the backend
    /// cannot steal, as the default body cannot.
    async fn steal(&self, key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        LockKey::new(key)?;
        Err(LockError::unsupported("steal"))
    }

    /// Who holds what, and who waits, at this moment.
    ///
    /// # Errors
    ///
    /// [`LockError::Unsupported`] if the backend cannot tell, as the default body cannot.
    /// [`LockError::Unavailable`] if it does not work at all.
    async fn query(&self) -> Result<LockSnapshot, LockError> {
        Err(LockError::unsupported("query"))
    }

    /// Whom this manager's locks exclude.
    fn scope(&self) -> LockScope {
        LockScope::Unspecified
    }
}

/// Turns the answer of `try_acquire` into that of [`try_lock`](LockManager::try_lock), which
/// cannot report a failure. So a failure is logged.
pub(crate) fn only_if_granted<G>(key: &str, answer: Result<Option<G>, LockError>) -> Option<G> {
    answer.unwrap_or_else(|error| {
        // A refused key was logged when it was refused.
        if !matches!(error, LockError::InvalidKey(_)) {
            log::debug!(target: "crosslock", "lock \"{key}\" was not granted: {error}");
        }
        None
    })
}

fn exclusive_only(mode: LockMode) -> Result<(), LockError> {
    match mode {
        LockMode::Exclusive => Ok(()),
        LockMode::Shared => Err(LockError::unsupported("shared mode")),
    }
}

/// The keys in the order of their bytes, each once.
pub(crate) fn in_global_order<'a>(keys: &[&'a str]) -> Result<Vec<&'a str>, LockError> {
    let mut ordered = Vec::with_capacity(keys.len());
    for &key in keys {
        LockKey::new(key)?;
        // Insertion is enough for a handful of keys. With `sort_unstable` the wasm of an
        // application grows by 3.5 % more.
        if let Err(place) = ordered.binary_search(&key) {
            ordered.insert(place, key);
        }
    }
    Ok(ordered)
}

/// Puts the whole timeout of `lock_many` into the error of one of its steps, which was given
/// only what was left of it.
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
