//! The locks of this process for an edge that keeps the waits itself: the Node-API addon in
//! `node/`. No part of the public API: it changes in any release, together with the addon.
//!
//! A request is a value here, not a guard, and it does nothing when it is dropped. Whoever has it
//! frees it, in whichever way its own owner ends.

#![allow(missing_docs)]

#[cfg_attr(
    not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        windows
    )),
    path = "edge/no_shared.rs"
)]
mod shared;
mod wakes;

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::datadir_lock::datadir::{self, LockedDatadir};
use crate::datadir_lock::{DatadirOptions, Primitive};
use crate::error::{Contention, LockError, PidLockError};
use crate::guard::LockMode;
use crate::memory::Keyspace;
use crate::snapshot::LockInfo;
use crate::table::handle::{Staleness, TableHandle};
use crate::table::requests::{self, Asked};
use crate::table::shards::SharedTable;
use crate::table::{RequestId, Status, WatcherId};
use shared::{KeyRequest, KeyStatus, Shared};
pub use wakes::{Function, Wakes};

/// The keys of the process, or of one datadir. A datadir is locked until the last clone is gone.
#[derive(Debug, Clone)]
pub struct Locks(Of);

#[derive(Debug, Clone)]
enum Of {
    /// The lock table alone decides.
    Table(Keeper),
    /// So do other processes.
    Shared(Shared),
}

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

/// What came of opening a datadir. `None` if this platform has no such lock.
pub type Opened = Option<Result<Locks, PidLockError>>;

/// What locks a datadir, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Flock,
    Fcntl,
    /// Together with all others that share it, which exclude each other by key.
    Shared,
}

/// A request, until it is [freed](Locks::free). It belongs to the locks that it was made of.
#[derive(Debug)]
pub struct Request(RequestOf);

#[derive(Debug)]
enum RequestOf {
    Table(RequestId),
    Shared(Box<KeyRequest>),
}

/// Names one who watches a held lock for its loss.
#[derive(Debug, Clone, Copy)]
pub struct Watch(WatcherId);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pending,
    Held,
    /// Stolen, or lost with its datadir.
    Lost,
    /// The system failed while it was pending.
    Failed,
}

/// A row of [`Locks::for_each`].
#[derive(Debug)]
pub struct Row<'a> {
    pub key: &'a str,
    pub mode: LockMode,
    pub is_held: bool,
    /// `None` if it is of another process.
    pub age: Option<Duration>,
    pub client: Option<&'a str>,
}

impl Locks {
    /// The one keyspace of this process.
    pub fn in_memory() -> Self {
        Self(Of::Table(Keeper::Memory(Keyspace)))
    }

    /// Opens a datadir. It blocks the thread for up to the timeout.
    ///
    /// # Errors
    ///
    /// As `FlockPidLockManager::open`. `None` if this platform has no such lock.
    pub fn open(kind: Kind, options: DatadirOptions) -> Opened {
        let primitive = match kind {
            Kind::Shared => {
                return shared::open(options).map(|opened| opened.map(|it| Self(Of::Shared(it))));
            }
            #[cfg(any(windows, all(unix, not(target_os = "ios"))))]
            Kind::Flock => Primitive::Flock,
            #[cfg(unix)]
            Kind::Fcntl => Primitive::Fcntl,
            #[allow(unreachable_patterns)]
            _ => return None,
        };
        let opened = datadir::open(options, primitive);
        let of_table = |handle: &Arc<_>| Self(Of::Table(Keeper::Datadir(Arc::clone(handle))));
        Some(opened.map(|locks| of_table(locks.handle())))
    }

    /// Asks for `key`. Where it has to wait, `waker` makes what wakes it, each time that there is
    /// something to [look at](Self::state); without one it does not wait. `None` if it does not
    /// wait and somebody is in the way.
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
        let of_table = |id| Request(RequestOf::Table(id));
        Ok(match &self.0 {
            Of::Table(keeper) => match requests::request(keeper, key, mode, client, waker)? {
                Asked::Held(id) => Some((of_table(id), State::Held)),
                Asked::Pending(id) => Some((of_table(id), State::Pending)),
                Asked::Busy => None,
            },
            Of::Shared(shared) => {
                let asked = shared.request(key, mode, client, waker)?;
                asked.map(|(request, status)| {
                    let request = Request(RequestOf::Shared(Box::new(request)));
                    (request, State::from(status))
                })
            }
        })
    }

    /// Takes `key` from its holders.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request); [`LockError::Unsupported`] where other processes hold it.
    pub fn steal(&self, key: &str, client: Option<&Arc<str>>) -> Result<Request, LockError> {
        match &self.0 {
            Of::Table(keeper) => {
                let stolen = requests::steal(keeper, key, client)?;
                Ok(Request(RequestOf::Table(stolen)))
            }
            Of::Shared(shared) => Err(shared.steal_request(key)),
        }
    }

    /// What has become of a request. Of one that its waker was called for, it may be pending
    /// still.
    pub fn state(&self, request: &mut Request) -> State {
        match self.both(request) {
            Both::Table(keeper, id) => match requests::status(keeper, id) {
                Status::Held => State::Held,
                Status::Pending => State::Pending,
                Status::Gone => State::Lost,
            },
            Both::Shared(shared, request) => shared.status(request).into(),
        }
    }

    /// Why a request is [lost](State::Lost) or [failed](State::Failed).
    pub fn reason(&self, request: &mut Request) -> String {
        match self.both(request) {
            Both::Table(keeper, id) => requests::reason(keeper, id),
            Both::Shared(shared, request) => shared.reason(request),
        }
    }

    /// Frees what a request holds, or withdraws it. Returns whether it was held until now.
    pub fn free(&self, request: &mut Request) -> bool {
        match self.both(request) {
            Both::Table(keeper, id) => requests::release(keeper, id),
            Both::Shared(shared, request) => shared.release(request),
        }
    }

    /// Makes a request that is held shared. Returns its state then.
    ///
    /// # Errors
    ///
    /// [`LockError::Io`], and then nothing has changed.
    pub fn downgrade(&self, request: &mut Request) -> Result<State, LockError> {
        let is_held = match self.both(request) {
            Both::Table(keeper, id) => requests::downgrade(keeper, id),
            Both::Shared(shared, request) => shared.downgrade(request),
        };
        Ok(match is_held? {
            true => State::Held,
            false => State::Lost,
        })
    }

    /// Who is in the way of a request for `key` that waits, with those in front counted up to
    /// `most`. `None` if it waits no longer.
    pub fn contention(&self, key: &str, request: &mut Request, most: usize) -> Option<Contention> {
        match self.both(request) {
            Both::Table(keeper, id) => requests::contention(keeper, key, id, most),
            Both::Shared(shared, request) => shared.contention_of(request, most),
        }
    }

    /// Has `waker` woken at the next loss of any lock, to look at this one. `None` if it is not
    /// held even now.
    pub fn watch(&self, request: &mut Request, waker: Waker) -> Option<Watch> {
        let watched = match self.both(request) {
            Both::Table(keeper, id) => requests::watch(keeper, id, waker),
            Both::Shared(shared, request) => shared.watch(request, waker),
        };
        watched.map(Watch)
    }

    pub fn unwatch(&self, request: &mut Request, Watch(watcher): Watch) {
        match self.both(request) {
            Both::Table(keeper, id) => requests::unwatch(keeper, id, watcher),
            Both::Shared(shared, request) => shared.unwatch(request, watcher),
        }
    }

    /// Looks whether a datadir is still ours.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`], for ever, or [`LockError::Io`] if that cannot be told at the moment.
    pub fn check(&self) -> Result<(), LockError> {
        match &self.0 {
            Of::Table(keeper) => keeper.check(Staleness::Now),
            Of::Shared(shared) => shared.check(),
        }
    }

    /// Shows all requests as of one moment.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn for_each(&self, mut show: impl FnMut(Row<'_>)) -> Result<(), LockError> {
        let keeper = match &self.0 {
            Of::Table(keeper) => keeper,
            Of::Shared(shared) => {
                let snapshot = shared.requests()?;
                snapshot.held.iter().for_each(|info| show(row(info, true)));
                let pending = snapshot.pending.iter();
                pending.for_each(|info| show(row(info, false)));
                return Ok(());
            }
        };
        keeper.check(Staleness::Recent)?;
        keeper.table().for_each(|request| {
            show(Row {
                key: request.key.as_str(),
                mode: request.mode,
                is_held: request.status == Status::Held,
                age: Some(request.meta.since.elapsed()),
                client: request.meta.client.as_deref(),
            });
        });
        Ok(())
    }

    fn both<'a>(&'a self, request: &'a mut Request) -> Both<'a> {
        match (&self.0, &mut request.0) {
            (Of::Table(keeper), RequestOf::Table(id)) => Both::Table(keeper, *id),
            (Of::Shared(shared), RequestOf::Shared(request)) => Both::Shared(shared, request),
            _ => unreachable!("the request is of other locks"),
        }
    }
}

/// Locks, with a request of theirs.
enum Both<'a> {
    Table(&'a Keeper, RequestId),
    Shared(&'a Shared, &'a mut KeyRequest),
}

impl From<KeyStatus> for State {
    fn from(status: KeyStatus) -> Self {
        match status {
            KeyStatus::Pending => Self::Pending,
            KeyStatus::Held => Self::Held,
            KeyStatus::Lost => Self::Lost,
            KeyStatus::Failed => Self::Failed,
        }
    }
}

fn row(info: &LockInfo, is_held: bool) -> Row<'_> {
    Row {
        key: &info.key,
        mode: info.mode,
        is_held,
        age: info.age,
        client: info.client.as_deref(),
    }
}

/// An error with its causes, for those who see nothing but its text.
pub fn explained(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    message
}
