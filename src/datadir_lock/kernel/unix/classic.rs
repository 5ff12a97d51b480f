//! Classic POSIX record locks, for kernels without open file description locks.
//!
//! They belong to the process, which has two consequences that [fcntl(2)] warns of.
//! A second lock of the same file by the same process succeeds. And when the process
//! closes *any* descriptor of the file, the lock is gone. So this process keeps a list of
//! the files that it has locked in this way, never opens one of them again, and opens and
//! closes lock files one at a time.
//!
//! Where the kernel has open file description locks, none of that is needed, and no thread
//! waits for another: a file server that hangs must not delay datadirs that are elsewhere.
//!
//! Nothing can be done about other code in the process that opens and closes `LOCK`.
//!
//! [fcntl(2)]: https://man7.org/linux/man-pages/man2/fcntl_locking.2.html

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::FileId;
use super::syscalls::{Request, fcntl_lock};
use crate::datadir_lock::kernel::Taken;

/// The files that this process has locked. With each, the descriptors of it that were
/// opened by mistake: they must not be closed before the unlock.
type Locked = BTreeMap<FileId, Vec<File>>;

static LOCKED: RwLock<Locked> = RwLock::new(BTreeMap::new());

/// Whether the kernel has refused any other lock. From then on, this process opens lock
/// files one at a time.
///
/// Only a hint, so `Relaxed` will do, and nothing is left for loom to find: the permits are safe by `LOCKED` alone.
/// A thread that does not see the hint yet takes the read lock, which lets nobody take a classic lock meanwhile,
/// and comes back for the exclusive permit if it needs one.
static NEEDED: AtomicBool = AtomicBool::new(false);

/// The permission to open lock files, and to close them unlocked.
#[derive(Debug)]
pub(in crate::datadir_lock) enum OpenPermit {
    /// Other threads may have one too. Meanwhile no classic lock is taken, because that
    /// needs the exclusive permit.
    Shared(
        #[expect(dead_code, reason = "it is there to be dropped")] RwLockReadGuard<'static, Locked>,
    ),
    /// Only one thread has it at a time.
    Exclusive(RwLockWriteGuard<'static, Locked>),
}

/// A file that this process has locked.
#[derive(Debug)]
pub(super) struct Held(FileId);

impl OpenPermit {
    pub(in crate::datadir_lock) fn begin() -> Self {
        if !NEEDED.load(Relaxed) {
            let locked = LOCKED.read().unwrap_or_else(PoisonError::into_inner);
            // A file may have been locked since the load of `NEEDED`. But while we have this
            // read lock, an empty map stays empty.
            if locked.is_empty() {
                return Self::Shared(locked);
            }
        }
        Self::exclusive()
    }

    pub(super) fn exclusive() -> Self {
        // No panic can leave the map half changed, so a poisoned lock is sound.
        Self::Exclusive(LOCKED.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this process holds a classic lock on the file at `path`. To open and close
    /// the file would free it.
    pub(in crate::datadir_lock) fn must_not_open(&self, path: &Path) -> bool {
        match self {
            Self::Shared(_) => false,
            // `FileId::at` is a system call.
            Self::Exclusive(locked) => {
                !locked.is_empty() && FileId::at(path).is_ok_and(|id| locked.contains_key(&id))
            }
        }
    }

    /// Keeps `file` open if this process holds it after all, because it was renamed to this
    /// path between the check and the open. Gives back any other file.
    pub(in crate::datadir_lock) fn keep_if_held(&mut self, file: File, id: FileId) -> Option<File> {
        let Self::Exclusive(locked) = self else {
            return Some(file);
        };
        match locked.get_mut(&id) {
            Some(kept) => {
                kept.push(file);
                None
            }
            None => Some(file),
        }
    }

    pub(super) fn lock(&mut self, file: &File, id: FileId) -> io::Result<Taken<Held>> {
        let Self::Exclusive(locked) = self else {
            NEEDED.store(true, Relaxed);
            return Ok(Taken::NeedsExclusivePermit);
        };
        if !fcntl_lock(file, libc::F_SETLK, Request::TryLock)? {
            return Ok(Taken::Held);
        }
        locked.insert(id, Vec::new());
        Ok(Taken::Locked(Held(id)))
    }

    pub(super) fn unlock(&mut self, held: Held, file: &File) {
        let _ = fcntl_lock(file, libc::F_SETLK, Request::Unlock);
        if let Self::Exclusive(locked) = self {
            locked.remove(&held.0);
        }
    }
}
