//! Unix and Windows: a lock on the datadir.

use std::io;
use std::path::PathBuf;

use crate::error::PidLockError;
use crate::manager::LockManager;

/// What [`platform_default`](crate::platform_default()) fails with here.
pub type PlatformError = PidLockError;

pub(super) fn manager(datadir: PathBuf) -> Result<Box<dyn LockManager>, PlatformError> {
    let source = io::Error::new(
        io::ErrorKind::Unsupported,
        "this version of crosslock has no datadir locks yet; \
         use crosslock::memory::MemoryLockManager within one process",
    );
    Err(PidLockError::SetupFailed { datadir, source })
}
