//! macOS and iOS; and other Unix systems, which are not among those that crosslock
//! promises to run on.

use std::fs::File;
use std::io;

use super::FileId;

/// Not remembered: there is no memory here that a fork wipes, and Apple's C library
/// remembers the number itself.
pub(in crate::pid) use std::process::id as process_id;

#[cfg(target_vendor = "apple")]
pub(super) const OFD_SETLK: Option<libc::c_int> = Some(libc::F_OFD_SETLK);
#[cfg(not(target_vendor = "apple"))]
pub(super) const OFD_SETLK: Option<libc::c_int> = None;

pub(super) type RecordLock = libc::flock;

/// The kernel keeps all locks of a file in one list, whatever they were taken with:
/// "processes using different locking interfaces can cooperate over the same file
/// safely", says fcntl(2) of macOS and of FreeBSD.
pub(super) fn keeps_primitives_apart(_remote: bool) -> bool {
    false
}

/// Not looked into: what is known about locks that a server takes away was measured
/// with the NFS client of Linux.
pub(super) fn is_remote(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// Whether process `pid` can be the one that holds the file: it exists.
pub(in crate::pid) fn holds(pid: u32, _file: FileId) -> bool {
    // Zero and negative numbers would mean whole groups of processes.
    let Ok(pid @ 1..) = libc::pid_t::try_from(pid) else {
        return false;
    };
    // SAFETY: signal 0 is never delivered: `kill` only looks whether it could be. It
    // touches no memory of ours.
    let found = unsafe { libc::kill(pid, 0) } == 0;
    // A process that we may not signal exists.
    found || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}
