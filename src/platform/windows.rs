//! Windows: a pid-lock on the datadir by `LockFileEx`.

use std::path::PathBuf;

use crate::error::PidLockError;
use crate::manager::LockManager;
use crate::pid_flock::FlockPidLockManager;

/// What [`platform_default`](crate::platform_default()) fails with here.
pub type PlatformError = PidLockError;

pub(super) fn manager(datadir: PathBuf) -> Result<Box<dyn LockManager>, PlatformError> {
    Ok(Box::new(FlockPidLockManager::new(datadir)?))
}
