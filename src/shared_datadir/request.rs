//! [`Request`]: a request that goes to the kernel, from when it joins the queue in the lock table
//! until its guard is dropped.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::datadir::SharedDatadir;
use super::others;
use super::place::Place;
use super::ticket::{Effects, RequestNumber};
use crate::error::{Contention, LockError};
use crate::guard::LockMode;
use crate::table::handle::{Staleness, TableHandle};

/// Its drop undoes what it has done so far.
#[derive(Debug)]
pub(super) struct Request {
    datadir: Arc<SharedDatadir>,
    place: Place,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The ticket is kept for it, if the process has one.
    Queued,
    Asked(RequestNumber),
    Granted,
    Over,
}

impl Request {
    /// For one who has to wait in the lock table first.
    pub(super) fn queued(datadir: &Arc<SharedDatadir>, key: &str) -> Result<Self, LockError> {
        let mut request = Self::new(datadir, key);
        let file = datadir.files().at(request.place);
        let joined = file.with(request.place, |ticket, _, _| {
            ticket.add_user();
            ((), Effects::default())
        });
        joined.map_err(|unusable| datadir.cannot_use(key, unusable))?;
        request.stage = Stage::Queued;
        Ok(request)
    }

    /// For one who has been granted `key` in the lock table.
    pub(super) fn asked(
        datadir: &Arc<SharedDatadir>,
        key: &str,
        mode: LockMode,
    ) -> Result<Self, LockError> {
        let mut request = Self::new(datadir, key);
        request.ask(key, mode)?;
        Ok(request)
    }

    /// The same for one who does not wait; `None` if another process is in the way.
    pub(super) fn tried(
        datadir: &Arc<SharedDatadir>,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<Self>, LockError> {
        let mut request = Self::new(datadir, key);
        let file = datadir.files().at(request.place);
        let tried = file.with(request.place, |ticket, numbers, kernel| {
            ticket.add_user();
            if let Ok(true) = ticket.take_at_once(mode, numbers, kernel) {
                return (Some(Ok(())), Effects::default());
            }
            let number = numbers.next();
            ticket.request(number, mode);
            let mut effects = ticket.advance(numbers, kernel);
            let mut outcome = ticket.outcome(number);
            if outcome.is_none() {
                effects.then(ticket.look_again(numbers, kernel));
                outcome = ticket.outcome(number);
            }
            match outcome {
                Some(Ok(())) => {}
                Some(Err(_)) => effects.then(ticket.remove_user(numbers, kernel)),
                None => effects.then(ticket.withdraw(number, numbers, kernel)),
            }
            (outcome, effects)
        });
        let (outcome, effects) = tried.map_err(|unusable| datadir.cannot_use(key, unusable))?;
        datadir.carry_out(effects);
        match outcome {
            None => Ok(None),
            Some(Err(failure)) => Err(datadir.failed(key, failure.into())),
            Some(Ok(())) => {
                request.stage = Stage::Granted;
                Ok(Some(request))
            }
        }
    }

    fn new(datadir: &Arc<SharedDatadir>, key: &str) -> Self {
        Self {
            datadir: Arc::clone(datadir),
            place: Place::of(key),
            stage: Stage::Over,
        }
    }

    /// Asks for the ticket, after `key` was granted in the lock table.
    pub(super) fn ask(&mut self, key: &str, mode: LockMode) -> Result<(), LockError> {
        let is_user = self.stage == Stage::Queued;
        let file = self.datadir.files().at(self.place);
        let asked = file.with(self.place, |ticket, numbers, kernel| {
            if !is_user {
                ticket.add_user();
            }
            // An error comes again in what follows, which has somebody to tell of it.
            if let Ok(true) = ticket.take_at_once(mode, numbers, kernel) {
                return ((0, Some(Ok(()))), Effects::default());
            }
            let number = numbers.next();
            ticket.request(number, mode);
            let effects = ticket.advance(numbers, kernel);
            ((number, ticket.outcome(number)), effects)
        });
        let ((number, outcome), effects) =
            asked.map_err(|unusable| self.datadir.cannot_use(key, unusable))?;
        self.stage = match outcome {
            Some(Ok(())) => Stage::Granted,
            Some(Err(_)) => Stage::Queued,
            None => Stage::Asked(number),
        };
        self.datadir.carry_out(effects);
        match outcome {
            Some(Err(failure)) => Err(self.datadir.failed(key, failure.into())),
            _ => Ok(()),
        }
    }

    pub(super) fn is_granted(&self) -> bool {
        self.stage == Stage::Granted
    }

    /// Waits until other processes are through.
    pub(super) async fn granted(&mut self, key: &str) -> Result<(), LockError> {
        poll_fn(|cx| self.poll_granted(key, cx.waker())).await
    }

    /// [`granted`](Self::granted), for those who keep their waits themselves.
    pub(super) fn poll_granted(&mut self, key: &str, waker: &Waker) -> Poll<Result<(), LockError>> {
        let Stage::Asked(number) = self.stage else {
            return Poll::Ready(Ok(()));
        };
        if self.datadir.is_inherited() {
            return Poll::Ready(self.datadir.check(Staleness::Recent));
        }
        if let Some(error) = self.datadir.lost() {
            return Poll::Ready(Err(error));
        }
        let file = self.datadir.files().at(self.place);
        match file.poll(self.place, number, waker) {
            // Who finds a loss marks it, and then wakes those whose wakers are there. Ours is there from now on, so if
            // we were passed over, the mark is to be seen: both of us have locked the file's mutex since.
            None => match self.datadir.lost() {
                Some(error) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            },
            Some(Ok(())) => {
                self.stage = Stage::Granted;
                Poll::Ready(Ok(()))
            }
            Some(Err(failure)) => {
                self.stage = Stage::Queued;
                Poll::Ready(Err(self.datadir.failed(key, failure.into())))
            }
        }
    }

    /// Shares the key, which is held exclusively, with other processes.
    pub(super) fn downgrade(&self, key: &str) -> Result<(), LockError> {
        let file = self.datadir.files().at(self.place);
        let shared = file.with(self.place, |ticket, numbers, kernel| {
            ticket.share(numbers, kernel)
        });
        let (shared, effects) =
            shared.map_err(|unusable| self.datadir.cannot_use(key, unusable))?;
        self.datadir.carry_out(effects);
        shared.map_err(|error| self.datadir.failed(key, error))
    }

    /// What is known of the process that is in the way.
    pub(super) fn contention(&self) -> Option<Contention> {
        others::contention(&self.datadir, self.place)
    }
}

/// For an edge that keeps no futures.
#[cfg(feature = "__edge")]
impl Request {
    /// Looks again, a few times, whether what is in the way is gone: it may have been there for a
    /// moment only. What comes of it tells [`poll_granted`](Self::poll_granted).
    pub(super) fn look_again(&self) {
        if !matches!(self.stage, Stage::Asked(_)) {
            return;
        }
        let file = self.datadir.files().at(self.place);
        let looked = file.with(self.place, |ticket, numbers, kernel| {
            ((), ticket.look_again(numbers, kernel))
        });
        // The file is open, so nothing can fail here.
        if let Ok(((), effects)) = looked {
            self.datadir.carry_out(effects);
        }
    }

    /// Whether it has still to [`ask`](Self::ask).
    pub(super) fn is_queued(&self) -> bool {
        self.stage == Stage::Queued
    }
}

impl Drop for Request {
    #[inline]
    fn drop(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over);
        if stage == Stage::Over || self.datadir.is_inherited() {
            return;
        }
        let file = self.datadir.files().at(self.place);
        let ended = file.with(self.place, |ticket, numbers, kernel| {
            let effects = match stage {
                Stage::Queued => ticket.remove_user(numbers, kernel),
                Stage::Asked(number) => ticket.withdraw(number, numbers, kernel),
                Stage::Granted | Stage::Over => ticket.release(numbers, kernel),
            };
            ((), effects)
        });
        // The file is open, so nothing can fail here.
        if let Ok(((), effects)) = ended {
            self.datadir.carry_out(effects);
        }
    }
}
