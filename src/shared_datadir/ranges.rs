//! [`Region`]: the calls of the protocol, made of those of the system.

#[cfg(unix)]
#[path = "ranges/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "ranges/windows.rs"]
mod system;

use std::fs::File;
use std::io;

use super::protocol::{Answer, Call};
pub(super) use system::WAITS_SHARE_A_FILE;

/// A region of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Region<'f> {
    pub(super) file: &'f File,
    /// Its first byte.
    pub(super) start: u64,
}

impl Region<'_> {
    /// Makes `call`.
    ///
    /// # Errors
    ///
    /// Those of the system; a lock that somebody else holds is none.
    pub(super) fn call(&self, call: &Call) -> io::Result<Answer> {
        Ok(match call {
            Call::TryLock(mode, bytes) => match self.try_lock(*mode, bytes)? {
                true => Answer::Done,
                false => Answer::Conflict,
            },
            Call::Unlock(bytes) => {
                self.unlock(bytes)?;
                Answer::Done
            }
            Call::FindConflict(mode, bytes) => Answer::Found(self.find(*mode, bytes)?),
            Call::Wait(mode, bytes) => {
                self.wait(*mode, bytes)?;
                Answer::Done
            }
        })
    }
}
