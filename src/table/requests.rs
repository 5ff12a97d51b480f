//! Requests by their ids, for an edge that keeps no futures: the Node-API addon, where
//! JavaScript keeps the waits and their timers.
//!
//! Whoever made a request has to [`release`] it: nothing does that when an id is dropped.

use std::sync::Arc;
use std::task::Waker;

use super::handle::{Staleness, TableHandle, check};
use super::operations::{self, why};
use super::shards::{lost, release_by_mutex};
use super::{RequestId, Status, WatcherId};
use crate::error::{Contention, LockError};
use crate::guard::LockMode;

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Asked {
    Held(RequestId),
    Pending(RequestId),
    /// Somebody else holds the key, or is queued for it, and the request was not to wait.
    Busy,
}

/// Asks for `key`. Where it has to wait, `waker` makes what wakes it; without one it does not wait.
pub(crate) fn request<H: TableHandle>(
    handle: &H,
    key: &str,
    mode: LockMode,
    client: Option<&Arc<str>>,
    waker: Option<impl FnOnce() -> Waker>,
) -> Result<Asked, LockError> {
    check(handle, key)?;
    let table = handle.table();
    let answer = table.try_acquire(key, mode, client);
    if let Some(id) = answer.granted() {
        return Ok(Asked::Held(id));
    }
    if let Some(refused) = answer.refused() {
        return Err(why(table, refused, key));
    }
    let Some(waker) = waker else {
        return Ok(Asked::Busy);
    };
    let (id, waits) = operations::enqueue(table, key, mode, client, waker())?;
    Ok(match waits {
        true => Asked::Pending(id),
        false => Asked::Held(id),
    })
}

/// Takes `key` from its holders.
pub(crate) fn steal<H: TableHandle>(
    handle: &H,
    key: &str,
    client: Option<&Arc<str>>,
) -> Result<RequestId, LockError> {
    check(handle, key)?;
    operations::steal_request(handle.table(), key, client)
}

pub(crate) fn status<H: TableHandle>(handle: &H, id: RequestId) -> Status {
    match handle.is_inherited() {
        true => Status::Gone,
        false => handle.table().shard_of(&id).status(id),
    }
}

/// Frees what `id` holds, or withdraws it. Returns whether it was held.
#[inline]
pub(crate) fn release<H: TableHandle>(handle: &H, id: RequestId) -> bool {
    if handle.is_inherited() {
        return false;
    }
    let shard = handle.table().shard_of(&id);
    shard.words.free(id.entry, id.serial) || release_by_mutex(shard, id)
}

/// Makes `id` shared if it is held, and returns whether it is.
///
/// # Errors
///
/// [`LockError::Io`] if that cannot be told at the moment.
pub(crate) fn downgrade<H: TableHandle>(handle: &H, id: RequestId) -> Result<bool, LockError> {
    Ok(unless_lost(handle.check(Staleness::Now))? && downgrade_checked(handle, id))
}

/// The same for a caller that has just looked whether the locks of `handle` are still its own.
pub(crate) fn downgrade_checked<H: TableHandle>(handle: &H, id: RequestId) -> bool {
    handle.table().shard_of(&id).downgrade(id)
}

/// Tells a loss, which is `false`, from what failed.
pub(crate) fn unless_lost(result: Result<(), LockError>) -> Result<bool, LockError> {
    match result {
        Ok(()) => Ok(true),
        Err(LockError::Lost { .. }) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Why `id`, which is gone, is not held any more.
pub(crate) fn reason<H: TableHandle>(handle: &H, id: RequestId) -> String {
    if let Err(LockError::Lost { reason, .. }) = handle.check(Staleness::Recent) {
        return reason;
    }
    match lost(&handle.table().shard_of(&id).lock(), None) {
        LockError::Lost { reason, .. } => reason,
        other => other.to_string(),
    }
}

/// Who is in the way of `id`, which waits for `key`. `None` if it waits no longer.
pub(crate) fn contention<H: TableHandle>(
    handle: &H,
    key: &str,
    id: RequestId,
    most: usize,
) -> Option<Contention> {
    if handle.is_inherited() {
        return None;
    }
    let table = handle.table();
    let key = table.sought(key);
    let shard = table.shard_for(&key);
    let mut table = shard.lock();
    if table.status(&shard.words, id) != Status::Pending {
        return None;
    }
    let (holder, ahead) = table.contention(&shard.words, &key, Some(id), most)?;
    let (holder, ahead) = (holder.clone(), ahead);
    drop(table);
    Some(holder.in_the_way(ahead))
}

/// Has `waker` woken at the next loss of any lock, to look whether `id` is still held. `None`
/// if it is not held even now.
pub(crate) fn watch<H: TableHandle>(handle: &H, id: RequestId, waker: Waker) -> Option<WatcherId> {
    if handle.is_inherited() {
        return None;
    }
    // An unused waker is dropped here, where no mutex is locked.
    handle.table().shard_of(&id).watch(id, waker).ok()
}

/// Takes back what [`watch`] left for `id`, unless a loss has used it up.
pub(crate) fn unwatch<H: TableHandle>(handle: &H, id: RequestId, watcher: WatcherId) {
    if !handle.is_inherited() {
        drop(handle.table().shard_of(&id).unwatch(watcher));
    }
}
