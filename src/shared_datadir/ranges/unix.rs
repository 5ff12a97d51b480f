//! The system calls: open file description locks on ranges of bytes, by [`fcntl(2)`].
//!
//! [`fcntl(2)`]: https://man7.org/linux/man-pages/man2/fcntl_locking.2.html

use std::fs::File;
use std::io;
use std::ops::Range;

use super::Region;
use crate::datadir_lock::kernel::{LockDescription, answer, record_lock, uninterrupted};
use crate::guard::LockMode;

/// Whether one open file does for all waits. Locks that wait do not hold up its other locks.
pub(in super::super) const WAITS_SHARE_A_FILE: bool = true;

impl Region<'_> {
    pub(super) fn try_lock(&self, mode: LockMode, bytes: &Range<u64>) -> io::Result<bool> {
        let lock = self.describe(lock_type(mode), bytes);
        set(self.file, libc::F_OFD_SETLK, &lock)
    }

    /// Blocks the thread until the bytes could be locked, and leaves them unlocked.
    pub(super) fn wait(&self, mode: LockMode, bytes: &Range<u64>) -> io::Result<()> {
        let lock = self.describe(lock_type(mode), bytes);
        set(self.file, libc::F_OFD_SETLKW, &lock)?;
        self.unlock(bytes)
    }

    pub(super) fn unlock(&self, bytes: &Range<u64>) -> io::Result<()> {
        let lock = self.describe(libc::F_UNLCK as _, bytes);
        set(self.file, libc::F_OFD_SETLK, &lock).map(drop)
    }

    /// A byte, of these, on which another open file has a lock that conflicts with `mode`.
    pub(super) fn find(&self, mode: LockMode, bytes: &Range<u64>) -> io::Result<Option<u64>> {
        let lock = self.query(mode, bytes)?;
        // It may have begun before the bytes that were asked about.
        Ok(lock.map(|lock| self.relative(&lock).max(bytes.start)))
    }

    fn relative(&self, lock: &LockDescription) -> u64 {
        (lock.l_start as u64).saturating_sub(self.start)
    }

    /// A lock of another open file that conflicts with `mode` on these bytes.
    fn query(&self, mode: LockMode, bytes: &Range<u64>) -> io::Result<Option<LockDescription>> {
        let mut lock = self.describe(lock_type(mode), bytes);
        uninterrupted(|| {
            // SAFETY: `F_OFD_GETLK` reads a lock structure and writes to it. `lock` is of the
            // kind that the command takes, and lives on this frame until the call is over.
            unsafe { record_lock(self.file, libc::F_OFD_GETLK, &raw mut lock) }
        })?;
        let is_free = lock.l_type == libc::F_UNLCK as libc::c_short;
        Ok((!is_free).then_some(lock))
    }

    /// The lowest of these bytes that another open file has locked, the mode, and the first byte behind
    /// that lock.
    pub(in super::super) fn lowest_lock(
        &self,
        bytes: Range<u64>,
    ) -> io::Result<Option<(u64, LockMode, u64)>> {
        let mut lowest = None;
        let mut below = bytes.clone();
        // The kernel tells any of those that conflict.
        while !below.is_empty() {
            let Some(lock) = self.query(LockMode::Exclusive, &below)? else {
                break;
            };
            let first = self.relative(&lock).max(below.start);
            let end = match lock.l_len {
                0 => bytes.end,
                length => (self.relative(&lock) + length as u64).clamp(first + 1, bytes.end),
            };
            let mode = match lock.l_type == libc::F_RDLCK as libc::c_short {
                true => LockMode::Shared,
                false => LockMode::Exclusive,
            };
            lowest = Some((first, mode, end));
            below.end = first;
        }
        Ok(lowest)
    }

    fn describe(&self, kind: libc::c_short, bytes: &Range<u64>) -> LockDescription {
        assert!(
            !bytes.is_empty(),
            "a length of zero means all bytes there are"
        );
        // SAFETY: the structure consists of integers, and zero is a valid value of each. The
        // commands demand an `l_pid` of zero.
        let mut lock: LockDescription = unsafe { std::mem::zeroed() };
        lock.l_type = kind;
        lock.l_whence = libc::SEEK_SET as _;
        // Regions end below 2^62: see `Place`.
        lock.l_start = (self.start + bytes.start) as _;
        lock.l_len = (bytes.end - bytes.start) as _;
        lock
    }
}

fn lock_type(mode: LockMode) -> libc::c_short {
    match mode {
        LockMode::Exclusive => libc::F_WRLCK as _,
        LockMode::Shared => libc::F_RDLCK as _,
    }
}

/// `false` if a conflicting lock is held, which only `F_OFD_SETLK` answers.
fn set(file: &File, command: libc::c_int, lock: &LockDescription) -> io::Result<bool> {
    answer(|| {
        // SAFETY: both commands read a lock structure of this kind through the argument and
        // write none. `lock` is borrowed for the call.
        unsafe { record_lock(file, command, &raw const *lock) }
    })
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;
    use LockMode::{Exclusive, Shared};

    /// Bytes are counted from the start of the region, as they are locked.
    #[test]
    fn what_another_file_has_locked_is_found_where_it_is() {
        let named = tempfile::NamedTempFile::new().expect("a file");
        let other = File::options().read(true).write(true).open(named.path());
        let other = other.expect("it is there");
        let start = 1 << 20;
        let region = |file| Region { file, start };
        let [own, other] = [region(named.as_file()), region(&other)];
        assert_eq!(own.lowest_lock(0..100).expect("it says so"), None);
        assert!(other.try_lock(Exclusive, &(7..10)).expect("it is free"));
        assert!(other.try_lock(Shared, &(20..21)).expect("it is free"));
        let find = |bytes| own.find(Exclusive, &bytes).expect("it says so");
        assert_eq!(
            [find(0..20), find(8..20), find(0..7)],
            [Some(7), Some(8), None]
        );
        let lowest = |bytes| own.lowest_lock(bytes).expect("it says so");
        assert_eq!(lowest(0..100), Some((7, Exclusive, 10)));
        assert_eq!(lowest(9..100), Some((9, Exclusive, 10)));
        assert_eq!(lowest(10..100), Some((20, Shared, 21)));
        assert_eq!(lowest(0..8), Some((7, Exclusive, 8)));
    }
}
