//! [`platform_default`](platform_default()): the backend that fits the platform.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
#[path = "platform/browser.rs"]
mod default;
#[cfg(unix)]
#[path = "platform/unix.rs"]
mod default;
#[cfg(windows)]
#[path = "platform/windows.rs"]
mod default;
#[cfg(not(any(unix, windows, all(target_family = "wasm", target_os = "unknown"))))]
#[path = "platform/unsupported.rs"]
mod default;
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod memory;

use std::path::PathBuf;

use crate::error::PidLockError;
use crate::manager::LockManager;

/// The error of [`platform_default`](platform_default()) and [`platform_default_with`], the
/// same type on every platform.
///
/// It is another name of [`PidLockError`]. So `downcast_ref::<PidLockError>()` finds
/// [`AlreadyHeld`](PidLockError::AlreadyHeld) behind an error that `?` has converted, and the
/// same code compiles for the web, where only [`Unusable`](PidLockError::Unusable) occurs.
pub type PlatformError = PidLockError;

/// The options of [`platform_default_with`]. Each platform uses those that have a meaning
/// there, and ignores the others.
///
/// ```
/// use crosslock::PlatformOptions;
///
/// let options = PlatformOptions::new()
///     .with_datadir("/home/me/.wallet")
///     .with_namespace("01abcdef")
///     .with_label("daemon");
/// assert_eq!(options.namespace.as_deref(), Some("01abcdef"));
/// ```
///
/// More options may be added in any release, each with a default that changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlatformOptions {
    /// Natively, the directory to lock. `None` stands for locks in memory, which exclude only
    /// the tasks and threads of this process. On the web it is ignored.
    pub datadir: Option<PathBuf>,
    /// On the web, the namespace. It keeps the locks of one wallet apart from those of another
    /// on the same origin: see `WebLockManager::with_namespace`. Natively it is ignored: each
    /// datadir has locks of its own, and memory is one keyspace for the whole process.
    pub namespace: Option<String>,
    /// On the web, the start of all lock names, in the place of a namespace. If both are given,
    /// this one counts. See `WebLockManager::with_prefix`. Natively it is ignored.
    pub prefix: Option<String>,
    /// Natively, the name of this manager in [`query`](LockManager::query), and in the errors
    /// of those who time out behind it. On the web it is ignored, as the browser gives each
    /// client an id.
    pub label: Option<String>,
}

impl PlatformOptions {
    /// No datadir, the empty namespace, no label.
    pub fn new() -> Self {
        Self::default()
    }

    /// These options with a datadir.
    #[must_use]
    pub fn with_datadir(mut self, datadir: impl Into<PathBuf>) -> Self {
        self.datadir = Some(datadir.into());
        self
    }

    /// These options with a namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// These options with a prefix, with which the lock names begin.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// These options with a label.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }
}

/// The lock manager that fits the platform. In browsers and Node it is Web Locks, and `datadir`
/// is ignored. Natively it is a pid-lock on `datadir`, by `fcntl` on Unix and by `LockFileEx` on
/// Windows.
///
/// **In browsers all datadirs are one.** If two wallets of one origin call this with two
/// datadirs, they exclude each other there, although they would not natively. Give each of
/// them a namespace instead, by [`platform_default_with`].
///
/// It never falls back to a backend that excludes less. [`scope`](LockManager::scope) says
/// what was picked.
///
/// # Errors
///
/// Natively [`AlreadyHeld`](PidLockError::AlreadyHeld) and
/// [`SetupFailed`](PidLockError::SetupFailed). On the web, and on platforms without a lock for
/// datadirs, [`Unusable`](PidLockError::Unusable).
pub fn platform_default(
    datadir: impl Into<PathBuf>,
) -> Result<Box<dyn LockManager>, PlatformError> {
    platform_default_with(PlatformOptions::new().with_datadir(datadir))
}

/// [`platform_default`](platform_default()) with more options, and for callers that do not have
/// a datadir on every platform:
///
/// | | with a datadir | without |
/// | --- | --- | --- |
/// | natively | a pid-lock on the datadir | memory: this process alone |
/// | on the web | Web Locks in the namespace | Web Locks in the namespace |
///
/// ```
/// use crosslock::{LockManager, LockScope, PlatformOptions, platform_default_with};
///
/// let locks = platform_default_with(PlatformOptions::new().with_namespace("01abcdef"))?;
/// assert_eq!(locks.scope(), LockScope::Process); // natively, where there is no datadir
/// # Ok::<(), crosslock::PlatformError>(())
/// ```
///
/// # Errors
///
/// As [`platform_default`](platform_default()). On the web also
/// [`Unusable`](PidLockError::Unusable) for a namespace that breaks the rules.
pub fn platform_default_with(
    options: PlatformOptions,
) -> Result<Box<dyn LockManager>, PlatformError> {
    default::manager(options)
}
