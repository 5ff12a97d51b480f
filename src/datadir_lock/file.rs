//! [`LockedFile`]: `LOCK`, open and locked.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::kernel::{self, FileId, Locks, OpenPermit, Primitive, Taken};
use super::{failure, holder_pid};
use crate::error::PidLockError;

/// How often `LOCK` may be replaced between our opening and locking it, before that is
/// reported as an error.
const MAX_REPLACEMENTS: usize = 100;

/// The pauses between two tries while another instance has the datadir.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// `LOCK`, open and locked. Its drop unlocks it.
#[derive(Debug)]
pub(super) struct LockedFile {
    /// `None` only while it is dropped.
    open: Option<(File, Locks)>,
    id: FileId,
    path: PathBuf,
    /// The PID of the process that locked it: in a forked child, that of its parent.
    owner: u32,
    /// Whether it is one of many that share the lock. Then the PID in the file is not ours to write.
    is_shared: bool,
}

/// The result of one try.
enum Attempt {
    Locked(LockedFile),
    Held(Holder),
    /// The path no longer leads to the file that was opened.
    Replaced,
    /// See [`Taken::NeedsExclusivePermit`]. This happens once in a process.
    NeedsExclusivePermit,
}

impl LockedFile {
    /// Locks `datadir/name`, and creates what is missing of it. While another instance has
    /// it, tries again until `timeout` is over.
    pub(super) fn new(
        datadir: &Path,
        name: &Path,
        primitive: Primitive,
        timeout: Duration,
    ) -> Result<Self, PidLockError> {
        let setup_failed = |source| PidLockError::SetupFailed {
            datadir: datadir.to_owned(),
            source,
        };
        let path = lock_path(datadir, name).map_err(setup_failed)?;
        let mut created = None;
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut replacements = 0;
        loop {
            let holder = match Self::attempt(&path, primitive) {
                Ok(Attempt::Locked(locked)) => return Ok(locked),
                Ok(Attempt::Held(holder)) => holder,
                Ok(Attempt::Replaced) if replacements < MAX_REPLACEMENTS => {
                    replacements += 1;
                    continue;
                }
                // The directory is nearly always there, so this does not check for it first.
                Err(error) if error.kind() == io::ErrorKind::NotFound && created.is_none() => {
                    created = Some(CreatedDirs::create(datadir).map_err(setup_failed)?);
                    continue;
                }
                failed => {
                    if let Some(created) = created {
                        created.undo();
                    }
                    let keeps_being_replaced = || failure::keeps_being_replaced(&path);
                    return Err(setup_failed(
                        failed.err().unwrap_or_else(keeps_being_replaced),
                    ));
                }
            };
            let remaining = timeout.saturating_sub(start.elapsed());
            if remaining.is_zero() {
                return Err(holder.refuses(datadir.to_owned(), primitive));
            }
            // No system has a wait for such a lock with a timeout. Their waits without one end
            // early only by a signal, and signals belong to the application.
            thread::sleep(pause.min(remaining));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn attempt(path: &Path, primitive: Primitive) -> io::Result<Attempt> {
        loop {
            match Self::lock_file_at(path, primitive)? {
                Attempt::Locked(locked) => return locked.confirm(),
                Attempt::NeedsExclusivePermit => {}
                other => return Ok(other),
            }
        }
    }

    /// Opens and locks the file that is at `path` at this moment.
    fn lock_file_at(path: &Path, primitive: Primitive) -> io::Result<Attempt> {
        let mut permit = OpenPermit::begin();
        if permit.must_not_open(path) {
            return Ok(Attempt::Held(Holder::ThisProcess));
        }
        let file = match kernel::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match kernel::create(path) {
                // Another instance has created it since.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Ok(Attempt::Replaced);
                }
                created => created,
            },
            opened => opened,
        };
        let file = file.map_err(|error| failure::opening_file(path, error))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            failure::must_be_a_file(path)?;
            return Ok(Attempt::Replaced);
        }
        let id = FileId::from(&metadata);
        let Some(file) = permit.keep_if_held(file, id) else {
            return Ok(Attempt::Held(Holder::ThisProcess));
        };
        match Locks::take(&file, id, primitive, &mut permit) {
            Ok(Taken::Locked(locks)) => Ok(Attempt::Locked(Self {
                open: Some((file, locks)),
                id,
                path: path.to_owned(),
                owner: kernel::process_id(),
                is_shared: primitive.is_shared(),
            })),
            Ok(Taken::Held) => {
                // One who shares is refused only by one who does not.
                let is_shared = !primitive.is_shared()
                    && kernel::is_shared_by_others(&file)
                        .map_err(|error| failure::locking(path, primitive, error))?;
                Ok(Attempt::Held(match is_shared {
                    true => Holder::Sharers,
                    false => Holder::Unverified {
                        recorded: holder_pid::read(&file),
                        id,
                    },
                }))
            }
            Ok(Taken::NeedsExclusivePermit) => Ok(Attempt::NeedsExclusivePermit),
            Err(error) => Err(failure::locking(path, primitive, error)),
        }
    }

    /// Makes sure that others will find the file that was locked, and writes our PID into it.
    fn confirm(self) -> io::Result<Attempt> {
        // The file may have been deleted between the open and the lock. Then nobody else can
        // find the file that we hold, and another process may hold a new one at the path. But
        // if the path leads to ours now that it is locked, whoever comes later finds it locked.
        if !self.is_in_place()? {
            return Ok(Attempt::Replaced);
        }
        if !self.is_shared {
            // The lock counts, not the PID: a full disk is no reason to refuse.
            let _ = holder_pid::write(self.file(), self.owner);
        }
        Ok(Attempt::Locked(self))
    }

    fn open(&self) -> &(File, Locks) {
        self.open.as_ref().expect("only the drop takes it")
    }

    fn file(&self) -> &File {
        &self.open().0
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn id(&self) -> FileId {
        self.id
    }

    /// The PID of the process that opened the file: in a forked child, that of its parent.
    pub(super) fn owner(&self) -> u32 {
        self.owner
    }

    /// Whether this process is a forked child of the one that opened the file.
    #[inline]
    pub(super) fn is_inherited(&self) -> bool {
        self.owner != kernel::process_id()
    }

    pub(super) fn is_in_place(&self) -> io::Result<bool> {
        kernel::is_still_at(self.id, &self.path)
    }

    /// Whether the lock is kept by a file server.
    pub(super) fn is_remote(&self) -> bool {
        self.open().1.are_remote()
    }

    /// Writes the PID to the file server, which fails if the server no longer knows our lock.
    ///
    /// An NFS client that was cut off for longer than its lease has lost its locks
    /// to whoever asked next. It learns of that by the error of an operation on the
    /// open file that reaches the server. A read may come from its cache, so this writes.
    pub(super) fn write_through(&self) -> io::Result<()> {
        match self.is_shared {
            // Blanks are no PID, whoever else writes them.
            true => holder_pid::overwrite(self.file(), b" ")?,
            false => holder_pid::write(self.file(), self.owner)?,
        }
        self.file().sync_data()
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        let (file, locks) = self.open.take().expect("only the drop takes it");
        // A forked child shares the open file with its parent, so to unlock it here would
        // unlock it for the parent. To close it is harmless: the parent still has it open.
        if self.is_inherited() {
            return;
        }
        if !self.is_shared {
            // Before the unlock: afterwards the PID in the file may be another process's.
            let _ = holder_pid::clear(&file, self.owner);
        }
        locks.free(file);
    }
}

/// Who holds the file.
enum Holder {
    /// This process, by a classic lock, so the file was not opened to read it.
    ThisProcess,
    /// Perhaps the process whose PID is in the file.
    Unverified { recorded: Option<u32>, id: FileId },
    /// Processes that share the datadir by key. None of them writes its PID into the file.
    Sharers,
}

impl Holder {
    /// The holder's PID, if it is known for certain.
    fn pid(&self) -> Option<u32> {
        match *self {
            Self::ThisProcess => Some(kernel::process_id()),
            Self::Unverified { recorded, id } => recorded.filter(|&pid| kernel::holds(pid, id)),
            Self::Sharers => None,
        }
    }

    /// The error of a manager that uses `primitive` and cannot have the datadir beside us.
    fn refuses(&self, datadir: PathBuf, primitive: Primitive) -> PidLockError {
        let pid = self.pid();
        let is_shared = matches!(self, Self::Sharers);
        // Two that share do not refuse each other.
        if is_shared || primitive.is_shared() {
            return PidLockError::OtherKind {
                datadir,
                pid,
                is_shared,
            };
        }
        PidLockError::AlreadyHeld { datadir, pid }
    }
}

/// The absolute path of the lock file. It must stay the same when the process changes its
/// working directory.
fn lock_path(datadir: &Path, name: &Path) -> io::Result<PathBuf> {
    if name.file_name() != Some(name.as_os_str()) {
        return Err(failure::bad_name(name));
    }
    let absolute = std::path::absolute(datadir);
    Ok(absolute
        .map_err(|error| failure::bad_datadir(datadir, error))?
        .join(name))
}

/// The directories that were created, the outermost first.
#[derive(Default)]
struct CreatedDirs<'a>(Vec<&'a Path>);

impl<'a> CreatedDirs<'a> {
    fn create(datadir: &'a Path) -> io::Result<Self> {
        let mut missing: Vec<&Path> = datadir
            .ancestors()
            .take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists())
            .collect();
        let mut created = Self::default();
        while let Some(dir) = missing.pop() {
            match fs::create_dir(dir) {
                Ok(()) => created.0.push(dir),
                // Another instance has created it since.
                Err(_) if dir.is_dir() => {}
                Err(error) => {
                    created.undo();
                    return Err(failure::creating_directory(datadir, error));
                }
            }
        }
        Ok(created)
    }

    /// Removes them after a setup that failed. A directory that is no longer empty stays.
    fn undo(&self) {
        for dir in self.0.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A test from outside cannot bring this race about.
    #[test]
    fn a_file_that_was_deleted_before_it_was_locked_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("LOCK");
        let lock = || match LockedFile::lock_file_at(&path, Primitive::Fcntl).unwrap() {
            Attempt::Locked(locked) => locked,
            _ => panic!("somebody else has it"),
        };
        let first = lock();
        fs::remove_file(&path).unwrap();
        let second = lock();
        assert!(matches!(first.confirm().unwrap(), Attempt::Replaced));
        assert!(matches!(second.confirm().unwrap(), Attempt::Locked(_)));
    }
}
