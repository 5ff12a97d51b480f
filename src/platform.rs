//! [`platform_default`](platform_default()): the backend for those who do not want to think about it.

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

use std::path::PathBuf;

pub use default::PlatformError;

use crate::manager::LockManager;

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
/// [`PlatformError`], which natively is [`PidLockError`](crate::PidLockError) and
/// elsewhere [`LockError`](crate::LockError).
pub fn platform_default(
    datadir: impl Into<PathBuf>,
) -> Result<Box<dyn LockManager>, PlatformError> {
    default::manager(datadir.into())
}
