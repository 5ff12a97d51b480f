//! [`FlockPidLockManager`]: locks on one datadir, which one process at a time may
//! have open, by `flock(2)` or `LockFileEx`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::datadir_lock::Primitive;
use crate::datadir_lock::datadir::{self, LockedDatadir};
use crate::error::{LockError, PidLockError};
use crate::guard::{LockGuard, LockMode};
use crate::manager::{AcquireOptions, LockManager, only_if_granted};
use crate::scope::LockScope;
use crate::snapshot::LockSnapshot;
use crate::table::locks::{TableLocks, boxed};

/// The name of the lock file in a datadir, unless
/// [`new_with_lock_file`](FlockPidLockManager::new_with_lock_file) is given another. While a manager has
/// the datadir, it holds the process id in decimal digits and nothing else; after an end by
/// a signal it may still do so, although nobody has the datadir any more.
pub const LOCK_FILE: &str = datadir::LOCK;

/// Named locks on one datadir. They exclude the tasks and threads of this process
/// by key, and every other instance on the same datadir as a whole: `<datadir>/LOCK`
/// stays locked by the kernel from `new` until the manager, its clones and its last
/// guard are gone, in whichever way the process ends.
///
/// On Linux, macOS and Android that is [`flock(2)`], on Windows `LockFileEx`. On
/// network file systems it is up to the implementation what `flock` excludes:
/// there, use `FcntlPidLockManager`.
///
/// # What callers must know
///
/// - **One datadir is one datadir**, however its path is spelled: a symlink, `..`, a
///   bind mount. A second manager on it is refused, in the same process too. Use the
///   first one: a clone of it has the same datadir and the same keys.
/// - **flock and fcntl exclude each other** for managers of this crate. A program
///   that locks `LOCK` in its own way is noticed too where the kernel tells.
/// - **Nobody may delete or replace `LOCK`** while it is in use, for that lets a
///   second process in. It is noticed within a second of use: every guard is then
///   [lost](crate::LockGuard::is_lost), and the manager refuses all else with
///   [`LockError::Lost`]. To go on, drop them and open anew.
///   (Windows does not let it happen.) Nothing ever needs `LOCK` to be deleted: a
///   file that is left over locks nothing.
/// - **Who may open the datadir** is up to its permissions and the umask under which
///   `LOCK` was created, as for every other file: a group that shares a datadir needs
///   umask 002. Every user of it must be able to write to `LOCK`.
/// - **Locks do not cross a `fork` without `exec`.** In the child, every guard of the
///   parent is lost and the manager refuses all else; the parent keeps what it has. To
///   drop them there is harmless, whatever other threads of the parent were doing.
///   (Of a program with threads, such a child may do little but `exec`, says POSIX.)
///   Commands started with `std::process::Command` are no concern: they do not
///   inherit the file.
/// - Opening a datadir and looking after `LOCK` are short blocking calls to the file
///   system.
///
/// ```
/// use std::time::Duration;
/// use crosslock::{LockManager, PidLockError, pid_flock::FlockPidLockManager};
///
/// # let datadir = std::env::temp_dir().join(format!("crosslock-flock-{}", std::process::id()));
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let locks = FlockPidLockManager::new(&datadir)?;
/// let guard = locks.lock("lightning.send.42", Duration::from_secs(10)).await?;
///
/// let second = FlockPidLockManager::new(&datadir);
/// assert!(matches!(second, Err(PidLockError::AlreadyHeld { .. })));
/// # drop((guard, locks, std::fs::remove_dir_all(&datadir)));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// [`flock(2)`]: https://man7.org/linux/man-pages/man2/flock.2.html
#[derive(Debug, Clone)]
pub struct FlockPidLockManager {
    locks: TableLocks<Arc<LockedDatadir>>,
}

impl FlockPidLockManager {
    /// Opens `datadir` for this process alone, or says who has it. Creates the
    /// directory, with its parents, and `LOCK` in it if they are missing.
    ///
    /// # Errors
    ///
    /// - [`AlreadyHeld`] if another manager has the datadir, in this process or another.
    /// - [`SetupFailed`] for everything that says nothing about others: no permission, no
    ///   space, a `LOCK` that is no regular file, a file system without such locks.
    ///
    /// [`AlreadyHeld`]: PidLockError::AlreadyHeld
    /// [`SetupFailed`]: PidLockError::SetupFailed
    pub fn new(datadir: impl Into<PathBuf>) -> Result<Self, PidLockError> {
        Self::open_timeout(datadir, Duration::ZERO)
    }

    /// As [`new`](Self::new), with another name for the lock file: for a datadir
    /// in which `LOCK` belongs to something else. All instances must agree on it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); [`SetupFailed`](PidLockError::SetupFailed) also if `name`
    /// is not a plain file name.
    pub fn new_with_lock_file(
        datadir: impl Into<PathBuf>,
        name: impl Into<PathBuf>,
    ) -> Result<Self, PidLockError> {
        Self::open(datadir.into(), &name.into(), Duration::ZERO)
    }

    /// As [`new`](Self::new), but waits up to `timeout` for another instance that
    /// has the datadir, such as one that is just shutting down.
    /// `Duration::MAX` waits for ever.
    ///
    /// It blocks the thread: in async code call it at the start, or from
    /// `tokio::task::spawn_blocking`. It looks every 20 milliseconds at the
    /// latest, because no system offers a wait for such a lock that ends after
    /// a time. The instance that waits longest is not served first.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); [`AlreadyHeld`](PidLockError::AlreadyHeld) only after
    /// `timeout`, everything else at once.
    pub fn open_timeout(
        datadir: impl Into<PathBuf>,
        timeout: Duration,
    ) -> Result<Self, PidLockError> {
        Self::open(datadir.into(), Path::new(LOCK_FILE), timeout)
    }

    fn open(datadir: PathBuf, lock_file: &Path, timeout: Duration) -> Result<Self, PidLockError> {
        let datadir = LockedDatadir::open(datadir, lock_file, Primitive::Flock, timeout)?;
        Ok(Self {
            locks: TableLocks::new(Arc::new(datadir), None),
        })
    }

    /// The same manager, whose requests carry `label`: in
    /// [`query`](LockManager::query), and in the errors of those who time
    /// out behind them.
    #[must_use]
    pub fn with_label(self, label: impl Into<Arc<str>>) -> Self {
        Self {
            locks: self.locks.in_the_name_of(label.into()),
        }
    }

    /// The datadir, as it was given to the constructor.
    pub fn datadir(&self) -> &Path {
        self.locks.owner().path()
    }
}

#[async_trait]
impl LockManager for FlockPidLockManager {
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
