//! [`LockFiles`]: the folder `LOCKS`, and what this process has of the regions of its files.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use super::place::{FILES, Place, file_name};
use super::protocol::{Answer, Call};
use super::ranges::Region;
use super::ticket::{Effects, Failure, Kernel, Numbers, RequestNumber, Ticket};
use super::wait_files::WaitFiles;
use super::waits::{BlockedWait, Waits};
use crate::datadir_lock::failure;
use crate::datadir_lock::kernel::{self, FileId};
use crate::hash::BuildHasher;

/// The files in `LOCKS`. All are created when the datadir is opened, so that later neither a
/// full disk nor a missing permission is in the way of a lock. Each is opened when it is used for the
/// first time, and stays open.
#[derive(Debug)]
pub(super) struct LockFiles {
    folder: PathBuf,
    files: Box<[LockFile]>,
}

#[derive(Debug)]
pub(super) struct LockFile {
    path: PathBuf,
    opened: OnceLock<Opened>,
    state: Mutex<Tickets>,
}

/// Two open files: see [`protocol`](super::protocol).
#[derive(Debug)]
struct Opened {
    id: FileId,
    for_tickets: File,
    /// A thread that waits keeps one of these alone, so that it does not keep the datadir.
    for_waits: WaitFiles,
}

impl Opened {
    /// The region at `place`, for tickets.
    fn region(&self, place: Place) -> Region<'_> {
        Region {
            file: &self.for_tickets,
            start: place.start,
        }
    }
}

/// What this process has of the regions of one file.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    by_region: HashMap<u64, Ticket, BuildHasher>,
    numbers: Numbers,
    waits: Waits,
}

/// A wait for which a thread is to be started.
#[derive(Debug)]
pub(super) struct NewWait {
    pub(super) place: Place,
    pub(super) call: Call,
    pub(super) file: Arc<File>,
}

/// Why a file of `LOCKS` cannot be used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It was deleted or replaced.
    Gone(String),
    Failed(io::Error),
}

/// Whom to wake, and the thread to start, when nothing is locked any more.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) wakes: Vec<Waker>,
    pub(super) wait: Option<NewWait>,
}

impl LockFiles {
    /// Creates what is missing.
    ///
    /// # Errors
    ///
    /// Those of the system, with what to do.
    pub(super) fn create(folder: PathBuf) -> io::Result<Self> {
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failure::creating_directory(&folder, error));
            }
            _ => {}
        }
        let listed = fs::read_dir(&folder);
        let listed = listed.map_err(|error| failure::creating_directory(&folder, error))?;
        let mut missing = [true; FILES];
        for entry in listed {
            let name = entry?.file_name();
            let number = name
                .to_str()
                .and_then(|name| usize::from_str_radix(name, 16).ok());
            if let Some(number) = number
                && number < FILES
                && name == *file_name(number)
            {
                missing[number] = false;
            }
        }
        let files = (0..FILES).map(|number| {
            let path = folder.join(file_name(number));
            if missing[number] {
                match kernel::create(&path) {
                    // Another process has created it since.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    created => {
                        created.map_err(|error| failure::opening_file(&path, error))?;
                    }
                }
            }
            Ok(LockFile {
                path,
                opened: OnceLock::new(),
                state: Mutex::default(),
            })
        });
        let files = files.collect::<io::Result<_>>()?;
        Ok(Self { folder, files })
    }

    pub(super) fn at(&self, place: Place) -> &LockFile {
        &self.files[place.file]
    }

    /// A wait of a region of `place` was by this file, and is over.
    pub(super) fn put_back(&self, place: Place, file: Arc<File>) {
        if let Some(opened) = self.at(place).opened.get() {
            opened.for_waits.put_back(file);
        }
    }

    /// Why the locks are lost, if they are: a file that is in use was deleted or replaced.
    pub(super) fn find_loss(&self) -> io::Result<Option<String>> {
        for file in &self.files {
            if let Some(opened) = file.opened.get()
                && !kernel::is_still_at(opened.id, &file.path)?
            {
                return Ok(Some(file.gone()));
            }
        }
        Ok(None)
    }

    /// Has all that wait for other processes look for themselves.
    pub(super) fn wake_all(&self) {
        for file in &self.files {
            let mut tickets = file.tickets();
            let wakes: Vec<_> = tickets
                .by_region
                .values_mut()
                .flat_map(Ticket::wake_all)
                .collect();
            drop(tickets);
            wakes.into_iter().for_each(Waker::wake);
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl LockFile {
    fn gone(&self) -> String {
        format!(
            "{} was deleted or replaced while it was in use, so other processes may hold the \
             same keys; stop, and find out which program did it",
            self.path.display()
        )
    }

    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        // Nothing foreign runs under the mutex. A panic there would be a bug, and a ticket in
        // doubt must not grant anything.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_once<T>(
        cell: &OnceLock<T>,
        open: impl FnOnce() -> Result<T, Unusable>,
    ) -> Opening<'_, T> {
        if let Some(opened) = cell.get() {
            return Ok(opened);
        }
        let opened = open()?;
        // Another thread may have been first. Nothing is locked through ours.
        Ok(cell.get_or_init(|| opened))
    }

    fn open(&self) -> Result<(File, FileId), Unusable> {
        let file = match kernel::open(&self.path) {
            Ok(file) => file,
            // It was there when the datadir was opened.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Unusable::Gone(self.gone()));
            }
            Err(error) => {
                let error = failure::opening_file(&self.path, error);
                return Err(Unusable::Failed(error));
            }
        };
        let metadata = file.metadata().map_err(Unusable::Failed)?;
        if !metadata.is_file() {
            return Err(Unusable::Gone(self.gone()));
        }
        Ok((file, FileId::from(&metadata)))
    }

    fn opened(&self) -> Result<&Opened, Unusable> {
        Self::open_once(&self.opened, || {
            let (for_tickets, id) = self.open()?;
            Ok(Opened {
                id,
                for_tickets,
                for_waits: WaitFiles::default(),
            })
        })
    }

    /// A file for a wait. It must be the same file, or the wait would be for nobody.
    fn opened_for_wait(&self, opened: &Opened) -> Result<Arc<File>, Unusable> {
        opened.for_waits.take(|| {
            let (file, id) = self.open()?;
            match id == opened.id {
                true => Ok(file),
                false => Err(Unusable::Gone(self.gone())),
            }
        })
    }

    /// Does something to the ticket of the region at `place`, which is made if there is none and
    /// dropped if nobody uses it any more.
    pub(super) fn with<T>(
        &self,
        place: Place,
        change: impl FnOnce(&mut Ticket, &mut Numbers, &dyn Kernel) -> (T, Effects),
    ) -> Result<(T, Outcome), Unusable> {
        let opened = self.opened()?;
        let kernel = opened.region(place);
        let mut tickets = self.tickets();
        let Tickets {
            by_region, numbers, ..
        } = &mut *tickets;
        let mut entry = match by_region.entry(place.start) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert_entry(Ticket::new()),
        };
        let (result, effects) = change(entry.get_mut(), numbers, &kernel);
        if entry.get().is_unused() {
            entry.remove();
        }
        let outcome = self.outcome(opened, &mut tickets, place, effects);
        Ok((result, outcome))
    }

    /// What is left to be done after `effects`.
    #[inline]
    fn outcome(
        &self,
        opened: &Opened,
        tickets: &mut Tickets,
        place: Place,
        effects: Effects,
    ) -> Outcome {
        match effects.wait {
            // Nearly always.
            None => Outcome {
                wakes: effects.wakes,
                wait: None,
            },
            Some(_) => self.begin_to_wait(opened, tickets, place, effects),
        }
    }

    fn begin_to_wait(
        &self,
        opened: &Opened,
        tickets: &mut Tickets,
        place: Place,
        effects: Effects,
    ) -> Outcome {
        let mut outcome = Outcome {
            wakes: effects.wakes,
            wait: None,
        };
        let Some((number, call)) = effects.wait else {
            return outcome;
        };
        let Some(wait) = BlockedWait::of(place, &call) else {
            return outcome;
        };
        if tickets.waits.join(&wait, number) {
            return outcome;
        }
        match self.opened_for_wait(opened) {
            Ok(file) => {
                tickets.waits.insert(wait, number);
                outcome.wait = Some(NewWait { place, call, file });
            }
            Err(unusable) => {
                let failure = match unusable {
                    Unusable::Failed(error) => (&error).into(),
                    // The next look at the files says what happened.
                    Unusable::Gone(_) => Failure::stale(),
                };
                let failed = self.fail(opened, tickets, place, number, failure);
                outcome.wakes.extend(failed);
            }
        }
        outcome
    }

    fn fail(
        &self,
        opened: &Opened,
        tickets: &mut Tickets,
        place: Place,
        number: u64,
        failure: Failure,
    ) -> Vec<Waker> {
        let kernel = opened.region(place);
        let Tickets {
            by_region, numbers, ..
        } = tickets;
        let ticket = by_region.get_mut(&place.start);
        ticket.map_or_else(Vec::new, |ticket| {
            ticket.waited(number, Err(failure), numbers, &kernel).wakes
        })
    }

    /// The wait `call` is over, or could not be begun.
    pub(super) fn waited(&self, place: Place, call: &Call, result: io::Result<()>) -> Outcome {
        let (Some(wait), Some(opened)) = (BlockedWait::of(place, call), self.opened.get()) else {
            return Outcome::default();
        };
        let kernel = opened.region(place);
        let mut tickets = self.tickets();
        let Tickets {
            by_region,
            numbers,
            waits,
        } = &mut *tickets;
        let number = waits.remove(&wait);
        let ticket = by_region.get_mut(&place.start);
        let (Some(number), Some(ticket)) = (number, ticket) else {
            return Outcome::default();
        };
        let result = result.map_err(|error| (&error).into());
        let effects = ticket.waited(number, result, numbers, &kernel);
        self.outcome(opened, &mut tickets, place, effects)
    }

    /// What `read` finds of the ticket at `place`, if this process has one or wants one.
    pub(super) fn look<T>(&self, place: Place, read: impl FnOnce(&Ticket) -> T) -> Option<T> {
        self.tickets().by_region.get(&place.start).map(read)
    }

    /// What `read` finds of the region at `place`: the ticket of this process, if it has one or wants one,
    /// and what the kernel says. No call of the protocol is made meanwhile.
    pub(super) fn inspect<T>(
        &self,
        place: Place,
        read: impl FnOnce(Option<&Ticket>, &Region<'_>) -> io::Result<T>,
    ) -> Result<(FileId, T), Unusable> {
        let opened = self.opened()?;
        let region = opened.region(place);
        let tickets = self.tickets();
        let found = read(tickets.by_region.get(&place.start), &region);
        Ok((opened.id, found.map_err(Unusable::Failed)?))
    }

    /// What came of a request. If nothing has yet, `waker` is to be woken.
    pub(super) fn poll(&self, place: Place, number: RequestNumber, waker: &Waker) -> Polled {
        let waker = waker.clone();
        let mut tickets = self.tickets();
        let Some(ticket) = tickets.by_region.get_mut(&place.start) else {
            drop(tickets);
            // Nobody forgets a ticket that has a request. Should it happen, nothing is granted.
            return Some(Err(Failure::stale()));
        };
        let outcome = ticket.outcome(number);
        let unused = match outcome {
            Some(_) => Some(waker),
            None => ticket.wake_by(number, waker),
        };
        drop(tickets);
        // Foreign code, which runs when nothing is locked.
        drop(unused);
        outcome
    }
}

type Opening<'a, T> = Result<&'a T, Unusable>;

type Polled = Option<Result<(), Failure>>;

impl Kernel for Region<'_> {
    fn call(&self, call: &Call) -> io::Result<Answer> {
        Region::call(self, call)
    }
}
