//! The system calls for which the standard library has no safe form.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::os::LockDescription;
use super::record_lock::record_lock;

/// What to do with a lock. Nothing here ever waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    TryLock,
    TryLockShared,
    Unlock,
}

/// Locks the whole file with `flock(2)`, or unlocks it. `false` if a
/// conflicting lock is held.
pub(super) fn flock(file: &File, request: Request) -> io::Result<bool> {
    let operation = match request {
        Request::TryLock => libc::LOCK_EX | libc::LOCK_NB,
        Request::TryLockShared => libc::LOCK_SH | libc::LOCK_NB,
        Request::Unlock => libc::LOCK_UN,
    };
    answer(|| {
        // SAFETY: `flock` takes a descriptor and a number and touches no memory of
        // ours. The descriptor is open, because `file` is borrowed for the call.
        unsafe { libc::flock(file.as_raw_fd(), operation) }
    })
}

/// Locks the whole file with `fcntl(2)`, or unlocks it. `command` is `F_SETLK`
/// or `F_OFD_SETLK`. `false` if a conflicting lock is held.
pub(super) fn fcntl_lock(file: &File, command: libc::c_int, request: Request) -> io::Result<bool> {
    let kind = match request {
        Request::TryLock => libc::F_WRLCK,
        Request::TryLockShared => libc::F_RDLCK,
        Request::Unlock => libc::F_UNLCK,
    };
    // SAFETY: the structure consists of integers, and zero is a valid value of each.
    //
    // Zero is also what is wanted: `l_start` and `l_len` of zero are the whole file, however
    // long it grows, and `F_OFD_SETLK` demands an `l_pid` of zero.
    let mut lock: LockDescription = unsafe { std::mem::zeroed() };
    lock.l_type = kind as _;
    lock.l_whence = libc::SEEK_SET as _;
    answer(|| {
        // SAFETY: for both commands `fcntl` reads a lock structure, of the kind that
        // `LockDescription` explains, through its third argument; it writes none. `lock`
        // lives on this frame until the call is over.
        unsafe { record_lock(file, command, &raw const lock) }
    })
}

/// Whether all locks on the file are shared ones of `fcntl(2)`, of which there must be one.
/// `command` is `F_OFD_GETLK`.
pub(super) fn is_shared(file: &File, command: libc::c_int) -> io::Result<bool> {
    // SAFETY: as in `fcntl_lock`, and zero means the same.
    let mut lock: LockDescription = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as _;
    lock.l_whence = libc::SEEK_SET as _;
    // A conflict is no error of this command. So whatever error it gives is a failure, also one by which
    // the other commands say that a conflicting lock is held.
    uninterrupted(|| {
        // SAFETY: `F_OFD_GETLK` reads a lock structure and overwrites it with the lock that
        // conflicts. `lock` is of that kind and lives on this frame until the call is over.
        unsafe { record_lock(file, command, &raw mut lock) }
    })?;
    Ok(lock.l_type == libc::F_RDLCK as libc::c_short)
}

/// The size beyond which this process may not make a file grow. Where there is no limit, that is
/// `RLIM_INFINITY`, the highest number of its type. `None` where it cannot be found out.
pub(super) fn file_size_limit() -> Option<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the call writes a structure of this kind through its second argument.
    let succeeded = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } == 0;
    #[allow(
        clippy::unnecessary_cast,
        clippy::useless_conversion,
        reason = "the type differs between platforms"
    )]
    let limit = succeeded.then_some(limit.rlim_cur as u64);
    limit
}

/// Makes a call that sets a lock, and tells "held" from failure.
pub(crate) fn answer(call: impl FnMut() -> libc::c_int) -> io::Result<bool> {
    match uninterrupted(call) {
        Ok(()) => Ok(true),
        // POSIX allows `fcntl` either of the two. `flock` gives EWOULDBLOCK, which is EAGAIN.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Repeats a call that a signal interrupted.
pub(crate) fn uninterrupted(mut call: impl FnMut() -> libc::c_int) -> io::Result<()> {
    loop {
        if call() != -1 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(error);
        }
    }
}
