//! Windows: a pid-lock on the datadir by `LockFileEx`.

use super::{PlatformError, PlatformOptions, memory};
use crate::datadir_lock::DatadirOptions;
use crate::manager::LockManager;
use crate::pid_flock::FlockPidLockManager;

pub(super) fn manager(options: PlatformOptions) -> Result<Box<dyn LockManager>, PlatformError> {
    let PlatformOptions { datadir, label, .. } = options;
    let Some(datadir) = datadir else {
        return Ok(memory::manager(label));
    };
    let mut options = DatadirOptions::new(datadir);
    options.label = label;
    Ok(Box::new(FlockPidLockManager::open(options)?))
}
