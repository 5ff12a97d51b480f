//! [`SharedDatadirLockManager`]: locks on one datadir that several processes have open at the
//! same time, and which exclude each other by key.

mod datadir;
mod files;
mod guard;
mod others;
mod place;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "shared_datadir/processes/linux.rs"]
mod processes;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "shared_datadir/processes/unknown.rs"]
mod processes;
mod protocol;
mod ranges;
mod request;
#[cfg(feature = "__edge")]
pub(crate) mod requests;
mod snapshot;
mod threads;
mod ticket;
mod wait_files;
mod waits;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::datadir_lock::DatadirOptions;
use crate::error::{LockError, PidLockError};
use crate::guard::{LockGuard, LockMode};
use crate::key::LockKey;
use crate::manager::{AcquireOptions, LockManager, only_if_granted};
use crate::scope::LockScope;
use crate::snapshot::LockSnapshot;
use crate::table::guard::TableGuard;
use crate::table::handle::{Staleness, TableHandle};
use crate::table::locks::TableLocks;
use crate::time::{self, Deadline};
use datadir::SharedDatadir;
use guard::SharedDatadirGuard;
use place::Place;
use request::Request;

/// The name of the lock file in a datadir, unless [`DatadirOptions`] have another. All who share
/// the datadir hold it in shared mode, and none of them writes to it.
pub const LOCK_FILE: &str = crate::datadir_lock::LOCK_FILE;

/// The name of the folder beside it, whose files have the locks of the keys. It is that of the
/// lock file with an `S` behind it.
pub const LOCKS_FOLDER: &str = "LOCKS";

/// Named locks on one datadir that any number of processes may have open: a CLI beside its
/// daemon. A key excludes the tasks and threads of this process and of every other one.
///
#[doc = include_str!("shared_datadir/what_callers_must_know.md")]
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use crosslock::{LockManager, PidLockError};
/// use crosslock::{pid_fcntl::FcntlPidLockManager, shared_datadir::SharedDatadirLockManager};
///
/// # let datadir = std::env::temp_dir().join(format!("crosslock-shared-{}", std::process::id()));
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let daemon = SharedDatadirLockManager::new(&datadir)?;
/// let cli = SharedDatadirLockManager::new(&datadir)?; // as if in another process
/// let guard = daemon.lock("lightning.send.42", Duration::from_secs(10)).await?;
/// assert!(cli.try_lock("lightning.send.42").await.is_none());
/// assert!(cli.try_lock("lightning.send.43").await.is_some());
///
/// // Who wants the datadir for itself is refused, and told why.
/// let alone = FcntlPidLockManager::new(&datadir);
/// assert!(matches!(alone, Err(PidLockError::OtherKind { is_shared: true, .. })));
/// # drop((guard, daemon, cli, std::fs::remove_dir_all(&datadir)));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct SharedDatadirLockManager {
    locks: TableLocks<Arc<SharedDatadir>>,
}

impl SharedDatadirLockManager {
    /// Opens a datadir, beside all others that have opened it with this manager.
    ///
    /// Creates the directory, with its parents, and `LOCK` and `LOCKS` in it if they are missing.
    ///
    /// # Errors
    ///
    /// - [`OtherKind`](PidLockError::OtherKind) if a pid-lock has the datadir for itself. With a
    ///   [timeout](DatadirOptions::timeout), only after it.
    /// - [`SetupFailed`](PidLockError::SetupFailed) for all that says nothing about others: no
    ///   permission, no space, a read-only file system, a kernel or a file system without open
    ///   file description locks.
    pub fn open(options: DatadirOptions) -> Result<Self, PidLockError> {
        let locks = datadir::open(options)?;
        Ok(Self { locks })
    }

    /// [`open`](Self::open) with the default options.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn new(datadir: impl Into<PathBuf>) -> Result<Self, PidLockError> {
        Self::open(DatadirOptions::new(datadir))
    }

    /// [`open`](Self::open) with a [timeout](DatadirOptions::timeout), for which it blocks the
    /// thread.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_timeout(
        datadir: impl Into<PathBuf>,
        timeout: Duration,
    ) -> Result<Self, PidLockError> {
        Self::open(DatadirOptions::new(datadir).with_timeout(timeout))
    }

    /// The same manager with another [label](DatadirOptions::label).
    #[must_use]
    pub fn with_label(self, label: impl Into<Arc<str>>) -> Self {
        Self {
            locks: self.locks.in_the_name_of(label.into()),
        }
    }

    /// The datadir, as it was given when it was opened.
    pub fn datadir(&self) -> &Path {
        self.locks.handle().path()
    }

    /// What this process and others hold and wait for of these `keys`. For processes that only look,
    /// such as one that shows what a wallet is doing: [`query`](LockManager::query) knows no keys but those
    /// that this process uses, as the kernel knows none by its name.
    ///
    /// A request of another process has no [age](crate::LockInfo::age). Its
    /// [client](crate::LockInfo::client) is `process 4242` where the kernel names the process, as on Linux
    /// for processes of the same user, and otherwise `another process`. Each process is shown once a key, however
    /// many of its tasks want it, and no more than 128 of them. Another manager in this process is as
    /// foreign as one in another process. Requests that are just being made may be missing. On Windows
    /// processes that share a key together may be shown as one, or not beside this one.
    ///
    /// # Errors
    ///
    /// [`LockError::InvalidKey`], [`LockError::Lost`] and [`LockError::Io`].
    pub async fn query_keys(
        &self,
        keys: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<LockSnapshot, LockError> {
        let keys: Vec<String> = keys.into_iter().map(|key| key.as_ref().into()).collect();
        for key in &keys {
            LockKey::new(key)?;
        }
        self.snapshot(Some(keys))
    }

    fn try_guard(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        let Some(in_table) = self.locks.try_acquire(key, mode, |guard| guard)? else {
            return Ok(None);
        };
        let request = Request::tried(self.locks.handle(), key, mode)?;
        Ok(request.map(|request| boxed(request, in_table)))
    }

    async fn wait(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        if options.timeout.is_zero() {
            let tried = self.try_guard(key, options.mode)?;
            let timed_out = || LockError::timed_out(key, Duration::ZERO, self.contention(key));
            return tried.ok_or_else(timed_out);
        }
        // Nearly always it is free, and nothing that waiting takes is needed.
        let in_table = self.locks.try_acquire(key, options.mode, |guard| guard)?;
        let begun = match in_table {
            Some(in_table) => {
                let request = Request::asked(self.locks.handle(), key, options.mode)?;
                if request.is_granted() {
                    return Ok(boxed(request, in_table));
                }
                Some((request, in_table))
            }
            None => None,
        };
        // In a box of its own, so that the future is small which a lock needs that is free.
        Box::pin(self.wait_in_turn(key, options, begun)).await
    }

    /// Waits in this process, unless the lock table has `begun` with a grant, and then for others.
    async fn wait_in_turn(
        &self,
        key: &str,
        options: AcquireOptions,
        begun: Option<(Request, TableGuard<Arc<SharedDatadir>>)>,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        let datadir = self.locks.handle();
        let deadline = Deadline::after(options.timeout);
        let (mut request, in_table) = match begun {
            Some(begun) => begun,
            None => {
                let mut request = Request::queued(datadir, key)?;
                let acquired = self.locks.acquire(key, options, |guard| guard).await;
                let in_table = acquired.map_err(|error| self.explain(key, error))?;
                request.ask(key, options.mode)?;
                (request, in_table)
            }
        };
        if !request.is_granted() {
            let granted = request.granted(key);
            match time::timeout(deadline.remaining(), granted).await? {
                Some(granted) => granted?,
                None => {
                    let contention = request.contention();
                    return Err(LockError::timed_out(key, options.timeout, contention));
                }
            }
            // Much may have happened while it waited.
            datadir.check(Staleness::Recent)?;
        }
        Ok(boxed(request, in_table))
    }

    /// Who is in the way of `key` at this moment.
    fn contention(&self, key: &str) -> Option<crate::Contention> {
        others::contention(self.locks.handle(), Place::of(key))
    }

    /// One who holds the key in this process may wait for another process. Then that one is to
    /// be told of.
    fn explain(&self, key: &str, error: LockError) -> LockError {
        match error {
            LockError::TimedOut {
                key: told,
                timeout,
                contention,
            } => LockError::TimedOut {
                contention: self.contention(key).map(Box::new).or(contention),
                key: told,
                timeout,
            },
            other => other,
        }
    }
}

fn cannot_steal() -> LockError {
    LockError::unsupported(
        "steal: no system takes a lock of the kernel away from a process; end the process that holds it",
    )
}

fn boxed(request: Request, in_table: TableGuard<Arc<SharedDatadir>>) -> Box<dyn LockGuard> {
    Box::new(SharedDatadirGuard::new(request, in_table))
}

#[async_trait]
impl LockManager for SharedDatadirLockManager {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        only_if_granted(key, self.try_guard(key, LockMode::Exclusive))
    }

    async fn lock(&self, key: &str, timeout: Duration) -> Result<Box<dyn LockGuard>, LockError> {
        self.wait(key, AcquireOptions::new(timeout)).await
    }

    async fn try_acquire(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        self.try_guard(key, mode)
    }

    async fn acquire(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        self.wait(key, options).await
    }

    async fn steal(&self, key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        LockKey::new(key)?;
        Err(cannot_steal())
    }

    /// Of the keys that this process holds or waits for, also what others do: see
    /// [`query_keys`](SharedDatadirLockManager::query_keys).
    async fn query(&self) -> Result<LockSnapshot, LockError> {
        self.snapshot(None)
    }

    fn scope(&self) -> LockScope {
        LockScope::SharedDatadir
    }
}
