//! macOS and iOS. Other Unix systems also compile with this file, but crosslock does not
//! promise to run on them.

use std::fs::File;
use std::io;

use super::FileId;

/// Not cached here: these systems have no memory that a fork wipes, and Apple's C library
/// caches the PID itself.
pub(in crate::datadir_lock) use std::process::id as process_id;

#[cfg(target_vendor = "apple")]
pub(super) const OFD_SETLK: Option<libc::c_int> = Some(libc::F_OFD_SETLK);
#[cfg(not(target_vendor = "apple"))]
pub(super) const OFD_SETLK: Option<libc::c_int> = None;
#[cfg(target_vendor = "apple")]
pub(super) const OFD_GETLK: Option<libc::c_int> = Some(libc::F_OFD_GETLK);
#[cfg(not(target_vendor = "apple"))]
pub(super) const OFD_GETLK: Option<libc::c_int> = None;

pub(crate) type LockDescription = libc::flock;

/// The kernel keeps all locks of a file in one list, whichever call took them: "processes
/// using different locking interfaces can cooperate over the same file safely", says fcntl(2)
/// of macOS and of FreeBSD.
pub(super) fn primitives_are_independent(_remote: bool) -> bool {
    false
}

/// Not examined here: how a server takes locks away was measured with the NFS client of
/// Linux alone.
pub(super) fn is_remote(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// Whether process `pid` can be the one that holds the file, that is whether it exists.
pub(in crate::datadir_lock) fn holds(pid: u32, _file: FileId) -> bool {
    // Zero and negative numbers would mean whole groups of processes.
    let Ok(pid @ 1..) = libc::pid_t::try_from(pid) else {
        return false;
    };
    // SAFETY: signal 0 is never delivered, `kill` only checks whether it could be. It touches
    // no memory of ours.
    let found = unsafe { libc::kill(pid, 0) } == 0;
    // A process that we may not signal exists.
    found || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}
