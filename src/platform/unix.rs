//! Unix: a pid-lock on the datadir by `fcntl`, which also works on network storage.

use super::{PlatformError, PlatformOptions, memory};
use crate::manager::LockManager;
use crate::pid_fcntl::FcntlPidLockManager;

pub(super) fn manager(options: PlatformOptions) -> Result<Box<dyn LockManager>, PlatformError> {
    let PlatformOptions { datadir, label, .. } = options;
    let Some(datadir) = datadir else {
        return Ok(memory::manager(label));
    };
    let locks = FcntlPidLockManager::new(datadir)?;
    Ok(Box::new(match label {
        Some(label) => locks.with_label(label),
        None => locks,
    }))
}
