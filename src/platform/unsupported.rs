//! Other targets, such as WASI. They have locks in memory alone, which exclude no other
//! process. So a datadir is refused, as other processes may use it.

use super::{PlatformError, PlatformOptions, memory};
use crate::error::LockError;
use crate::manager::LockManager;

pub(super) fn manager(options: PlatformOptions) -> Result<Box<dyn LockManager>, PlatformError> {
    if options.datadir.is_none() {
        return Ok(memory::manager(options.label));
    }
    Err(PlatformError::Unusable(LockError::unavailable(
        "no backend for this platform reaches beyond one process; \
         use crosslock::memory::MemoryLockManager if that is enough",
    )))
}
