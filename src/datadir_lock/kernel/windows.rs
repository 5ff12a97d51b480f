//! Windows: [`LockFileEx`] on one byte of `LOCK`, exclusively or shared.
//!
//! Locks on Windows are mandatory: nobody else can read a locked byte. So the byte is far
//! behind the end of the file, and the PID at its start stays readable. A program that locks
//! the whole file still conflicts with us, as it should.
//!
//! The lock belongs to the open file, so a second open conflicts in the same process too.
//! Child processes do not inherit the handle, because the standard library opens it so. The
//! system frees the lock when the last handle is closed, also by the end of the process.
//!
//! [`LockFileEx`]: https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfileex

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::windows::fs::{FileExt, OpenOptionsExt};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;

use super::Taken;
pub(in crate::datadir_lock) use std::process::id as process_id;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_FUNCTION, ERROR_IO_PENDING, ERROR_LOCK_VIOLATION,
    ERROR_NOT_SUPPORTED, WAIT_TIMEOUT,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_SHARE_READ, FILE_SHARE_WRITE, LOCKFILE_EXCLUSIVE_LOCK,
    LOCKFILE_FAIL_IMMEDIATELY, LockFileEx, UnlockFile,
};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};
use windows_sys::Win32::System::Threading::{
    OpenProcess, PROCESS_SYNCHRONIZE, WaitForSingleObject,
};

/// The locked byte.
const BYTE: Range<u64> = (1 << 62)..(1 << 62) + 1;

/// Which lock of the kernel a manager has on its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primitive {
    Flock,
    /// A shared lock, for those who exclude each other by key.
    Shared,
}

impl Primitive {
    pub(in crate::datadir_lock) fn is_shared(self) -> bool {
        self == Self::Shared
    }

    /// Windows has no others.
    pub(in crate::datadir_lock) fn needs_open_file_description_locks(self) -> bool {
        false
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockFileEx")
    }
}

/// The identity of a file, which is not needed on Windows: what is open there stays where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId;

impl From<&std::fs::Metadata> for FileId {
    fn from(_metadata: &std::fs::Metadata) -> Self {
        Self
    }
}

/// The permission to open lock files. On Windows every thread has it.
#[derive(Debug)]
pub(in crate::datadir_lock) struct OpenPermit;

impl OpenPermit {
    pub(in crate::datadir_lock) fn begin() -> Self {
        Self
    }

    pub(in crate::datadir_lock) fn must_not_open(&self, _path: &Path) -> bool {
        false
    }

    pub(in crate::datadir_lock) fn keep_if_held(
        &mut self,
        file: File,
        _id: FileId,
    ) -> Option<File> {
        Some(file)
    }
}

/// Opens `path`. A symbolic link is not followed, and nothing is created or truncated.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    options().open(path)
}

/// Creates `path`.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    options().create_new(true).open(path)
}

/// Others may read and write the file. While it is open, nobody can delete or rename it or
/// its directory, because `FILE_SHARE_DELETE` is absent.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
        .custom_flags(FILE_FLAG_OPEN_REPARSE_POINT);
    options
}

/// No write ends a process on Windows.
pub(in crate::datadir_lock) fn may_write(_end: u64) -> bool {
    true
}

pub(in crate::datadir_lock) fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    match file.seek_write(bytes, 0)? {
        written if written == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}

pub(in crate::datadir_lock) fn read_at_start(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    file.seek_read(bytes, 0)
}

/// Always true: [`options`] says why the file cannot be replaced.
pub(crate) fn is_still_at(_file: FileId, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Whether `error`, from taking a lock, means that there are no such locks here.
pub(in crate::datadir_lock) fn is_unsupported(error: &io::Error) -> bool {
    is_code(error, ERROR_NOT_SUPPORTED) || is_code(error, ERROR_INVALID_FUNCTION)
}

fn is_code(error: &io::Error, code: u32) -> bool {
    error.raw_os_error() == Some(code as i32)
}

/// Whether those who have `file`, which could not be locked, share it by key. To find out, it is shared
/// for a moment: that is refused where somebody has it exclusively.
pub(in crate::datadir_lock) fn is_shared_by_others(file: &File) -> io::Result<bool> {
    let is_shared = lock_bytes(file, LOCKFILE_FAIL_IMMEDIATELY, BYTE)?;
    if is_shared {
        unlock_bytes(file, BYTE)?;
    }
    Ok(is_shared)
}

/// The kernel lock that a manager holds on its file.
#[derive(Debug)]
pub(in crate::datadir_lock) struct Locks;

impl Locks {
    /// Locks `file`.
    pub(in crate::datadir_lock) fn take(
        file: &File,
        _id: FileId,
        own: Primitive,
        _opening: &mut OpenPermit,
    ) -> io::Result<Taken<Self>> {
        let mode = match own {
            Primitive::Flock => LOCKFILE_EXCLUSIVE_LOCK,
            Primitive::Shared => 0,
        };
        Ok(
            match lock_bytes(file, mode | LOCKFILE_FAIL_IMMEDIATELY, BYTE)? {
                true => Taken::Locked(Self),
                false => Taken::Held,
            },
        )
    }

    /// Not examined here: how a server takes locks away was measured with the NFS client of
    /// Linux alone.
    pub(in crate::datadir_lock) fn are_remote(&self) -> bool {
        false
    }

    /// Unlocks `file`, and then closes it. After a close alone, "the time it takes for the
    /// operating system to unlock" the file "depends upon available system resources", says
    /// the documentation of `LockFileEx`. An error is ignored: the close comes next.
    pub(in crate::datadir_lock) fn free(self, file: File) {
        let _ = unlock_bytes(&file, BYTE);
    }
}

/// [`LockFileEx`], with its flags. `false` if a conflicting lock is held, which it says only with
/// `LOCKFILE_FAIL_IMMEDIATELY`; without that it blocks the thread, and all other calls about the same
/// open file.
pub(crate) fn lock_bytes(file: &File, flags: u32, bytes: Range<u64>) -> io::Result<bool> {
    let mut range = OVERLAPPED {
        Anonymous: OVERLAPPED_0 {
            Anonymous: OVERLAPPED_0_0 {
                Offset: low(bytes.start),
                OffsetHigh: high(bytes.start),
            },
        },
        ..OVERLAPPED::default()
    };
    let length = length(&bytes);
    // SAFETY: the handle is open, because `file` is borrowed for the call. `range` is read, and
    // written to only while the call lasts: the file was not opened for overlapped operation,
    // so the call does not return before it is done.
    let locked = unsafe {
        LockFileEx(
            file.as_raw_handle(),
            flags,
            0,
            low(length),
            high(length),
            &raw mut range,
        )
    };
    if locked != 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    let held = is_code(&error, ERROR_LOCK_VIOLATION) || is_code(&error, ERROR_IO_PENDING);
    if held { Ok(false) } else { Err(error) }
}

/// Unlocks the bytes of one lock of this open file.
pub(crate) fn unlock_bytes(file: &File, bytes: Range<u64>) -> io::Result<()> {
    let length = length(&bytes);
    // SAFETY: the call takes a handle, which is open because `file` is borrowed, and numbers; it
    // touches no memory of ours.
    let unlocked = unsafe {
        UnlockFile(
            file.as_raw_handle(),
            low(bytes.start),
            high(bytes.start),
            low(length),
            high(length),
        )
    };
    match unlocked {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn length(bytes: &Range<u64>) -> u64 {
    assert!(!bytes.is_empty(), "a lock on no bytes locks nothing");
    bytes.end - bytes.start
}

fn low(number: u64) -> u32 {
    number as u32
}

fn high(number: u64) -> u32 {
    (number >> 32) as u32
}

/// Whether process `pid` can be the one that holds the file, that is whether it exists.
pub(in crate::datadir_lock) fn holds(pid: u32, _file: FileId) -> bool {
    // SAFETY: the call takes numbers and gives a handle or null.
    let process = unsafe { OpenProcess(PROCESS_SYNCHRONIZE, 0, pid) };
    if process.is_null() {
        // A process that we may not open exists.
        return is_code(&io::Error::last_os_error(), ERROR_ACCESS_DENIED);
    }
    // SAFETY: `process` is an open handle that nothing else owns.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    // A process that has ended can be opened as long as another handle to it is open. The
    // handle of such a process is signalled, that of a running one is not.
    // SAFETY: the handle is open, because `process` owns it. With a timeout of zero the call
    // does not wait.
    unsafe { WaitForSingleObject(process.as_raw_handle(), 0) == WAIT_TIMEOUT }
}
