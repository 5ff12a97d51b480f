//! [`LockedFile`]: `LOCK`, open and locked.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::kernel::{self, FileId, Locks, Opening, Primitive, Taken};
use super::{failure, record};
use crate::error::PidLockError;

/// How often `LOCK` may be replaced between our opening and locking it before we
/// say that something is wrong with that.
const REPLACEMENTS: usize = 100;

/// The pauses between two tries while another process has the datadir.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// `LOCK`, open and locked. Dropping it unlocks.
#[derive(Debug)]
pub(super) struct LockedFile {
    /// Always there before the drop.
    open: Option<(File, Locks)>,
    id: FileId,
    path: PathBuf,
    /// The process that locked it, which a forked child is not.
    owner: u32,
}

/// What one try ended in.
enum Attempt {
    Locked(LockedFile),
    Held(Holder),
    /// What we locked is not what stands at the path any more.
    Replaced,
    /// See [`Taken::Again`]: this happens to a process once.
    Again,
}

impl LockedFile {
    /// Locks `datadir/name`, and creates what is missing of it. While somebody else
    /// has it, tries again for as long as `patience`.
    pub(super) fn new(
        datadir: &Path,
        name: &Path,
        primitive: Primitive,
        patience: Duration,
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
                Ok(Attempt::Replaced) if replacements < REPLACEMENTS => {
                    replacements += 1;
                    continue;
                }
                // Nearly always the directory is there, so nobody looks before.
                Err(error) if error.kind() == io::ErrorKind::NotFound && created.is_none() => {
                    created = Some(CreatedDirs::create(datadir).map_err(setup_failed)?);
                    continue;
                }
                failed => {
                    if let Some(created) = created {
                        created.undo();
                    }
                    let never_stable = || failure::never_stable(&path);
                    return Err(setup_failed(failed.err().unwrap_or_else(never_stable)));
                }
            };
            let remaining = patience.saturating_sub(start.elapsed());
            if remaining.is_zero() {
                let datadir = datadir.to_owned();
                let pid = holder.pid();
                return Err(PidLockError::AlreadyHeld { datadir, pid });
            }
            // No system has a wait for such a lock that ends after a time: the ones
            // without end can only be broken off by a signal, which is the whole
            // process's business and not a library's.
            thread::sleep(pause.min(remaining));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn attempt(path: &Path, primitive: Primitive) -> io::Result<Attempt> {
        loop {
            match Self::lock_what_is_there(path, primitive)? {
                Attempt::Locked(locked) => return locked.settle(),
                Attempt::Again => {}
                other => return Ok(other),
            }
        }
    }

    /// Opens and locks whatever file stands at `path` at this moment.
    fn lock_what_is_there(path: &Path, primitive: Primitive) -> io::Result<Attempt> {
        let mut opening = Opening::begin();
        if opening.must_not_open(path) {
            return Ok(Attempt::Held(Holder::ThisProcess));
        }
        let file = match kernel::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match kernel::create(path) {
                // Another instance was quicker.
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
        let Some(file) = opening.keep_if_held(file, id) else {
            return Ok(Attempt::Held(Holder::ThisProcess));
        };
        match Locks::take(&file, id, primitive, &mut opening) {
            Ok(Taken::Locked(locks)) => Ok(Attempt::Locked(Self {
                open: Some((file, locks)),
                id,
                path: path.to_owned(),
                owner: kernel::process_id(),
            })),
            Ok(Taken::Held) => {
                let named = record::read(&file);
                Ok(Attempt::Held(Holder::Somebody { named, id }))
            }
            Ok(Taken::Again) => Ok(Attempt::Again),
            Err(error) => Err(failure::locking(path, primitive, error)),
        }
    }

    /// Makes sure that what was locked is what others will find, and signs it.
    fn settle(self) -> io::Result<Attempt> {
        // Between the open and the lock, somebody may have deleted the file: then we
        // hold what nobody else will ever find, and another process may hold what
        // stands there now. Once the path leads to what we hold, whoever comes later
        // finds it locked.
        if !self.is_in_place()? {
            return Ok(Attempt::Replaced);
        }
        // The lock counts, not the number: a full disk is no reason to refuse.
        let _ = record::write(self.file(), self.owner);
        Ok(Attempt::Locked(self))
    }

    fn open(&self) -> &(File, Locks) {
        self.open
            .as_ref()
            .expect("it is taken out by the drop alone")
    }

    fn file(&self) -> &File {
        &self.open().0
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The process that opened the file: in a forked child, its parent.
    pub(super) fn owner(&self) -> u32 {
        self.owner
    }

    /// Whether this process is another one, which has it by a fork.
    #[inline]
    pub(super) fn is_inherited(&self) -> bool {
        self.owner != kernel::process_id()
    }

    pub(super) fn is_in_place(&self) -> io::Result<bool> {
        kernel::is_still_at(self.id, &self.path)
    }

    /// Whether a server keeps the lock.
    pub(super) fn is_remote(&self) -> bool {
        self.open().1.are_remote()
    }

    /// Has the server that keeps the lock show that it still knows of us.
    ///
    /// An NFS client that was cut off for longer than its lease has lost its locks
    /// to whoever asked next. It learns of that by the error of an operation on the
    /// open file that reaches the server; what it has cached it reads without asking.
    pub(super) fn write_through(&self) -> io::Result<()> {
        record::write(self.file(), self.owner)?;
        self.file().sync_data()
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        let (file, locks) = self.open.take().expect("a value is dropped once");
        // A forked child shares the open file with its parent, so an unlock here would
        // be the parent's. Closing is harmless: the parent still has it open.
        if self.is_inherited() {
            return;
        }
        // While the lock is still ours: afterwards the record is somebody else's.
        let _ = record::clear(&file, self.owner);
        locks.free(file);
    }
}

/// Who refused us.
enum Holder {
    /// By a lock that allows no look into the file.
    ThisProcess,
    /// Perhaps the process that the file's record names.
    Somebody { named: Option<u32>, id: FileId },
}

impl Holder {
    /// The holder's process id, as far as it can be told for sure.
    fn pid(&self) -> Option<u32> {
        match *self {
            Self::ThisProcess => Some(kernel::process_id()),
            Self::Somebody { named, id } => named.filter(|&pid| kernel::holds(pid, id)),
        }
    }
}

/// The full path of the lock file. Made absolute once, so that it stays the same
/// when the process changes its working directory.
fn lock_path(datadir: &Path, name: &Path) -> io::Result<PathBuf> {
    if name.file_name() != Some(name.as_os_str()) {
        return Err(failure::bad_name(name));
    }
    let absolute = std::path::absolute(datadir);
    Ok(absolute
        .map_err(|error| failure::bad_datadir(datadir, error))?
        .join(name))
}

/// The directories that had to be created, the outermost first.
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
                // Another instance is doing the same.
                Err(_) if dir.is_dir() => {}
                Err(error) => {
                    created.undo();
                    return Err(failure::creating_directory(datadir, error));
                }
            }
        }
        Ok(created)
    }

    /// Leaves nothing behind of a setup that failed. A directory that somebody uses
    /// meanwhile is not empty, and stays.
    fn undo(&self) {
        for dir in self.0.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// The race that a test from outside cannot bring about at will.
    #[test]
    fn a_file_that_was_deleted_before_it_was_locked_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("LOCK");
        let lock = || match LockedFile::lock_what_is_there(&path, Primitive::Fcntl).unwrap() {
            Attempt::Locked(locked) => locked,
            _ => panic!("somebody else has it"),
        };
        let first = lock();
        fs::remove_file(&path).unwrap();
        let second = lock();
        assert!(matches!(first.settle().unwrap(), Attempt::Replaced));
        assert!(matches!(second.settle().unwrap(), Attempt::Locked(_)));
    }
}
