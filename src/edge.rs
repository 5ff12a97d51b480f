//! The locks of this process for an edge that keeps the waits itself: the Node-API addon in
//! `node/`. No part of the public API: it changes in any release, together with the addon.
//!
//! A request is a number here, not a guard. Whoever has it frees it, in whichever way its own
//! owner ends.

#![allow(missing_docs)]

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::datadir_lock::datadir::{self, LockedDatadir};
use crate::datadir_lock::{DatadirOptions, Primitive};
use crate::error::{Contention, LockError, PidLockError};
use crate::guard::LockMode;
use crate::memory::Keyspace;
use crate::table::handle::{Staleness, TableHandle};
use crate::table::requests::{self, Asked};
use crate::table::shards::SharedTable;
use crate::table::{RequestId, Status, WatcherId};

/// The keys of the process, or of one datadir. A datadir is locked until the last clone is gone.
#[derive(Debug, Clone)]
pub struct Locks(Keeper);

#[derive(Debug, Clone)]
enum Keeper {
    Memory(Keyspace),
    Datadir(Arc<LockedDatadir>),
}

impl TableHandle for Keeper {
    #[inline]
    fn table(&self) -> &SharedTable {
        match self {
            Self::Memory(keyspace) => keyspace.table(),
            Self::Datadir(datadir) => datadir.table(),
        }
    }

    #[inline]
    fn is_inherited(&self) -> bool {
        match self {
            Self::Memory(_) => false,
            Self::Datadir(datadir) => datadir.is_inherited(),
        }
    }

    #[inline]
    fn check(&self, staleness: Staleness) -> Result<(), LockError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Datadir(datadir) => datadir.check(staleness),
        }
    }
}

/// What locks a datadir.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Flock,
    Fcntl,
}

/// Names a request until it is [freed](Locks::free).
#[derive(Debug, Clone, Copy)]
pub struct Request(RequestId);

/// Names one who watches a held lock for its loss.
#[derive(Debug, Clone, Copy)]
pub struct Watch(WatcherId);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pending,
    Held,
    /// Stolen, or lost with its datadir.
    Lost,
}

/// A row of [`Locks::for_each`].
#[derive(Debug)]
pub struct Row<'a> {
    pub key: &'a str,
    pub mode: LockMode,
    pub is_held: bool,
    pub age: Duration,
    pub client: Option<&'a str>,
}

impl Locks {
    /// The one keyspace of this process.
    pub fn in_memory() -> Self {
        Self(Keeper::Memory(Keyspace))
    }

    /// Opens a datadir for this process alone. It blocks the thread for up to the timeout.
    ///
    /// # Errors
    ///
    /// As `FlockPidLockManager::open`. `None` if this platform has no such lock.
    pub fn open(kind: Kind, options: DatadirOptions) -> Option<Result<Self, PidLockError>> {
        let primitive = match kind {
            #[cfg(any(windows, all(unix, not(target_os = "ios"))))]
            Kind::Flock => Primitive::Flock,
            #[cfg(unix)]
            Kind::Fcntl => Primitive::Fcntl,
            #[allow(unreachable_patterns)]
            _ => return None,
        };
        let opened = datadir::open(options, primitive);
        Some(opened.map(|locks| Self(Keeper::Datadir(locks.handle().clone()))))
    }

    /// Asks for `key`. Where it has to wait, `waker` makes what wakes it; without one it does
    /// not wait. `None` if it does not wait and somebody is in the way.
    ///
    /// # Errors
    ///
    /// [`LockError::InvalidKey`], [`LockError::Lost`], [`LockError::Io`].
    pub fn request(
        &self,
        key: &str,
        mode: LockMode,
        client: Option<&Arc<str>>,
        waker: Option<impl FnOnce() -> Waker>,
    ) -> Result<Option<(Request, State)>, LockError> {
        let asked = requests::request(&self.0, key, mode, client, waker)?;
        Ok(match asked {
            Asked::Held(id) => Some((Request(id), State::Held)),
            Asked::Pending(id) => Some((Request(id), State::Pending)),
            Asked::Busy => None,
        })
    }

    /// Takes `key` from its holders.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    pub fn steal(&self, key: &str, client: Option<&Arc<str>>) -> Result<Request, LockError> {
        requests::steal(&self.0, key, client).map(Request)
    }

    pub fn state(&self, request: Request) -> State {
        match requests::status(&self.0, request.0) {
            Status::Held => State::Held,
            Status::Pending => State::Pending,
            Status::Gone => State::Lost,
        }
    }

    /// Why a request is [lost](State::Lost).
    pub fn reason(&self, request: Request) -> String {
        requests::reason(&self.0, request.0)
    }

    /// Frees what a request holds, or withdraws it. Returns whether it was held until now.
    pub fn free(&self, request: Request) -> bool {
        requests::release(&self.0, request.0)
    }

    /// Who is in the way of a request for `key` that waits, with those in front counted up to
    /// `most`. `None` if it waits no longer.
    pub fn contention(&self, key: &str, request: Request, most: usize) -> Option<Contention> {
        requests::contention(&self.0, key, request.0, most)
    }

    /// Has `waker` woken at the next loss of any lock, to look at this one. `None` if it is not
    /// held even now.
    pub fn watch(&self, request: Request, waker: Waker) -> Option<Watch> {
        requests::watch(&self.0, request.0, waker).map(Watch)
    }

    pub fn unwatch(&self, request: Request, watch: Watch) {
        requests::unwatch(&self.0, request.0, watch.0);
    }

    /// Looks whether a datadir is still ours.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`], for ever, or [`LockError::Io`] if that cannot be told at the moment.
    pub fn check(&self) -> Result<(), LockError> {
        self.0.check(Staleness::Now)
    }

    /// Shows all requests as of one moment.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn for_each(&self, mut show: impl FnMut(Row<'_>)) -> Result<(), LockError> {
        self.0.check(Staleness::Recent)?;
        self.0.table().for_each(|request| {
            show(Row {
                key: request.key.as_str(),
                mode: request.mode,
                is_held: request.status == Status::Held,
                age: request.meta.since.elapsed(),
                client: request.meta.client.as_deref(),
            });
        });
        Ok(())
    }
}
