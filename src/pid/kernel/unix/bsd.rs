//! macOS and iOS; and other Unix systems, which are not among those that crosslock
//! promises to run on.

use std::fs::File;
use std::io;

use super::{FileId, syscalls};

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
    syscalls::process_exists(pid)
}
