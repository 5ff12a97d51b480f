//! Linux and Android.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use super::{FileId, syscalls};

pub(super) const OFD_SETLK: Option<libc::c_int> = Some(libc::F_OFD_SETLK);

/// The structure that record locks are described with.
///
/// Open file description locks take the one with 64-bit offsets, also on 32-bit
/// systems, where classic locks take a smaller one, and where C libraries differ in
/// what they convert. Both begin with the type and the origin, and all else is zero
/// for a lock on a whole file, so the larger one reads as either.
pub(super) type RecordLock = libc::flock64;

const CIFS: u32 = 0xff53_4d42;
const SMB2: u32 = 0xfe53_4d42;

/// Whether an `flock` lock and a record lock on this file exclude each other, as
/// flock(2) says of NFS and SMB: there the kernel turns the one into the other.
/// (Taking both would be one lock too many on SMB.) On all other file systems they
/// do not see each other.
///
/// On an NFS mount with `local_lock=flock` or `local_lock=posix` they stay apart,
/// and this cannot be seen from here.
pub(super) fn primitives_conflict(file: &File) -> io::Result<bool> {
    is_remote(file)
}

/// Whether the file is on NFS or SMB, where the lock hangs on a server.
pub(in crate::pid) fn is_remote(file: &File) -> io::Result<bool> {
    let kind = file_system(file)?;
    Ok([
        libc::NFS_SUPER_MAGIC as u32,
        libc::SMB_SUPER_MAGIC as u32,
        CIFS,
        SMB2,
    ]
    .contains(&kind))
}

/// The magic number of the file system, as statfs(2) lists them: 32 bits, in a
/// field whose type differs between platforms.
fn file_system(file: &File) -> io::Result<u32> {
    let mut found = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `fstatfs` writes a `statfs` structure through its second argument,
    // which points to memory of that size. The descriptor is open, because `file` is
    // borrowed for the call.
    if unsafe { libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the kernel has filled the structure.
    Ok(unsafe { found.assume_init() }.f_type as u32)
}

/// Whether process `pid` can be the one that holds `file`: it exists, and, if we
/// may look into it, it has the file open. A number that was left by a killed
/// process may long be somebody else's, and one from another container or another
/// machine never was a process of ours.
pub(in crate::pid) fn holds(pid: u32, file: FileId) -> bool {
    if !syscalls::process_exists(pid) {
        return false;
    }
    // Another user's process cannot be looked into, nor can any without /proc.
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return true;
    };
    descriptors
        .filter_map(|descriptor| std::fs::metadata(descriptor.ok()?.path()).ok())
        .any(|open| FileId::from(&open) == file)
}
