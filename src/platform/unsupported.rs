//! Other targets, such as WASI: there is memory alone, which excludes no other process.
//! So a datadir, which may have other users, is refused.

use super::{PlatformError, PlatformOptions, memory};
use crate::error::LockError;
use crate::manager::LockManager;

pub(super) fn manager(options: PlatformOptions) -> Result<Box<dyn LockManager>, PlatformError> {
    if options.datadir.is_none() {
        return Ok(memory::manager(options.label));
    }
    Err(PlatformError::Unusable(LockError::Unavailable {
        reason: String::from(
            "no backend for this platform reaches beyond one process; \
             use crosslock::memory::MemoryLockManager if that is enough",
        ),
    }))
}
