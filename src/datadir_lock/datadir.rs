//! [`LockedDatadir`]: a locked datadir with the lock table for its keys. It checks that
//! the kernel's lock, on which the table relies, is still ours.

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::file::LockedFile;
use super::kernel::FileId;
use super::{DatadirOptions, Primitive};
use crate::error::{LockError, PidLockError};
use crate::table::handle::{Staleness, TableHandle};
use crate::table::locks::TableLocks;
use crate::table::shards::SharedTable;
use crate::time::Since;

/// How long a check of the lock file stays recent enough for a request. A loss has to be
/// noticed within a second of use, and this is well below.
const CHECK_INTERVAL: Duration = Duration::from_millis(400);

/// How long what a check has found counts, from when it began. A check that is under way longer is stuck: a
/// file server does not answer, which meanwhile may give the lock to another machine. Then nobody may rely
/// on the check before, and whoever asks makes one of their own.
const CHECK_COUNTS: Duration = Duration::from_millis(800);

/// How often a file server is asked that answers too late.
const TRIES: usize = 3;

/// A datadir that this process has locked. The manager shares it with all guards, so it
/// stays locked until the last of them is gone.
pub(crate) struct LockedDatadir {
    table: ManuallyDrop<SharedTable>,
    file: LockedFile,
    /// As the application spelled it.
    path: PathBuf,
    /// Set once: why the datadir is lost.
    lost: OnceLock<String>,
    opened: Since,
    /// When the next check is due, in milliseconds since `opened`.
    next_check: AtomicU64,
    /// When the last check began that found all well, likewise.
    confirmed: AtomicU64,
    /// Locked by the thread that asks a file server: what the server said that is for ever, if it did.
    server: Mutex<Option<String>>,
}

/// Locks a datadir, for the keyed locks of a manager.
pub(crate) fn open(
    options: DatadirOptions,
    primitive: Primitive,
) -> Result<TableLocks<Arc<LockedDatadir>>, PidLockError> {
    let (datadir, label) = lock(options, primitive)?;
    Ok(TableLocks::new(Arc::new(datadir), label))
}

/// Locks a datadir, for a manager that puts more on the lock table. Also returns the label.
pub(crate) fn lock(
    options: DatadirOptions,
    primitive: Primitive,
) -> Result<(LockedDatadir, Option<Arc<str>>), PidLockError> {
    let DatadirOptions {
        datadir: path,
        lock_file,
        timeout,
        label,
    } = options;
    let file = LockedFile::new(&path, &lock_file, primitive, timeout)?;
    let datadir = LockedDatadir {
        table: ManuallyDrop::new(SharedTable::new()),
        file,
        path,
        lost: OnceLock::new(),
        opened: Since::now(),
        next_check: AtomicU64::new(CHECK_INTERVAL.as_millis() as u64),
        confirmed: AtomicU64::new(0),
        server: Mutex::default(),
    };
    Ok((datadir, label.map(Arc::from)))
}

impl LockedDatadir {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Milliseconds since the datadir was opened.
    fn now(&self) -> u64 {
        self.opened.elapsed().as_millis() as u64
    }

    /// Whether a check is due at `now`. If so, the caller makes it, and the next one is put off.
    ///
    /// Two threads may both be told to check. That does no harm, so the loads and stores
    /// need no order.
    fn check_is_due(&self, now: u64) -> bool {
        if now < self.next_check.load(Ordering::Relaxed) {
            // Whoever makes it may be stuck in it.
            return !self.is_confirmed(now);
        }
        let next = now + CHECK_INTERVAL.as_millis() as u64;
        self.next_check.store(next, Ordering::Relaxed);
        true
    }

    /// Whether a check counts at `now` that found all well.
    ///
    /// The number stands for itself: no other memory is read because of it, so it needs no order, and there
    /// is nothing that a model of threads could find. It only grows, and is stored after its check. A thread that sees
    /// an older one therefore checks once more, and none relies on a check that has not ended.
    fn is_confirmed(&self, now: u64) -> bool {
        let confirmed = self.confirmed.load(Ordering::Relaxed);
        now < confirmed + CHECK_COUNTS.as_millis() as u64
    }

    fn confirm(&self, begun: u64) {
        self.confirmed.fetch_max(begun, Ordering::Relaxed);
    }

    /// Checks what is locked, and returns why the datadir is lost, if it is. `Err` if that cannot
    /// be found out.
    fn find_loss(
        &self,
        due: bool,
        further: impl FnOnce() -> io::Result<Option<String>>,
    ) -> io::Result<Option<String>> {
        let begun = self.now();
        let path = self.file.path().display();
        if !self.file.is_in_place()? {
            return Ok(Some(format!(
                "{path} was deleted or replaced while it was locked, so another process \
                 may have opened the datadir; stop, and find out which program did it"
            )));
        }
        if let Some(reason) = further()? {
            return Ok(Some(reason));
        }
        if !self.file.is_remote() {
            self.confirm(begun);
            return Ok(None);
        }
        // Last, because what is done before may take as long as the server likes.
        match due || !self.is_confirmed(self.now()) {
            true => self.ask_server(),
            false => Ok(None),
        }
    }

    /// One after the other: if two threads wrote at a time, the kernel would tell one of them of an
    /// error, and the other one of success. (See fsync(2): an error is reported once for an open file.)
    fn ask_server(&self) -> io::Result<Option<String>> {
        let since = self.now();
        // Nothing panics while it is locked.
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &*server {
            return Ok(Some(reason.clone()));
        }
        // Another thread has asked all of it while this one waited.
        if self.confirmed.load(Ordering::Relaxed) > since {
            return Ok(None);
        }
        for _ in 0..TRIES {
            let begun = self.now();
            match self.file.write_through() {
                // The server let our lease expire, and the lock with it; or it removed the file.
                Err(error) if is_io_failure(&error) => {
                    let path = self.file.path().display();
                    *server = Some(format!(
                        "the server of {path} no longer knows our lock ({error}), so another \
                         machine may have opened the datadir"
                    ));
                    return Ok(server.clone());
                }
                // It has looked at our lock before it refused for another reason.
                Err(error) if is_refusal(&error) => {}
                // Such as ETIMEDOUT, on a mount whose client gives up (`softerr` in nfs(5)): the lock may be
                // gone or not.
                Err(error) => return Err(error),
                Ok(()) => {}
            }
            self.confirm(begun);
            // A late answer may be an old one: a server of NFS 4.0 keeps it for those who ask once more,
            // because the network lost it, and does not look whether the lease is over by then.
            if self.is_confirmed(self.now()) {
                return Ok(None);
            }
        }
        let why = "the file server takes so long to answer that the lock may be lost by then";
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    }

    pub(crate) fn mark_lost(&self, reason: String) -> LockError {
        // The first reason stays. It is set before the table is closed, so whoever finds
        // the table closed finds the reason too.
        let is_first = self.lost.set(reason).is_ok();
        let reason = self.lost.get().expect("it was set here or before");
        self.table.close(reason);
        if is_first {
            // Logged once, because a caller that uses `try_lock` alone never sees the error. A
            // forked child does not come here: the logger's mutexes may be locked there for ever.
            log::warn!(
                target: "crosslock",
                "datadir {} is lost, and no lock on it is granted any more: {reason}",
                self.path.display(),
            );
        }
        lost(reason.clone())
    }
}

/// `EIO`, which has no [`io::ErrorKind`], or `ESTALE`.
fn is_io_failure(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.raw_os_error() == Some(EIO) || error.kind() == io::ErrorKind::StaleNetworkFileHandle
}

/// Whether a server that has answered so may still know our lock.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn lost(reason: String) -> LockError {
    LockError::Lost { key: None, reason }
}

impl LockedDatadir {
    /// How often [`check`](Self::check) looks while somebody waits to hear of a loss.
    pub(crate) const CHECK_EVERY: Option<Duration> = Some(CHECK_INTERVAL);

    pub(crate) fn table(&self) -> &SharedTable {
        &self.table
    }

    #[inline]
    pub(crate) fn is_inherited(&self) -> bool {
        self.file.is_inherited()
    }

    /// [`TableHandle::check`]. When `LOCK` is looked at, `further` looks at the rest of what the manager
    /// has locked: it returns why that is lost, if it is.
    #[inline]
    pub(crate) fn check(
        &self,
        staleness: Staleness,
        further: impl FnOnce() -> io::Result<Option<String>>,
    ) -> Result<(), LockError> {
        // A child of a fork without `exec` has a copy of the table, and would grant what the
        // parent grants.
        if self.file.is_inherited() {
            return Err(lost(format!(
                "{} is held by process {}, from which this process {} was forked; a forked \
                 process does not inherit locks",
                self.file.path().display(),
                self.file.owner(),
                std::process::id(),
            )));
        }
        if let Some(reason) = self.lost.get() {
            return Err(lost(reason.clone()));
        }
        let due = self.check_is_due(self.now());
        if !due && staleness == Staleness::Recent {
            return Ok(());
        }
        match self.find_loss(due, further) {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(self.mark_lost(reason)),
            Err(source) => {
                // A check that failed does not count: the next request checks again.
                self.next_check.store(0, Ordering::Relaxed);
                let path = self.file.path().display();
                let context = format!("cannot check whether {path} is still ours");
                Err(LockError::Io { context, source })
            }
        }
    }
}

/// What a manager needs that puts files of its own beside `LOCK`.
#[cfg_attr(
    not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        windows
    )),
    expect(dead_code, reason = "for datadirs that are shared by key")
)]
impl LockedDatadir {
    /// The absolute path of the locked file.
    pub(crate) fn file_path(&self) -> &Path {
        self.file.path()
    }

    /// The identity of that file.
    pub(crate) fn file_id(&self) -> FileId {
        self.file.id()
    }

    /// Whether the datadir is known to be lost.
    pub(crate) fn lost(&self) -> Option<LockError> {
        self.lost.get().map(|reason| lost(reason.clone()))
    }
}

impl TableHandle for Arc<LockedDatadir> {
    const CHECK_EVERY: Option<Duration> = LockedDatadir::CHECK_EVERY;

    fn table(&self) -> &SharedTable {
        LockedDatadir::table(self)
    }

    #[inline]
    fn is_inherited(&self) -> bool {
        LockedDatadir::is_inherited(self)
    }

    #[inline]
    fn check(&self, staleness: Staleness) -> Result<(), LockError> {
        LockedDatadir::check(self, staleness, || Ok(None))
    }
}

impl Drop for LockedDatadir {
    fn drop(&mut self) {
        // In a forked child, what another thread was changing at the fork stays half changed
        // for ever, and the waiters in the table belong to the parent. So the table is leaked.
        if self.file.is_inherited() {
            return;
        }
        // SAFETY: the table is dropped here alone, and `drop` of a value runs once.
        unsafe { ManuallyDrop::drop(&mut self.table) };
    }
}

impl fmt::Debug for LockedDatadir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockedDatadir")
            .field("path", &self.path)
            .field("lost", &self.lost.get())
            .finish_non_exhaustive()
    }
}
