//! [`DatadirOptions`]: how a manager opens its datadir.

use std::path::PathBuf;
use std::time::Duration;

/// The options of `FlockPidLockManager::open` and `FcntlPidLockManager::open`.
///
/// ```
/// use std::time::Duration;
/// use crosslock::DatadirOptions;
///
/// let options = DatadirOptions::new("/home/me/.wallet")
///     .with_timeout(Duration::from_secs(5))
///     .with_label("daemon");
/// assert_eq!(options.label.as_deref(), Some("daemon"));
/// ```
///
/// More options may be added in any release, each with a default that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatadirOptions {
    /// The directory to lock. It is created, with its parents, if it is missing.
    pub datadir: PathBuf,
    /// The name of the file in `datadir` that is locked: a plain file name, by default
    /// `LOCK`. Another name is for a datadir in which `LOCK` belongs to something else. All
    /// instances must use the same one.
    pub lock_file: PathBuf,
    /// How long to wait for another instance that has the datadir, such as one that is
    /// shutting down. By default it is `Duration::ZERO`, which does not wait.
    /// `Duration::MAX` waits for ever.
    ///
    /// The wait blocks the thread, so in async code open the datadir at the start of the
    /// program, or in `tokio::task::spawn_blocking`. No system has a wait for such a lock with
    /// a timeout, so the lock is tried again at intervals of at most 20 milliseconds. Of
    /// several instances that wait, any may be the next.
    pub timeout: Duration,
    /// The label of the manager's requests in [`query`](crate::LockManager::query), and in the
    /// errors of those who time out behind them. By default there is none.
    pub label: Option<String>,
}

impl DatadirOptions {
    /// `datadir`, with the default of every other option.
    pub fn new(datadir: impl Into<PathBuf>) -> Self {
        Self {
            datadir: datadir.into(),
            lock_file: super::LOCK_FILE.into(),
            timeout: Duration::ZERO,
            label: None,
        }
    }

    /// These options with another name for the lock file.
    #[must_use]
    pub fn with_lock_file(mut self, name: impl Into<PathBuf>) -> Self {
        self.lock_file = name.into();
        self
    }

    /// These options with another timeout.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// These options with a label.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }
}
