//! `fcntl(2)` for record locks, where the kernel has 64-bit offsets in every structure. Some of these
//! platforms have 32 bits in all else, such as x32 and riscv32. For the others there is
//! `record_lock_by_fcntl64.rs`.

use std::fs::File;
use std::os::fd::AsRawFd;

use super::os::LockDescription;

/// Calls `fcntl(2)` with a command for record locks. -1 is an error, which is in `errno`.
///
/// # Safety
///
/// `lock` points to a structure that the command may read. `F_OFD_GETLK` may write to it as well.
pub(crate) unsafe fn record_lock(
    file: &File,
    command: libc::c_int,
    lock: *const LockDescription,
) -> libc::c_int {
    // SAFETY: the caller says so of `lock`. The descriptor is open, because `file` is borrowed for
    // the call.
    unsafe { libc::fcntl(file.as_raw_fd(), command, lock) }
}
