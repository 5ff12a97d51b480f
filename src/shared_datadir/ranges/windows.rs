//! The system calls: [`LockFileEx`] on ranges of bytes far behind the end of the file, which nobody
//! reads or writes. So that such locks are mandatory makes no difference.
//!
//! A lock belongs to the open file, and the system frees it when that is closed, also by the end of the
//! process.
//!
//! [`LockFileEx`]: https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex

use std::io;
use std::ops::Range;

use windows_sys::Win32::Storage::FileSystem::{LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY};

use super::Region;
use crate::datadir_lock::kernel::{lock_bytes, unlock_bytes};
use crate::guard::LockMode;

/// Whether one open file does for all waits. It does not: a file that was opened without
/// `FILE_FLAG_OVERLAPPED` does one thing at a time. (With that flag, a wait would need no thread. But
/// the wait is then not by itself over when its request is, and Wine, in which this is tested, never ends
/// such a wait.)
pub(in super::super) const WAITS_SHARE_A_FILE: bool = false;

impl Region<'_> {
    /// The lowest of these bytes that another open file has locked, the mode, and the first byte behind
    /// it. How long the lock is cannot be found out.
    pub(in super::super) fn lowest_lock(
        &self,
        bytes: Range<u64>,
    ) -> io::Result<Option<(u64, LockMode, u64)>> {
        use LockMode::{Exclusive, Shared};
        let is_locked =
            |mode, bytes: Range<u64>| io::Result::Ok(self.find(mode, &bytes)?.is_some());
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

    pub(super) fn try_lock(&self, mode: LockMode, bytes: &Range<u64>) -> io::Result<bool> {
        let flags = flags(mode) | LOCKFILE_FAIL_IMMEDIATELY;
        lock_bytes(self.file, flags, self.place(bytes))
    }

    /// The first of these bytes, if another open file has a lock on any of them that conflicts with `mode`.
    pub(super) fn find(&self, mode: LockMode, bytes: &Range<u64>) -> io::Result<Option<u64>> {
        if !self.try_lock(mode, bytes)? {
            return Ok(Some(bytes.start));
        }
        self.unlock(bytes)?;
        Ok(None)
    }

    /// Blocks the thread until the bytes could be locked, and leaves them unlocked.
    pub(super) fn wait(&self, mode: LockMode, bytes: &Range<u64>) -> io::Result<()> {
        lock_bytes(self.file, flags(mode), self.place(bytes))?;
        self.unlock(bytes)
    }

    pub(super) fn unlock(&self, bytes: &Range<u64>) -> io::Result<()> {
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
