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
#[cfg_attr(
    all(
        any(target_os = "linux", target_os = "android"),
        any(
            target_arch = "arm",
            target_arch = "m68k",
            target_arch = "mips",
            target_arch = "powerpc",
            target_arch = "sparc",
            target_arch = "x86",
        )
    ),
    path = "unix/record_lock_by_fcntl64.rs"
)]
mod record_lock;
mod syscalls;

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "unix/linux.rs"]
mod os;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "unix/bsd.rs"]
mod os;

pub(in crate::datadir_lock) use classic::OpenPermit;
#[cfg(crosslock_fuzz)]
pub(in crate::datadir_lock) use os::{has_ended, lock_holder};
pub(in crate::datadir_lock) use os::{holds, process_id};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use os::{lockers, shows_our_processes};
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) use {
    os::LockDescription,
    record_lock::record_lock,
    syscalls::{answer, uninterrupted},
};

use super::Taken;
use syscalls::Request;

/// Which of the kernel's locks a manager uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Primitive {
    Flock,
    Fcntl,
    /// A shared lock by both, for those who exclude each other by key. It needs open file
    /// description locks.
    Shared,
}

impl Primitive {
    pub(in crate::datadir_lock) fn is_shared(self) -> bool {
        self == Self::Shared
    }

    /// What older kernels do not have, without which this primitive is not to be had.
    pub(in crate::datadir_lock) fn needs_open_file_description_locks(self) -> bool {
        self.is_shared()
    }

    fn request(self) -> Request {
        match self {
            Self::Flock | Self::Fcntl => Request::TryLock,
            Self::Shared => Request::TryLockShared,
        }
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flock => "flock",
            Self::Fcntl => "fcntl",
            Self::Shared => "open file description",
        })
    }
}

/// The identity of a file, whatever its path: its device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn inode(self) -> u64 {
        self.inode
    }

    /// That of the file at `path`. A symbolic link is not followed.
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

/// Opens `path`. A symbolic link is not followed, and nothing is created or truncated.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    options().open(path)
}

/// Creates `path`, with the permissions that the umask leaves, as for every other file of
/// the datadir: a group that shares the datadir shares this file too.
///
/// It is not part of [`open`], because in a directory like `/tmp` Linux may refuse to open
/// an existing file of another user with `O_CREAT`: see `protected_regular` in
/// proc_sys_fs(5).
pub(crate) fn create(path: &Path) -> io::Result<File> {
    options().create_new(true).open(path)
}

/// The standard library sets `O_CLOEXEC`, so no command that the application spawns keeps
/// the file open. `O_NONBLOCK` has no effect on a regular file. It keeps the open of a FIFO
/// from waiting, so that the FIFO can be refused.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

/// Whether a write up to this offset is safe. Beyond `RLIMIT_FSIZE` the kernel sends SIGXFSZ,
/// which ends the process: see setrlimit(2). So the limit is read before every write.
///
/// Another thread may still lower it between the two calls. Then the signal comes, as it does
/// for any other write. (To block the signal would not be enough: some systems send it to the
/// process, not to the thread.)
pub(in crate::datadir_lock) fn may_write(end: u64) -> bool {
    let limit = syscalls::file_size_limit();
    limit.is_none_or(|limit| end <= limit)
}

pub(in crate::datadir_lock) fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, 0)
}

pub(in crate::datadir_lock) fn read_at_start(file: &File, bytes: &mut [u8]) -> io::Result<usize> {
    file.read_at(bytes, 0)
}

/// Whether `path` still leads to `file`. That file must be open: the system then gives its
/// inode to no other file.
pub(crate) fn is_still_at(file: FileId, path: &Path) -> io::Result<bool> {
    match FileId::at(path) {
        Ok(id) => Ok(id == file),
        Err(error) if is_gone(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there is nothing at the path or, on NFS, the server has removed the file.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::StaleNetworkFileHandle
    )
}

/// Whether `error`, from taking a lock, means that there are no such locks here.
pub(in crate::datadir_lock) fn is_unsupported(error: &io::Error) -> bool {
    // ENOLCK is also the error where the lock service of a server cannot be reached.
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
pub(in crate::datadir_lock) struct Locks {
    fcntl: Option<FcntlLock>,
    flock: bool,
    remote: bool,
}

/// How the `fcntl` lock is held.
#[derive(Debug)]
enum FcntlLock {
    OpenFile,
    Process(classic::Held),
}

impl Locks {
    /// Locks `file` for a manager whose own primitive is `own`. [`Taken::Held`] if it is
    /// held by either primitive, in a mode that conflicts.
    ///
    /// Where the two primitives do not exclude each other, both are taken, so that a manager
    /// with the other one is refused. All managers take them in the same order: of two that
    /// come at once, the first wins, and it never happens that both lose.
    pub(in crate::datadir_lock) fn take(
        file: &File,
        id: FileId,
        own: Primitive,
        permit: &mut OpenPermit,
    ) -> io::Result<Taken<Self>> {
        let remote = os::is_remote(file)?;
        let both = os::primitives_are_independent(remote);
        let mut locks = Self {
            remote,
            ..Self::default()
        };
        if both || own != Primitive::Flock {
            match take_fcntl(file, id, own, permit) {
                Ok(Taken::Locked(lock)) => locks.fcntl = Some(lock),
                Ok(Taken::Held) => return Ok(Taken::Held),
                Ok(Taken::NeedsExclusivePermit) => return Ok(Taken::NeedsExclusivePermit),
                Err(error) if own == Primitive::Flock && is_absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if both || own == Primitive::Flock {
            match syscalls::flock(file, own.request()) {
                Ok(true) => locks.flock = true,
                Ok(false) => {
                    locks.unlock(file, Some(permit));
                    return Ok(Taken::Held);
                }
                Err(error) if own != Primitive::Flock && is_absent(&error) => {}
                Err(error) => {
                    locks.unlock(file, Some(permit));
                    return Err(error);
                }
            }
        }
        Ok(Taken::Locked(locks))
    }

    /// Whether they are kept by a file server.
    pub(in crate::datadir_lock) fn are_remote(&self) -> bool {
        self.remote
    }

    /// Unlocks and closes `file`.
    ///
    /// To close it would not be enough: a command that another thread is spawning shares
    /// the open file between `fork` and `exec`, and keeps it locked for that time.
    pub(in crate::datadir_lock) fn free(mut self, file: File) {
        // Another thread could take a classic lock on the same file between the unlock and the
        // close, and the close would free that one. So no other thread may until then.
        let is_classic = matches!(self.fcntl, Some(FcntlLock::Process(_)));
        let mut permit = is_classic.then(OpenPermit::exclusive);
        self.unlock(&file, permit.as_mut());
        drop(file);
    }

    /// Unlocks in the reverse order. Errors are ignored: the close comes next.
    fn unlock(&mut self, file: &File, permit: Option<&mut OpenPermit>) {
        if std::mem::take(&mut self.flock) {
            let _ = syscalls::flock(file, Request::Unlock);
        }
        match self.fcntl.take() {
            Some(FcntlLock::OpenFile) => {
                let command = os::OFD_SETLK.expect("it was locked with this command");
                let _ = syscalls::fcntl_lock(file, command, Request::Unlock);
            }
            Some(FcntlLock::Process(held)) => permit
                .expect("the caller has a permit, because the lock is a classic one")
                .unlock(held, file),
            None => {}
        }
    }
}

/// Whether `error`, from the primitive that is not the manager's own, means that nobody can
/// hold a lock by it. This is less than [`is_unsupported`]: ENOLCK may also say that the
/// kernel has run out of locks, and then somebody may hold one.
fn is_absent(error: &io::Error) -> bool {
    is_unsupported(error) && error.raw_os_error() != Some(libc::ENOLCK)
}

/// Whether those who have `file`, which could not be locked, share it by key.
pub(in crate::datadir_lock) fn is_shared_by_others(file: &File) -> io::Result<bool> {
    let Some(command) = os::OFD_GETLK else {
        return Ok(false);
    };
    match syscalls::is_shared(file, command) {
        // Nobody shares where there are no such locks.
        Err(error) if is_unsupported(&error) => Ok(false),
        found => found,
    }
}

fn take_fcntl(
    file: &File,
    id: FileId,
    own: Primitive,
    permit: &mut OpenPermit,
) -> io::Result<Taken<FcntlLock>> {
    if let Some(command) = os::OFD_SETLK {
        match syscalls::fcntl_lock(file, command, own.request()) {
            Ok(true) => return Ok(Taken::Locked(FcntlLock::OpenFile)),
            Ok(false) => return Ok(Taken::Held),
            // The kernel does not know the command: Linux before 3.15, WSL 1.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && !own.is_shared() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(match permit.lock(file, id)? {
        Taken::Locked(held) => Taken::Locked(FcntlLock::Process(held)),
        Taken::Held => Taken::Held,
        Taken::NeedsExclusivePermit => Taken::NeedsExclusivePermit,
    })
}
