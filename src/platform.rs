//! [`platform_default`](platform_default()): the backend for those who do not want to
//! think about it.

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

/// What [`platform_default`](platform_default()) and [`platform_default_with`] fail with,
/// on every platform the same type.
///
/// It is [`PidLockError`] by another name, so that
/// `downcast_ref::<PidLockError>()` on what `?` made of it finds
/// [`AlreadyHeld`](PidLockError::AlreadyHeld), and so that the same code compiles for
/// the web, where only [`Unusable`](PidLockError::Unusable) occurs.
pub type PlatformError = PidLockError;

/// What [`platform_default_with`] builds a manager from: each platform takes what means
/// something there.
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
/// More may be added to it in any release, each with a default that changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlatformOptions {
    /// Natively, the directory to lock; `None` for locks in memory, which exclude the
    /// tasks and threads of this process alone. On the web it is ignored.
    pub datadir: Option<PathBuf>,
    /// On the web, what keeps the locks of one wallet apart from those of another on
    /// the same origin: see `WebLockManager::with_namespace`. Natively it is ignored:
    /// there, datadirs are apart, and memory is one keyspace for the whole process.
    pub namespace: Option<String>,
    /// On the web, the start of all lock names, in the place of a namespace; where both
    /// are given, this one counts. See `WebLockManager::with_prefix`. Natively it is
    /// ignored.
    pub prefix: Option<String>,
    /// Natively, what the requests carry in [`query`](LockManager::query) and in the
    /// errors of those who time out behind them. On the web it is ignored: there the
    /// browser names its clients itself.
    pub label: Option<String>,
}

impl PlatformOptions {
    /// No datadir, the empty namespace, no label.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, on this datadir.
    #[must_use]
    pub fn with_datadir(mut self, datadir: impl Into<PathBuf>) -> Self {
        self.datadir = Some(datadir.into());
        self
    }

    /// The same, in this namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// The same, with lock names that begin like this.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// The same, with this label.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }
}

/// The lock manager that fits the platform: Web Locks in browsers and Node, where
/// `datadir` is ignored; a pid-lock on `datadir` natively, `fcntl` on Unix and
/// `flock`'s equivalent on Windows.
///
/// **In browsers all datadirs are one.** Two wallets of one origin that call this with two
/// datadirs lock each other's keys there, as they would not natively. Give each of them a
/// namespace instead, with `web_locks::WebLockManager::with_namespace`.
///
/// It never falls back to a backend that excludes less than that.
/// [`scope`](LockManager::scope) says what was picked.
///
/// # Errors
///
/// [`AlreadyHeld`](PidLockError::AlreadyHeld) and
/// [`SetupFailed`](PidLockError::SetupFailed) natively;
/// [`Unusable`](PidLockError::Unusable) on the web, and on platforms without a lock for
/// datadirs.
pub fn platform_default(
    datadir: impl Into<PathBuf>,
) -> Result<Box<dyn LockManager>, PlatformError> {
    platform_default_with(PlatformOptions::new().with_datadir(datadir))
}

/// As [`platform_default`](platform_default()), for callers that have no datadir
/// everywhere, or more to say than that:
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
/// As [`platform_default`](platform_default()), on the web also for a namespace that
/// breaks the rules.
pub fn platform_default_with(
    options: PlatformOptions,
) -> Result<Box<dyn LockManager>, PlatformError> {
    default::manager(options)
}
