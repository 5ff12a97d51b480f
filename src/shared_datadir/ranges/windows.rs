//! The system calls: [`LockFileEx`] on ranges of bytes far behind the end of the file, which nobody
//! reads or writes. So that such locks are mandatory makes no difference.
//!
//! A lock belongs to the open file, and the system frees it when that is closed, also by the end of the
//! process.
//!
//! [`LockFileEx`]: https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex

use std::fs::File;
use std::io;
use std::ops::Range;

use windows_sys::Win32::Storage::FileSystem::{LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY};

use super::protocol::{Answer, Call};
use crate::datadir_lock::kernel::{lock_bytes, unlock_bytes};
use crate::guard::LockMode;

/// Whether one open file does for all waits. It does not: a file that was opened without
/// `FILE_FLAG_OVERLAPPED` does one thing at a time. (With that flag, a wait would need no thread. But
/// the wait is then not by itself over when its request is, and Wine, in which this is tested, never ends
/// such a wait.)
pub(super) const WAITS_SHARE_A_FILE: bool = false;

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
        match call {
            Call::TryLock(mode, bytes) => Ok(match self.try_lock(*mode, bytes)? {
                true => Answer::Done,
                false => Answer::Conflict,
            }),
            Call::Unlock(bytes) => {
                self.unlock(bytes)?;
                Ok(Answer::Done)
            }
            Call::FindConflict(mode, bytes) => {
                if !self.try_lock(*mode, bytes)? {
                    return Ok(Answer::Found(Some(bytes.start)));
                }
                self.unlock(bytes)?;
                Ok(Answer::Found(None))
            }
            Call::Wait(mode, bytes) => {
                lock_bytes(self.file, flags(*mode), self.place(bytes))?;
                self.unlock(bytes)?;
                Ok(Answer::Done)
            }
        }
    }

    /// The lowest of these bytes that another open file has locked, the mode, and the first byte behind
    /// it. How long the lock is cannot be found out.
    pub(super) fn lowest_lock(
        &self,
        bytes: Range<u64>,
    ) -> io::Result<Option<(u64, LockMode, u64)>> {
        use LockMode::{Exclusive, Shared};
        let is_locked = |mode, bytes: Range<u64>| {
            let found = self.call(&Call::FindConflict(mode, bytes))?;
            io::Result::Ok(found != Answer::Found(None))
        };
        if bytes.is_empty() || !is_locked(Exclusive, bytes.clone())? {
            return Ok(None);
        }
        // It is in `low..high`. Queues are short, so it is looked for from below.
        let (mut low, mut high) = (bytes.start, bytes.end);
        let mut length = 1;
        while high - low > 1 {
            let end = (low + length).min(high - 1);
            match is_locked(Exclusive, low..end)? {
                true => (high, length) = (end, ((end - low) / 2).max(1)),
                false => (low, length) = (end, length * 2),
            }
        }
        let mode = match is_locked(Shared, low..high)? {
            true => Exclusive,
            false => Shared,
        };
        Ok(Some((low, mode, high)))
    }

    fn try_lock(&self, mode: LockMode, bytes: &Range<u64>) -> io::Result<bool> {
        let flags = flags(mode) | LOCKFILE_FAIL_IMMEDIATELY;
        lock_bytes(self.file, flags, self.place(bytes))
    }

    fn unlock(&self, bytes: &Range<u64>) -> io::Result<()> {
        unlock_bytes(self.file, self.place(bytes))
    }

    /// Regions end below 2^62: see `Place`.
    fn place(&self, bytes: &Range<u64>) -> Range<u64> {
        self.start + bytes.start..self.start + bytes.end
    }
}

fn flags(mode: LockMode) -> u32 {
    match mode {
        LockMode::Exclusive => LOCKFILE_EXCLUSIVE_LOCK,
        LockMode::Shared => 0,
    }
}
