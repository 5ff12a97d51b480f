//! [`FcntlPidLockManager`]: locks on one datadir, which one process at a time may
//! have open, by `fcntl(2)`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::datadir_lock::datadir::{self, LockedDatadir};
use crate::datadir_lock::{DatadirOptions, Primitive};
use crate::error::{LockError, PidLockError};
use crate::guard::{LockGuard, LockMode};
use crate::manager::{AcquireOptions, LockManager, only_if_granted};
use crate::scope::LockScope;
use crate::snapshot::LockSnapshot;
use crate::table::locks::{TableLocks, boxed};

/// The name of the lock file in a datadir, unless [`DatadirOptions`] have another. While a
/// manager has the datadir, the file contains the process id in decimal digits and nothing else.
/// A process that was killed leaves its id there, although nobody has the datadir then.
pub const LOCK_FILE: &str = crate::datadir_lock::LOCK_FILE;

/// Named locks on one datadir. They exclude the tasks and threads of this process by key, and
/// every other instance on the same datadir as a whole: the kernel keeps `<datadir>/LOCK` locked
/// from `open` until the manager, its clones and its last guard are gone, in whichever way the
/// process ends.
///
/// The lock is one of [`fcntl(2)`] on the whole file. It also works over NFS where client and
/// server follow POSIX. It is an *open file description lock* where the kernel has those (Linux
/// since 3.15, macOS), so other code in the process may open and close `LOCK` without harm. On
/// older kernels it is a classic record lock, which is gone as soon as other code does that.
///
#[doc = include_str!("datadir_lock/what_callers_must_know.md")]
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use crosslock::{LockManager, PidLockError, pid_fcntl::FcntlPidLockManager};
///
/// # let datadir = std::env::temp_dir().join(format!("crosslock-fcntl-{}", std::process::id()));
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let locks = FcntlPidLockManager::new(&datadir)?;
/// let guard = locks.lock("lightning.send.42", Duration::from_secs(10)).await?;
///
/// let second = FcntlPidLockManager::new(&datadir);
/// assert!(matches!(second, Err(PidLockError::AlreadyHeld { .. })));
/// # drop((guard, locks, std::fs::remove_dir_all(&datadir)));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// [`fcntl(2)`]: https://man7.org/linux/man-pages/man2/fcntl_locking.2.html
#[derive(Debug, Clone)]
pub struct FcntlPidLockManager {
    locks: TableLocks<Arc<LockedDatadir>>,
}

impl FcntlPidLockManager {
    /// Opens a datadir for this process alone.
    ///
    #[doc = include_str!("datadir_lock/opening.md")]
    pub fn open(options: DatadirOptions) -> Result<Self, PidLockError> {
        let locks = datadir::open(options, Primitive::Fcntl)?;
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

    /// [`open`](Self::open) with a [lock file](DatadirOptions::lock_file) of another name.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn new_with_lock_file(
        datadir: impl Into<PathBuf>,
        name: impl Into<PathBuf>,
    ) -> Result<Self, PidLockError> {
        Self::open(DatadirOptions::new(datadir).with_lock_file(name))
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
}

#[async_trait]
impl LockManager for FcntlPidLockManager {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        let answer = self.locks.try_acquire(key, LockMode::Exclusive, boxed);
        only_if_granted(key, answer)
    }

    async fn lock(&self, key: &str, timeout: Duration) -> Result<Box<dyn LockGuard>, LockError> {
        let options = AcquireOptions::new(timeout);
        self.locks.acquire(key, options, boxed).await
    }

    async fn try_acquire(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        self.locks.try_acquire(key, mode, boxed)
    }

    async fn acquire(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        self.locks.acquire(key, options, boxed).await
    }

    async fn steal(&self, key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        self.locks.steal(key).map(boxed)
    }

    async fn query(&self) -> Result<LockSnapshot, LockError> {
        self.locks.query()
    }

    fn scope(&self) -> LockScope {
        LockScope::Datadir
    }
}
