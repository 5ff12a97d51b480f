//! Other targets, such as WASI: there is memory alone, which excludes no other
//! process, so it must be asked for by name.

use std::path::PathBuf;

use crate::manager::LockManager;

/// What [`platform_default`](crate::platform_default()) fails with here.
pub type PlatformError = crate::error::LockError;

pub(super) fn manager(_datadir: PathBuf) -> Result<Box<dyn LockManager>, PlatformError> {
    Err(PlatformError::Unavailable {
        reason: String::from(
            "no backend for this platform reaches beyond one process; \
             use crosslock::memory::MemoryLockManager if that is enough",
        ),
    })
}
