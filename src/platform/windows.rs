//! Windows: a pid-lock on the datadir by `LockFileEx`.

use super::{PlatformError, PlatformOptions, memory};
use crate::manager::LockManager;
use crate::pid_flock::FlockPidLockManager;

pub(super) fn manager(options: PlatformOptions) -> Result<Box<dyn LockManager>, PlatformError> {
    let PlatformOptions { datadir, label, .. } = options;
    let Some(datadir) = datadir else {
        return Ok(memory::manager(label));
    };
    let locks = FlockPidLockManager::new(datadir)?;
    Ok(Box::new(match label {
        Some(label) => locks.with_label(label),
        None => locks,
    }))
}
