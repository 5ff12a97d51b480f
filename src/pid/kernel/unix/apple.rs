//! macOS and iOS.

use std::fs::File;
use std::io;

use super::{FileId, syscalls};

pub(super) const OFD_SETLK: Option<libc::c_int> = Some(libc::F_OFD_SETLK);

pub(super) type RecordLock = libc::flock;

/// The kernel keeps all locks of a file in one list, whatever they were taken with:
/// "processes using different locking interfaces can cooperate over the same file
/// safely", says fcntl(2) there.
pub(super) fn keeps_primitives_apart(_remote: bool) -> bool {
    false
}

/// Not looked into: what is known about locks that a server takes away was
/// measured with the NFS client of Linux.
pub(super) fn is_remote(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// Whether process `pid` can be the one that holds the file: it exists.
pub(in crate::pid) fn holds(pid: u32, _file: FileId) -> bool {
    syscalls::process_exists(pid)
}
