//! Other Unix systems. They are not among those that crosslock promises to run on;
//! what POSIX and the BSDs say of their locks is enough for this much.

use std::fs::File;
use std::io;

use super::{FileId, syscalls};

pub(super) const OFD_SETLK: Option<libc::c_int> = None;

pub(super) type RecordLock = libc::flock;

/// As on the BSDs, where the kernel keeps all locks of a file in one list: see
/// fcntl(2) of FreeBSD.
pub(super) fn keeps_primitives_apart(_remote: bool) -> bool {
    false
}

pub(super) fn is_remote(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// Whether process `pid` can be the one that holds the file: it exists.
pub(in crate::pid) fn holds(pid: u32, _file: FileId) -> bool {
    syscalls::process_exists(pid)
}
