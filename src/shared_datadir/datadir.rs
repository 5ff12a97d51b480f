//! [`SharedDatadir`]: what a manager and its guards keep alive.

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::files::{LockFiles, NewWait, Outcome, Unusable};
use super::processes::Processes;
use super::ranges::Region;
use super::threads::Threads;
use crate::datadir_lock::datadir::{self, LockedDatadir};
use crate::datadir_lock::{DatadirOptions, Primitive};
use crate::error::{LockError, PidLockError};
use crate::table::handle::{Staleness, TableHandle};
use crate::table::locks::TableLocks;
use crate::table::shards::SharedTable;

/// How often it is looked for [who shares the datadir](SharedDatadir::processes).
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A datadir that this process shares with others.
pub(super) struct SharedDatadir {
    files: ManuallyDrop<LockFiles>,
    threads: ManuallyDrop<Threads>,
    /// What was found of them last.
    processes: Mutex<Option<Look>>,
    /// Whether those were told of a loss that wait for other processes.
    told: AtomicBool,
    /// Dropped last: others may have the datadir for themselves from then on.
    base: LockedDatadir,
}

/// A look at the processes that share the datadir.
#[derive(Debug)]
struct Look {
    found: Arc<Processes>,
    was_complete: bool,
    at: Instant,
}

impl Look {
    /// Whether another look would find no more than this one.
    fn will_do(&self, now: Instant, is_complete: impl Fn(&Processes) -> bool) -> bool {
        now.duration_since(self.at) < LOOK_EVERY
            // One that lacks somebody although all were looked for would lack it again.
            && (!self.was_complete || is_complete(&self.found))
    }
}

pub(super) fn open(
    options: DatadirOptions,
) -> Result<TableLocks<Arc<SharedDatadir>>, PidLockError> {
    let path = options.datadir.clone();
    let mut name = options.lock_file.clone().into_os_string();
    name.push("S");
    let (base, label) = datadir::lock(options, Primitive::Shared)?;
    let folder = base.file_path().with_file_name(name);
    let files = LockFiles::create(folder).map_err(|source| PidLockError::SetupFailed {
        datadir: path,
        source,
    })?;
    let datadir = SharedDatadir {
        files: ManuallyDrop::new(files),
        threads: ManuallyDrop::default(),
        processes: Mutex::default(),
        told: AtomicBool::new(false),
        base,
    };
    Ok(TableLocks::new(Arc::new(datadir), label))
}

impl SharedDatadir {
    pub(super) fn path(&self) -> &Path {
        self.base.path()
    }

    pub(super) fn files(&self) -> &LockFiles {
        &self.files
    }

    /// Which processes have locked something. To look costs a millisecond where many share the datadir, and
    /// of a thousand requests that time out together each is told who was in the way. So they are looked for
    /// every few milliseconds at most.
    pub(super) fn processes(&self, is_complete: impl Fn(&Processes) -> bool) -> Arc<Processes> {
        let nobody = Processes::default();
        if is_complete(&nobody) {
            return Arc::new(nobody);
        }
        let mut last = self
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && last.will_do(Instant::now(), &is_complete)
        {
            return Arc::clone(&last.found);
        }
        let found = Arc::new(Processes::find(self.base.file_id(), &is_complete));
        *last = Some(Look {
            was_complete: is_complete(&found),
            found: Arc::clone(&found),
            at: Instant::now(),
        });
        found
    }

    /// Whether the datadir is known to be lost.
    pub(super) fn lost(&self) -> Option<LockError> {
        self.base.lost()
    }

    pub(super) fn cannot_use(&self, key: &str, unusable: Unusable) -> LockError {
        match unusable {
            Unusable::Gone(reason) => {
                let error = self.base.mark_lost(reason);
                self.tell_of_loss();
                error
            }
            Unusable::Failed(source) => self.failed(key, source),
        }
    }

    pub(super) fn failed(&self, key: &str, source: io::Error) -> LockError {
        let folder = self.files.folder().display();
        LockError::io(format!("cannot lock \"{key}\" in {folder}"), source)
    }

    /// Starts the thread and wakes those that `outcome` names, with nothing locked.
    #[inline]
    pub(super) fn carry_out(self: &Arc<Self>, outcome: Outcome) {
        if outcome.wait.is_some() || !outcome.wakes.is_empty() {
            self.start_and_wake(outcome);
        }
    }

    fn start_and_wake(self: &Arc<Self>, mut outcome: Outcome) {
        loop {
            outcome.wakes.into_iter().for_each(Waker::wake);
            let Some(wait) = outcome.wait else { return };
            let (place, call) = (wait.place, wait.call.clone());
            // A thread that waits must not keep the datadir: all else may be dropped meanwhile.
            let weak = Arc::downgrade(self);
            match self.threads.run(Box::new(move || wait_for(weak, wait))) {
                Ok(()) => return,
                Err(error) => outcome = self.files.at(place).waited(place, &call, Err(error)),
            }
        }
    }

    fn tell_of_loss(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            self.files.wake_all();
        }
    }
}

/// Runs in a thread of its own, until there is nothing more to wait for.
fn wait_for(datadir: Weak<SharedDatadir>, mut wait: NewWait) {
    loop {
        let region = Region {
            file: &wait.file,
            start: wait.place.start,
        };
        let result = region.call(&wait.call).map(drop);
        let Some(datadir) = datadir.upgrade() else {
            return;
        };
        datadir.files.put_back(wait.place, wait.file);
        let file = datadir.files.at(wait.place);
        let outcome = file.waited(wait.place, &wait.call, result);
        outcome.wakes.into_iter().for_each(Waker::wake);
        match outcome.wait {
            Some(next) => wait = next,
            None => return,
        }
    }
}

impl TableHandle for Arc<SharedDatadir> {
    const CHECK_EVERY: Option<Duration> = LockedDatadir::CHECK_EVERY;

    fn table(&self) -> &SharedTable {
        self.base.table()
    }

    #[inline]
    fn is_inherited(&self) -> bool {
        self.base.is_inherited()
    }

    #[inline]
    fn check(&self, staleness: Staleness) -> Result<(), LockError> {
        let checked = self.base.check(staleness, || self.files.find_loss());
        if let Err(LockError::Lost { .. }) = checked
            && !self.is_inherited()
        {
            self.tell_of_loss();
        }
        checked
    }
}

impl Drop for SharedDatadir {
    fn drop(&mut self) {
        // As for the lock table: in a forked child this belongs to the threads of the parent.
        if self.base.is_inherited() {
            return;
        }
        // SAFETY: both are dropped here alone, and `drop` of a value runs once.
        unsafe {
            ManuallyDrop::drop(&mut self.files);
            ManuallyDrop::drop(&mut self.threads);
        }
    }
}

impl fmt::Debug for SharedDatadir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedDatadir")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::LockMode;
    use crate::shared_datadir::place::Place;
    use crate::shared_datadir::request::Request;

    #[test]
    fn a_look_at_the_processes_will_do_for_some_milliseconds() {
        let at = Instant::now();
        let look = |was_complete| Look {
            found: Arc::default(),
            was_complete,
            at,
        };
        let soon = at + LOOK_EVERY - Duration::from_nanos(1);
        for (was_complete, is_complete, will_do) in [
            (true, true, true),
            (true, false, false),
            (false, true, true),
            (false, false, true),
        ] {
            let look = look(was_complete);
            assert_eq!(look.will_do(soon, |_| is_complete), will_do);
            assert!(!look.will_do(at + LOOK_EVERY, |_| is_complete));
        }
    }

    /// A ticket is there while somebody wants it, and no longer, or each key that was ever used would take memory.
    #[test]
    fn what_nobody_wants_any_more_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let locks = open(DatadirOptions::new(folder.path())).expect("nobody else has it");
        let datadir = locks.handle();
        let file = datadir.files().at(Place::of("key"));
        let is_known = || file.look(Place::of("key"), |_| ()).is_some();
        let asked = [LockMode::Shared; 2].map(|mode| Request::asked(datadir, "key", mode));
        let [one, other] = asked.map(Result::unwrap);
        assert!(one.is_granted() && other.is_granted());
        drop(one);
        assert!(is_known());
        drop(other);
        assert!(!is_known());
    }
}
