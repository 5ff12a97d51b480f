//! In the place of `shared.rs` where datadirs cannot be shared: nothing of it can ever be there.

use std::sync::Arc;
use std::task::Waker;

use crate::datadir_lock::DatadirOptions;
use crate::error::{Contention, LockError, PidLockError};
use crate::guard::LockMode;
use crate::snapshot::LockSnapshot;
use crate::table::WatcherId;

#[derive(Debug, Clone, Copy)]
pub(super) enum Shared {}

#[derive(Debug)]
pub(super) enum KeyRequest {}

#[expect(dead_code, reason = "there is never a request to have one")]
#[derive(Debug, Clone, Copy)]
pub(super) enum KeyStatus {
    Pending,
    Held,
    Lost,
    Failed,
}

pub(super) fn open(_options: DatadirOptions) -> Option<Result<Shared, PidLockError>> {
    None
}

impl Shared {
    pub(super) fn request(
        &self,
        _key: &str,
        _mode: LockMode,
        _client: Option<&Arc<str>>,
        _waker: Option<impl FnOnce() -> Waker>,
    ) -> Result<Option<(KeyRequest, KeyStatus)>, LockError> {
        match *self {}
    }

    pub(super) fn steal_request(&self, _key: &str) -> LockError {
        match *self {}
    }

    pub(super) fn status(&self, _request: &mut KeyRequest) -> KeyStatus {
        match *self {}
    }

    pub(super) fn reason(&self, _request: &KeyRequest) -> String {
        match *self {}
    }

    pub(super) fn release(&self, _request: &mut KeyRequest) -> bool {
        match *self {}
    }

    pub(super) fn downgrade(&self, _request: &mut KeyRequest) -> Result<bool, LockError> {
        match *self {}
    }

    pub(super) fn contention_of(&self, _request: &KeyRequest, _most: usize) -> Option<Contention> {
        match *self {}
    }

    pub(super) fn watch(&self, _request: &KeyRequest, _waker: Waker) -> Option<WatcherId> {
        match *self {}
    }

    pub(super) fn unwatch(&self, _request: &KeyRequest, _watcher: WatcherId) {
        match *self {}
    }

    pub(super) fn check(&self) -> Result<(), LockError> {
        match *self {}
    }

    pub(super) fn requests(&self) -> Result<LockSnapshot, LockError> {
        match *self {}
    }
}
