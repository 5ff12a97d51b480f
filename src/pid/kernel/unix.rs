//! Unix: [`flock(2)`] and [`fcntl(2)`] locks on the whole of `LOCK`.
//!
//! An `fcntl` lock is taken as an *open file description lock* (`F_OFD_SETLK`)
//! where the kernel has them: Linux since 3.15, macOS. They conflict with the
//! classic record locks of POSIX, but belong to the open file and not to the
//! process, so another open of the file conflicts in the same process too, and
//! closing some other descriptor of it frees nothing. Where the kernel has only
//! classic locks, [`classic`] makes up for both.
//!
//! [`flock(2)`]: https://man7.org/linux/man-pages/man2/flock.2.html
//! [`fcntl(2)`]: https://man7.org/linux/man-pages/man2/fcntl_locking.2.html

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

mod classic;
mod syscalls;

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "unix/linux.rs"]
mod platform;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "unix/bsd.rs"]
mod platform;

pub(in crate::pid) use classic::Opening;
pub(in crate::pid) use platform::{holds, process_id};

use super::Taken;
use syscalls::Request;

/// Which of the kernel's locks a manager stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primitive {
    Flock,
    Fcntl,
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flock => "flock",
            Self::Fcntl => "fcntl",
        })
    }
}

/// A file, whatever it is called: its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::pid) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Of what stands at `path`; a symbolic link is not followed.
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::from(&path.symlink_metadata()?))
    }
}

impl From<&std::fs::Metadata> for FileId {
    fn from(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// Opens `path`, and neither follows a link there nor creates nor truncates.
pub(in crate::pid) fn open(path: &Path) -> io::Result<File> {
    options().open(path)
}

/// Creates `path`, with the permissions that the umask leaves, as for every other file of
/// the datadir: a group that shares it shares this one too.
///
/// Apart from [`open`], because in a directory like `/tmp` Linux may refuse to open a file
/// of somebody else's with `O_CREAT`, although it is there: see `protected_regular` in
/// proc_sys_fs(5).
pub(in crate::pid) fn create(path: &Path) -> io::Result<File> {
    options().create_new(true).open(path)
}

/// The standard library sets `O_CLOEXEC`, so no command that the application
/// spawns keeps the file open. `O_NONBLOCK` does nothing to a regular file; a FIFO
/// is to be refused, not waited for.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

/// Whether writing up to this offset costs the process nothing. Beyond `RLIMIT_FSIZE` the
/// kernel sends it SIGXFSZ, which ends it: see setrlimit(2).
///
/// So the limit is asked for before every write. What remains is that another thread lowers
/// it between the two calls; then the signal comes as it does for any other write. (To block
/// it meanwhile would not be enough: some systems send it to the process, not the thread.)
pub(in crate::pid) fn may_write(end: u64) -> bool {
    let limit = syscalls::file_size_limit();
    limit.is_none_or(|limit| end <= limit)
}

pub(in crate::pid) fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, 0)
}

pub(in crate::pid) fn read_at_start(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    file.read_at(bytes, 0)
}

/// Whether `path` still leads to `file`, which is open, so that its number is not
/// given to another one.
pub(in crate::pid) fn is_still_at(file: FileId, path: &Path) -> io::Result<bool> {
    match FileId::at(path) {
        Ok(id) => Ok(id == file),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Nothing at the path, or, on NFS, a handle whose file the server has removed.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::StaleNetworkFileHandle
    )
}

/// Whether `error`, from taking a lock, means that there are no such locks here.
pub(in crate::pid) fn is_unsupported(error: &io::Error) -> bool {
    // ENOLCK is also what a server that cannot be reached for locking ends in.
    let unsupported = [
        libc::ENOLCK,
        libc::ENOSYS,
        libc::ENOTSUP,
        libc::EOPNOTSUPP,
        libc::EINVAL,
    ];
    error
        .raw_os_error()
        .is_some_and(|code| unsupported.contains(&code))
}

/// The kernel locks that a manager holds on its file.
#[derive(Debug, Default)]
pub(in crate::pid) struct Locks {
    record: Option<Record>,
    flock: bool,
    remote: bool,
}

/// How the `fcntl` lock is held.
#[derive(Debug)]
enum Record {
    OpenFile,
    Process(classic::Held),
}

impl Locks {
    /// Locks `file` for the manager whose own primitive is `own`; `None` if somebody
    /// else holds it, by either primitive.
    ///
    /// Where the kernel keeps the two primitives apart, both are taken, so that
    /// whoever uses the other one is refused. All managers take them in the same
    /// order: of two that come at once, the first wins, and never both lose.
    pub(in crate::pid) fn take(
        file: &File,
        id: FileId,
        own: Primitive,
        opening: &mut Opening,
    ) -> io::Result<Taken<Self>> {
        let remote = platform::is_remote(file)?;
        let both = platform::keeps_primitives_apart(remote);
        let mut locks = Self {
            remote,
            ..Self::default()
        };
        if both || own == Primitive::Fcntl {
            match lock_record(file, id, opening) {
                Ok(Taken::Locked(record)) => locks.record = Some(record),
                Ok(Taken::Held) => return Ok(Taken::Held),
                Ok(Taken::Again) => return Ok(Taken::Again),
                Err(error) if own != Primitive::Fcntl && nobody_can(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if both || own == Primitive::Flock {
            match syscalls::flock(file, Request::TryLock) {
                Ok(true) => locks.flock = true,
                Ok(false) => {
                    locks.unlock(file, Some(opening));
                    return Ok(Taken::Held);
                }
                Err(error) if own != Primitive::Flock && nobody_can(&error) => {}
                Err(error) => {
                    locks.unlock(file, Some(opening));
                    return Err(error);
                }
            }
        }
        Ok(Taken::Locked(locks))
    }

    /// Whether a server keeps them.
    pub(in crate::pid) fn are_remote(&self) -> bool {
        self.remote
    }

    /// Unlocks and closes `file`.
    ///
    /// Closing it would not be enough: a command that another thread is just
    /// spawning shares the open file between `fork` and `exec`, and keeps it locked
    /// for as long.
    pub(in crate::pid) fn free(mut self, file: File) {
        // A classic lock that another thread takes on the same file as soon as this one is
        // gone would go with the close: so until then nobody else may.
        let is_classic = matches!(self.record, Some(Record::Process(_)));
        let mut opening = is_classic.then(Opening::exclusive);
        self.unlock(&file, opening.as_mut());
        drop(file);
    }

    /// In the reverse order. There is nothing to do about an error; the close comes next.
    fn unlock(&mut self, file: &File, opening: Option<&mut Opening>) {
        if std::mem::take(&mut self.flock) {
            let _ = syscalls::flock(file, Request::Unlock);
        }
        match self.record.take() {
            Some(Record::OpenFile) => {
                let command = platform::OFD_SETLK.expect("it was locked with this command");
                let _ = syscalls::record_lock(file, command, Request::Unlock);
            }
            Some(Record::Process(held)) => opening
                .expect("who has a classic lock has the right to open files")
                .unlock(held, file),
            None => {}
        }
    }
}

/// Whether `error`, from the primitive that is not the manager's own, means that
/// nobody can hold a lock by it. Less than [`is_unsupported`]: where ENOLCK says
/// that the kernel is out of locks, somebody may have got one before.
fn nobody_can(error: &io::Error) -> bool {
    is_unsupported(error) && error.raw_os_error() != Some(libc::ENOLCK)
}

fn lock_record(file: &File, id: FileId, opening: &mut Opening) -> io::Result<Taken<Record>> {
    if let Some(command) = platform::OFD_SETLK {
        match syscalls::record_lock(file, command, Request::TryLock) {
            Ok(true) => return Ok(Taken::Locked(Record::OpenFile)),
            Ok(false) => return Ok(Taken::Held),
            // The kernel does not know the command: Linux before 3.15, WSL 1.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(match opening.lock(file, id)? {
        Taken::Locked(held) => Taken::Locked(Record::Process(held)),
        Taken::Held => Taken::Held,
        Taken::Again => Taken::Again,
    })
}
