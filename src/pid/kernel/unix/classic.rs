//! Classic POSIX record locks, for kernels without open file description locks.
//!
//! They belong to the process, which has two consequences that [fcntl(2)] warns of.
//! A second lock of the same file by the same process succeeds; and when the
//! process closes *any* descriptor of the file, the lock is gone. So this process
//! must know which files it has locked so, never open one of them again, and open and
//! close lock files one at a time.
//!
//! Where the kernel has the other locks, none of that is needed, and nobody waits for
//! anybody: a file server that hangs would hold up those whose datadirs lie elsewhere.
//!
//! What stays beyond our reach is other code in the process that opens and closes
//! `LOCK`.
//!
//! [fcntl(2)]: https://man7.org/linux/man-pages/man2/fcntl_locking.2.html

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::FileId;
use super::syscalls::{Request, record_lock};
use crate::pid::kernel::Taken;

/// The files that this process has locked, and descriptors of them which it
/// opened by mistake and must not close before it unlocks.
type Locked = BTreeMap<FileId, Vec<File>>;

static LOCKED: RwLock<Locked> = RwLock::new(BTreeMap::new());

/// Whether some file could be locked in no other way. From then on, this process opens
/// lock files one at a time.
static NEEDED: AtomicBool = AtomicBool::new(false);

/// The right to open lock files, and to close them unlocked.
#[derive(Debug)]
pub(in crate::pid) enum Opening {
    /// Beside other threads. Nothing is locked classically meanwhile, for that takes the
    /// other right.
    Shared(
        #[expect(dead_code, reason = "it is there to be dropped")] RwLockReadGuard<'static, Locked>,
    ),
    /// One thread has it at a time.
    Exclusive(RwLockWriteGuard<'static, Locked>),
}

/// A file that this process has locked.
#[derive(Debug)]
pub(super) struct Held(FileId);

impl Opening {
    pub(in crate::pid) fn begin() -> Self {
        if !NEEDED.load(Relaxed) {
            let locked = LOCKED.read().unwrap_or_else(PoisonError::into_inner);
            // It may have become needed just before. Once we have the lock, what is empty
            // stays so.
            if locked.is_empty() {
                return Self::Shared(locked);
            }
        }
        Self::exclusive()
    }

    pub(super) fn exclusive() -> Self {
        // Between two changes of the map nothing can panic, so it is never half done.
        Self::Exclusive(LOCKED.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this process holds the file at `path` by a lock that opening and
    /// closing it would free.
    pub(in crate::pid) fn must_not_open(&self, path: &Path) -> bool {
        match self {
            Self::Shared(_) => false,
            // The look costs a system call.
            Self::Exclusive(locked) => {
                !locked.is_empty() && FileId::at(path).is_ok_and(|id| locked.contains_key(&id))
            }
        }
    }

    /// Takes over a file that we hold after all: it was renamed to this path between
    /// the look and the open. Gives back any other.
    pub(in crate::pid) fn keep_if_held(&mut self, file: File, id: FileId) -> Option<File> {
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
            return Ok(Taken::Again);
        };
        if !record_lock(file, libc::F_SETLK, Request::TryLock)? {
            return Ok(Taken::Held);
        }
        locked.insert(id, Vec::new());
        Ok(Taken::Locked(Held(id)))
    }

    pub(super) fn unlock(&mut self, held: Held, file: &File) {
        let _ = record_lock(file, libc::F_SETLK, Request::Unlock);
        if let Self::Exclusive(locked) = self {
            locked.remove(&held.0);
        }
    }
}
