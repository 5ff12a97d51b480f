//! Requests for an edge that keeps no futures: the Node-API addon. They are what
//! [`requests`](crate::table::requests) are for the lock table, with the kernel behind it.

use std::sync::Arc;
use std::task::{Poll, Waker};

use super::SharedDatadirLockManager;
use super::request::Request;
use crate::error::{Contention, LockError};
use crate::guard::LockMode;
use crate::key::LockKey;
use crate::snapshot::LockSnapshot;
use crate::table::handle::{Staleness, TableHandle};
use crate::table::requests::{self as in_table, Asked};
use crate::table::{RequestId, Status, WatcherId};

/// A request for a key. Whoever has it [releases](SharedDatadirLockManager::release) it.
///
/// It is granted when both the lock table and the kernel have granted it, in this order. The
/// request of the kernel is made when somebody looks at [what has come of it](
/// SharedDatadirLockManager::status) after the lock table has woken its waker.
#[derive(Debug)]
pub(crate) struct KeyRequest {
    key: Box<str>,
    mode: LockMode,
    id: RequestId,
    /// `None` once it was released.
    of_kernel: Option<Request>,
    /// What wakes it. `None` if it did not have to wait.
    waker: Option<Waker>,
    failure: Option<LockError>,
}

/// What has become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyStatus {
    Pending,
    Held,
    /// With its datadir.
    Lost,
    /// The system failed. [`reason`](SharedDatadirLockManager::reason) says in what.
    Failed,
}

impl SharedDatadirLockManager {
    /// Asks for `key`, as [`requests::request`](crate::table::requests::request) does.
    pub(crate) fn request(
        &self,
        key: &str,
        mode: LockMode,
        client: Option<&Arc<str>>,
        waker: Option<impl FnOnce() -> Waker>,
    ) -> Result<Option<(KeyRequest, KeyStatus)>, LockError> {
        let datadir = self.locks.handle();
        let new = |id, of_kernel, waker| KeyRequest {
            key: key.into(),
            mode,
            id,
            of_kernel: Some(of_kernel),
            waker,
            failure: None,
        };
        let at_once = in_table::request(datadir, key, mode, client, None::<fn() -> Waker>)?;
        let Some(waker) = waker else {
            let Asked::Held(id) = at_once else {
                return Ok(None);
            };
            let tried = Request::tried(datadir, key, mode);
            if !matches!(tried, Ok(Some(_))) {
                in_table::release(datadir, id);
            }
            return Ok(tried?.map(|granted| (new(id, granted, None), KeyStatus::Held)));
        };
        if let Asked::Held(id) = at_once {
            let asked = Request::asked(datadir, key, mode);
            if asked.is_err() {
                in_table::release(datadir, id);
            }
            let asked = asked?;
            if asked.is_granted() {
                return Ok(Some((new(id, asked, None), KeyStatus::Held)));
            }
            // The edge gives a request with a timeout of zero up at once if it is pending.
            asked.look_again();
            let mut request = new(id, asked, Some(waker()));
            let status = self.status(&mut request);
            return Ok(Some((request, status)));
        }
        let queued = Request::queued(datadir, key)?;
        let waker = waker();
        let id = match in_table::request(datadir, key, mode, client, Some(|| waker.clone()))? {
            Asked::Held(id) | Asked::Pending(id) => id,
            Asked::Busy => unreachable!("it has a waker, so it waits"),
        };
        let mut request = new(id, queued, Some(waker));
        let status = self.status(&mut request);
        Ok(Some((request, status)))
    }

    /// Refuses to.
    pub(crate) fn steal_request(&self, key: &str) -> LockError {
        match LockKey::new(key) {
            Ok(_) => super::cannot_steal(),
            Err(invalid) => invalid.into(),
        }
    }

    /// What has become of a request. If the lock table has granted it since, it goes on to the
    /// kernel.
    pub(crate) fn status(&self, request: &mut KeyRequest) -> KeyStatus {
        let datadir = self.locks.handle();
        if request.failure.is_some() {
            return KeyStatus::Failed;
        }
        match in_table::status(datadir, request.id) {
            Status::Gone => return KeyStatus::Lost,
            Status::Pending => return KeyStatus::Pending,
            Status::Held => {}
        }
        match request.go_on() {
            Poll::Pending => KeyStatus::Pending,
            Poll::Ready(Ok(was_granted_now)) => {
                // Much may have happened while it waited.
                let checked = match was_granted_now {
                    true => datadir.check(Staleness::Recent),
                    false => Ok(()),
                };
                checked.map_or_else(|error| request.fail(error), |()| KeyStatus::Held)
            }
            Poll::Ready(Err(error)) => request.fail(error),
        }
    }

    /// Why a request is lost or failed.
    pub(crate) fn reason(&self, request: &KeyRequest) -> String {
        match &request.failure {
            Some(failure) => crate::edge::explained(failure),
            None => in_table::reason(self.locks.handle(), request.id),
        }
    }

    /// Frees what a request holds, or withdraws it. Returns whether it was held until now.
    pub(crate) fn release(&self, request: &mut KeyRequest) -> bool {
        // In this order: if somebody waits in the lock table, the ticket is kept for it.
        let of_kernel = request.of_kernel.take();
        let was_granted = of_kernel.as_ref().is_some_and(Request::is_granted);
        drop(of_kernel);
        in_table::release(self.locks.handle(), request.id) && was_granted
    }

    /// Makes a request shared if it is held, and returns whether it is. In the order of
    /// [`SharedDatadirGuard`](super::guard::SharedDatadirGuard).
    pub(crate) fn downgrade(&self, request: &mut KeyRequest) -> Result<bool, LockError> {
        let datadir = self.locks.handle();
        if self.status(request) != KeyStatus::Held
            || !in_table::unless_lost(datadir.check(Staleness::Now))?
        {
            return Ok(false);
        }
        if request.mode == LockMode::Exclusive
            && let Some(of_kernel) = &request.of_kernel
            && !in_table::unless_lost(of_kernel.downgrade(&request.key))?
        {
            return Ok(false);
        }
        request.mode = LockMode::Shared;
        Ok(in_table::downgrade_checked(datadir, request.id))
    }

    /// Who is in the way of a request that waits.
    pub(crate) fn contention_of(&self, request: &KeyRequest, most: usize) -> Option<Contention> {
        let datadir = self.locks.handle();
        // One who holds the key in this process may wait for another process. Then that one is
        // in the way.
        let elsewhere = request.of_kernel.as_ref().and_then(Request::contention);
        // In the form of the names that the edge gives: a client, which here is none, and a label.
        let elsewhere = elsewhere.map(|mut elsewhere| {
            if elsewhere.ahead.is_some() {
                elsewhere.holder = elsewhere.holder.map(|words| format!("\0{words}"));
            }
            elsewhere
        });
        elsewhere.or_else(|| in_table::contention(datadir, &request.key, request.id, most))
    }

    pub(crate) fn watch(&self, request: &KeyRequest, waker: Waker) -> Option<WatcherId> {
        in_table::watch(self.locks.handle(), request.id, waker)
    }

    pub(crate) fn unwatch(&self, request: &KeyRequest, watcher: WatcherId) {
        in_table::unwatch(self.locks.handle(), request.id, watcher);
    }

    /// Looks whether the datadir is still shared by us.
    pub(crate) fn check(&self) -> Result<(), LockError> {
        self.locks.handle().check(Staleness::Now)
    }

    pub(crate) fn requests(&self) -> Result<LockSnapshot, LockError> {
        self.snapshot(None)
    }
}

impl KeyRequest {
    /// Goes on with the kernel, after the lock table has granted it. The answer says whether it
    /// was granted by this call.
    fn go_on(&mut self) -> Poll<Result<bool, LockError>> {
        let (Some(of_kernel), key) = (&mut self.of_kernel, &*self.key) else {
            return Poll::Ready(Ok(false));
        };
        if of_kernel.is_granted() {
            return Poll::Ready(Ok(false));
        }
        if of_kernel.is_queued()
            && let Err(error) = of_kernel.ask(key, self.mode)
        {
            return Poll::Ready(Err(error));
        }
        let waker = self.waker.as_ref().unwrap_or(Waker::noop());
        of_kernel.poll_granted(key, waker).map_ok(|()| true)
    }

    fn fail(&mut self, error: LockError) -> KeyStatus {
        if let LockError::Lost { .. } = error {
            return KeyStatus::Lost;
        }
        self.failure = Some(error);
        KeyStatus::Failed
    }
}
