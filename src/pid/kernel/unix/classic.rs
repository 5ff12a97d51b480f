//! Classic POSIX record locks, for kernels without open file description locks.
//!
//! They belong to the process, which has two consequences that [fcntl(2)] warns of.
//! A second lock of the same file by the same process succeeds; and when the
//! process closes *any* descriptor of the file, the lock is gone. So this process
//! must know which files it has locked, never open one of them again, and open and
//! close lock files one at a time.
//!
//! What stays beyond our reach is other code in the process that opens and closes
//! `LOCK`.
//!
//! [fcntl(2)]: https://man7.org/linux/man-pages/man2/fcntl_locking.2.html

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::FileId;
use super::syscalls::{Request, record_lock};

/// The files that this process has locked, and descriptors of them which it
/// opened by mistake and must not close before it unlocks.
static LOCKED: Mutex<BTreeMap<FileId, Vec<File>>> = Mutex::new(BTreeMap::new());

/// The right to open or close lock files: one thread has it at a time.
#[derive(Debug)]
pub(in crate::pid) struct Opening(MutexGuard<'static, BTreeMap<FileId, Vec<File>>>);

/// A file that this process has locked.
#[derive(Debug)]
pub(super) struct Held(FileId);

impl Opening {
    pub(in crate::pid) fn begin() -> Self {
        // Between two changes of the map nothing can panic, so it is never half done.
        Self(LOCKED.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this process holds the file at `path` by a lock that opening and
    /// closing it would free.
    pub(in crate::pid) fn must_not_open(&self, path: &Path) -> bool {
        // The look costs a system call, and nearly every kernel needs none.
        !self.0.is_empty() && FileId::at(path).is_ok_and(|id| self.0.contains_key(&id))
    }

    /// Takes over a file that we hold after all: it was renamed to this path between
    /// the look and the open. Gives back any other.
    pub(in crate::pid) fn keep_if_held(&mut self, file: File, id: FileId) -> Option<File> {
        match self.0.get_mut(&id) {
            Some(kept) => {
                kept.push(file);
                None
            }
            None => Some(file),
        }
    }

    pub(super) fn lock(&mut self, file: &File, id: FileId) -> io::Result<Option<Held>> {
        if !record_lock(file, libc::F_SETLK, Request::TryLock)? {
            return Ok(None);
        }
        self.0.insert(id, Vec::new());
        Ok(Some(Held(id)))
    }

    pub(super) fn unlock(&mut self, held: Held, file: &File) {
        let _ = record_lock(file, libc::F_SETLK, Request::Unlock);
        self.0.remove(&held.0);
    }
}
