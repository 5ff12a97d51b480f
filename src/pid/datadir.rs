//! [`Datadir`]: a locked datadir with the lock table for its keys, and the watch
//! over what the table stands on.

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Primitive;
use super::file::LockedFile;
use crate::error::{LockError, PidLockError};
use crate::table::shared::{Freshness, Owner, SharedTable};
use crate::time::Since;

/// The name of the lock file unless the application gives another.
pub(crate) const LOCK: &str = "LOCK";

/// For how long a look at the lock file stays good enough for one who asks for a
/// lock. Well below the second within which a loss has to be noticed.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// A datadir that this process has locked. Its manager shares it with all guards,
/// so it stays locked until the last of them is gone.
pub(crate) struct Datadir {
    table: ManuallyDrop<SharedTable>,
    file: LockedFile,
    /// As the application spelled it.
    path: PathBuf,
    /// Set once: what took the datadir away from us.
    lost: OnceLock<String>,
    opened: Since,
    /// When the next look is due, in milliseconds since `opened`.
    next_look: AtomicU64,
}

impl Datadir {
    pub(crate) fn open(
        path: PathBuf,
        lock_file: &Path,
        primitive: Primitive,
        patience: Duration,
    ) -> Result<Self, PidLockError> {
        let file = LockedFile::new(&path, lock_file, primitive, patience)?;
        Ok(Self {
            table: ManuallyDrop::new(SharedTable::new()),
            file,
            path,
            lost: OnceLock::new(),
            opened: Since::now(),
            next_look: AtomicU64::new(LOOK_EVERY.as_millis() as u64),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a look is due, and if so, that nobody else need take it. Two threads
    /// may come to look at the same time; that does no harm, so nothing has to be
    /// ordered.
    fn look_is_due(&self) -> bool {
        let now = self.opened.elapsed().as_millis() as u64;
        if now < self.next_look.load(Ordering::Relaxed) {
            return false;
        }
        let next = now + LOOK_EVERY.as_millis() as u64;
        self.next_look.store(next, Ordering::Relaxed);
        true
    }

    /// What took the datadir away from us, if something did; `Err` if that cannot be
    /// found out.
    fn look(&self, ask_the_server: bool) -> io::Result<Option<String>> {
        let path = self.file.path().display();
        if !self.file.is_in_place()? {
            return Ok(Some(format!(
                "{path} was deleted or replaced while it was locked, so another process \
                 may have opened the datadir; stop, and find out which program did it"
            )));
        }
        if !ask_the_server {
            return Ok(None);
        }
        match self.file.write_through() {
            // The lock went with the lease, or the file with its handle.
            Err(error) if is_io_failure(&error) => Ok(Some(format!(
                "the server of {path} does not know our lock any more ({error}), so \
                 another machine may have opened the datadir"
            ))),
            // A full disk says nothing about the lock.
            _ => Ok(None),
        }
    }

    fn lose(&self, reason: String) -> LockError {
        // The first reason stays. It is set before the table is closed: whoever finds
        // the table closed finds the reason too.
        let is_first = self.lost.set(reason).is_ok();
        let reason = self.lost.get().expect("it was set, by us or before");
        self.table.close(reason);
        if is_first {
            // Once, and here: whoever only asks `try_lock` is never told. Not in a forked
            // child, where the logger's mutexes may be locked for ever.
            log::warn!(
                target: "crosslock",
                "datadir {} is lost, and no lock on it is granted any more: {reason}",
                self.path.display(),
            );
        }
        lost(reason.clone())
    }
}

/// EIO, which has no kind of its own, and ESTALE.
fn is_io_failure(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO) || error.kind() == io::ErrorKind::StaleNetworkFileHandle
}

fn lost(reason: String) -> LockError {
    LockError::Lost { key: None, reason }
}

impl Owner for Arc<Datadir> {
    const CHECK_EVERY: Option<Duration> = Some(LOOK_EVERY);

    fn table(&self) -> &SharedTable {
        &self.table
    }

    #[inline]
    fn is_inherited(&self) -> bool {
        self.file.is_inherited()
    }

    #[inline]
    fn check(&self, freshness: Freshness) -> Result<(), LockError> {
        // A child that was forked off without an `exec` has a copy of the table, and
        // would grant what the parent grants.
        if self.file.is_inherited() {
            return Err(lost(format!(
                "{} is held by process {}, from which this process {} was forked; locks do \
                 not cross a fork",
                self.file.path().display(),
                self.file.owner(),
                std::process::id(),
            )));
        }
        if let Some(reason) = self.lost.get() {
            return Err(lost(reason.clone()));
        }
        let due = self.look_is_due();
        if !due && freshness == Freshness::Recent {
            return Ok(());
        }
        match self.look(due && self.file.is_remote()) {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(self.lose(reason)),
            Err(source) => {
                // What was not seen must not count as seen: the next one looks again.
                self.next_look.store(0, Ordering::Relaxed);
                let path = self.file.path().display();
                let context = format!("cannot look whether {path} is still ours");
                Err(LockError::Io { context, source })
            }
        }
    }
}

impl Drop for Datadir {
    fn drop(&mut self) {
        // In a forked child, what another thread was just changing is half changed for
        // ever; and who waits there belongs to the parent. The child ends soon.
        if self.file.is_inherited() {
            return;
        }
        // SAFETY: it is dropped here alone, and a value is dropped once.
        unsafe { ManuallyDrop::drop(&mut self.table) };
    }
}

impl fmt::Debug for Datadir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datadir")
            .field("path", &self.path)
            .field("lost", &self.lost.get())
            .finish_non_exhaustive()
    }
}
