//! In the place of `record_lock.rs` where the kernel has a second call for 64-bit offsets, `fcntl64`.
//!
//! It is made without the C library, whose function `fcntl` does not say which structure it takes there:
//! glibc passed it on to the kernel before 2.28, and since then reads one with 32-bit offsets, also for
//! open file description locks, and makes the kernel's of it. So 64-bit offsets were read as a length
//! and a PID, and refused with EINVAL. glibc's own function `fcntl64` is only as new as that.

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
    unsafe { libc::syscall(libc::SYS_fcntl64, file.as_raw_fd(), command, lock) }
}
