//! `fcntl(2)` for record locks.
//!
//! Where the kernel has a second call for 64-bit offsets, `fcntl64`, that one is made without the C
//! library. The library's function `fcntl` does not say which structure it takes there: glibc
//! passed it on to the kernel before 2.28, and since then reads one with 32-bit offsets, also for
//! open file description locks, and makes the kernel's of it. So 64-bit offsets were read as a
//! length and a PID, and refused with EINVAL. glibc's own function `fcntl64` is only as new as that.

use std::fs::File;
use std::os::fd::AsRawFd;

use super::os::LockDescription;

/// Calls `fcntl(2)` with a command for record locks. -1 is an error, which is in `errno`.
///
/// # Safety
///
/// `lock` points to a structure that the command may read. `F_OFD_GETLK` may write to it as well.
#[cfg(all(
    any(target_os = "linux", target_os = "android"),
    any(
        target_arch = "arm",
        target_arch = "m68k",
        target_arch = "mips",
        target_arch = "powerpc",
        target_arch = "sparc",
        target_arch = "x86",
    )
))]
pub(crate) unsafe fn record_lock(
    file: &File,
    command: libc::c_int,
    lock: *const LockDescription,
) -> libc::c_int {
    // SAFETY: the caller says so of `lock`. The descriptor is open, because `file` is borrowed for
    // the call.
    unsafe { libc::syscall(libc::SYS_fcntl64, file.as_raw_fd(), command, lock) }
}

/// The same where the kernel has 64-bit offsets in every structure. Some of these platforms have
/// 32 bits in all else, such as x32 and riscv32.
///
/// # Safety
///
/// As above.
#[cfg(not(all(
    any(target_os = "linux", target_os = "android"),
    any(
        target_arch = "arm",
        target_arch = "m68k",
        target_arch = "mips",
        target_arch = "powerpc",
        target_arch = "sparc",
        target_arch = "x86",
    )
)))]
pub(crate) unsafe fn record_lock(
    file: &File,
    command: libc::c_int,
    lock: *const LockDescription,
) -> libc::c_int {
    // SAFETY: as above.
    unsafe { libc::fcntl(file.as_raw_fd(), command, lock) }
}
