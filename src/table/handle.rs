//! [`TableHandle`]: what a backend whose locks live in a lock table has to say of it.

use std::sync::Arc;
use std::time::Duration;

use super::RequestId;
use super::shards::SharedTable;
use crate::error::LockError;
use crate::key::LockKey;

/// What keeps a table alive: guards and futures hold one, so that they may
/// outlive their manager.
pub(crate) trait TableHandle:
    Clone + std::fmt::Debug + Send + Sync + Unpin + 'static
{
    /// How often to [`check`](Self::check) while somebody waits to hear of a loss;
    /// `None` where nothing is ever found that way.
    const CHECK_EVERY: Option<Duration> = None;

    fn table(&self) -> &SharedTable;

    /// Whether this process was forked off the one that the table belongs to, whose locks
    /// do not cross a fork. It must not touch the table: a mutex in it may have been locked
    /// at the fork, by a thread that this process does not have.
    /// [`check`](Self::check) then fails before it does.
    #[inline]
    fn is_inherited(&self) -> bool {
        false
    }

    /// Looks whether the table may still be used, and [closes](SharedTable::close) it
    /// if what it stands on is gone. Must not be called with a shard locked.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`], for ever, or why that cannot be told at the moment.
    fn check(&self, _staleness: Staleness) -> Result<(), LockError> {
        Ok(())
    }
}

/// How old the answer of [`TableHandle::check`] may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Staleness {
    /// Less than a second: for those who ask for a lock.
    Recent,
    /// For those who ask whether they still have one.
    Now,
}

impl TableHandle for Arc<SharedTable> {
    fn table(&self) -> &SharedTable {
        self
    }
}

/// Whether anything may be asked of the table for `key`. A bad key comes before a loss.
#[inline]
pub(super) fn check<H: TableHandle>(handle: &H, key: &str) -> Result<(), LockError> {
    handle.check(Staleness::Recent).map_err(|error| {
        let invalid = LockKey::new(key).err();
        invalid.map_or(error, LockError::from)
    })
}

#[inline]
pub(super) fn release<H: TableHandle>(handle: &H, id: &RequestId) {
    if !handle.is_inherited() {
        handle.table().shard_of(id).remove(id);
    }
}
