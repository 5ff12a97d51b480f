//! Unix: a pid-lock on the datadir by `fcntl`, which also works on network storage.

use std::path::PathBuf;

use crate::error::PidLockError;
use crate::manager::LockManager;
use crate::pid_fcntl::FcntlPidLockManager;

/// What [`platform_default`](crate::platform_default()) fails with here.
pub type PlatformError = PidLockError;

pub(super) fn manager(datadir: PathBuf) -> Result<Box<dyn LockManager>, PlatformError> {
    Ok(Box::new(FcntlPidLockManager::new(datadir)?))
}
