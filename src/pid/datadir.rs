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

/// The constructors of a manager with a field `locks: TableLocks<Arc<Datadir>>`.
macro_rules! open_datadir {
    ($manager:ident, $primitive:expr) => {
        impl $manager {
            /// Opens `datadir` for this process alone, or says who has it. Creates the
            /// directory, with its parents, and `LOCK` in it if they are missing.
            ///
            /// # Errors
            ///
            /// [`AlreadyHeld`] if another manager has the datadir, in this process or
            /// another; [`SetupFailed`] for everything that says nothing about others:
            /// no permission, no space, a `LOCK` that is no regular file, a file
            /// system without such locks.
            ///
            /// [`AlreadyHeld`]: crate::PidLockError::AlreadyHeld
            /// [`SetupFailed`]: crate::PidLockError::SetupFailed
            pub fn new(datadir: impl Into<PathBuf>) -> Result<Self, $crate::PidLockError> {
                Self::open_timeout(datadir, std::time::Duration::ZERO)
            }

            /// As [`new`](Self::new), with another name for the lock file: for a datadir
            /// in which `LOCK` belongs to something else. All instances must agree on it.
            ///
            /// # Errors
            ///
            /// As [`new`](Self::new); [`SetupFailed`](crate::PidLockError::SetupFailed)
            /// also if `name` is not a plain file name.
            pub fn new_with_lock_file(
                datadir: impl Into<PathBuf>,
                name: impl Into<PathBuf>,
            ) -> Result<Self, $crate::PidLockError> {
                let none = std::time::Duration::ZERO;
                let datadir = Datadir::open(datadir.into(), &name.into(), $primitive, none)?;
                Ok(Self::on(datadir))
            }

            /// As [`new`](Self::new), but waits up to `timeout` for another instance that
            /// has the datadir, such as one that is just shutting down.
            /// `Duration::MAX` waits for ever.
            ///
            /// It blocks the thread: in async code call it at the start, or from
            /// `tokio::task::spawn_blocking`. It looks every 20 milliseconds at the
            /// latest, because no system offers a wait for such a lock that ends after
            /// a time. Who waits longest is not served first.
            ///
            /// # Errors
            ///
            /// As [`new`](Self::new); [`AlreadyHeld`](crate::PidLockError::AlreadyHeld)
            /// only after `timeout`, everything else at once.
            pub fn open_timeout(
                datadir: impl Into<PathBuf>,
                timeout: std::time::Duration,
            ) -> Result<Self, $crate::PidLockError> {
                let lock_file = std::path::Path::new($crate::pid::datadir::LOCK);
                let datadir = Datadir::open(datadir.into(), lock_file, $primitive, timeout)?;
                Ok(Self::on(datadir))
            }

            /// The same manager, whose requests carry `label`: in
            /// [`query`](crate::LockManager::query), and in the errors of those who time
            /// out behind them.
            #[must_use]
            pub fn with_label(self, label: impl Into<Arc<str>>) -> Self {
                Self {
                    locks: self.locks.in_the_name_of(label.into()),
                }
            }

            fn on(datadir: Datadir) -> Self {
                Self {
                    locks: TableLocks::new(Arc::new(datadir), None),
                }
            }

            /// The datadir, as it was given to the constructor.
            pub fn datadir(&self) -> &std::path::Path {
                self.locks.owner().path()
            }
        }
    };
}

pub(crate) use open_datadir;
