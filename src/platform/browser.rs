//! Browsers and Node: Web Locks, or nothing.

use std::path::PathBuf;

use crate::manager::LockManager;
use crate::web_locks::WebLockManager;

/// What [`platform_default`](crate::platform_default()) fails with here.
pub type PlatformError = crate::error::LockError;

pub(super) fn manager(_datadir: PathBuf) -> Result<Box<dyn LockManager>, PlatformError> {
    let locks = WebLockManager::new();
    locks.check_available()?;
    Ok(Box::new(locks))
}
