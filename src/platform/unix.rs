//! Unix: a pid-lock on the datadir by `fcntl`, which also works on network storage.

use super::{PlatformError, PlatformOptions, memory};
use crate::datadir_lock::DatadirOptions;
use crate::manager::LockManager;
use crate::pid_fcntl::FcntlPidLockManager;

pub(super) fn manager(options: PlatformOptions) -> Result<Box<dyn LockManager>, PlatformError> {
    let PlatformOptions { datadir, label, .. } = options;
    let Some(datadir) = datadir else {
        return Ok(memory::manager(label));
    };
    let mut options = DatadirOptions::new(datadir);
    options.label = label;
    Ok(Box::new(FcntlPidLockManager::open(options)?))
}
