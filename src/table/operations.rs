//! The operations on a lock table. Each locks one shard, and locks it once.

use std::sync::Arc;
use std::task::Waker;

use super::guard::TableGuard;
use super::handle::TableHandle;
use super::shards::{Meta, SharedTable, wake};
use super::{Refused, RequestId};
use crate::error::LockError;
use crate::guard::LockMode;
use crate::key::LockKey;

/// Takes `key` if that is possible at once.
///
/// `wrap` turns the guard into the caller's type. It is called here because every function that
/// returns a guard copies it.
#[cfg_attr(not(target_family = "wasm"), inline(always))]
pub(crate) fn try_acquire<H: TableHandle, G>(
    handle: &H,
    key: &str,
    mode: LockMode,
    client: Option<&Arc<str>>,
    wrap: impl FnOnce(TableGuard<H>) -> G,
) -> Result<Option<G>, LockError> {
    let answer = handle.table().try_acquire(key, mode, client);
    match answer.granted() {
        Some(id) => {
            let key = LockKey::known(key);
            Ok(Some(wrap(TableGuard::new(handle, key, mode, id))))
        }
        None => match answer.refused() {
            None => Ok(None),
            Some(refused) => Err(why(handle.table(), refused, key)),
        },
    }
}

/// Takes `key` if that is possible at once, or joins its queue, to be woken by `waker`. Returns
/// whether it waits.
#[inline]
pub(super) fn enqueue(
    all: &SharedTable,
    key: &str,
    mode: LockMode,
    client: Option<&Arc<str>>,
    waker: Waker,
) -> Result<(RequestId, bool), LockError> {
    let meta = Meta::now(client);
    let sought = all.sought(key);
    let shard = all.shard_for(&sought);
    let mut table = shard.lock();
    let id = match table.enqueue(&shard.words, &sought, mode, meta) {
        Ok(id) => id,
        Err(refused) => {
            drop(table);
            return Err(why(all, refused, key));
        }
    };
    let place = table.waker(id);
    let waits = place.is_some();
    let unused = match place {
        Some(place) => place.replace(waker),
        None => Some(waker),
    };
    drop(table);
    drop(unused);
    Ok((id, waits))
}

/// Takes `key` from its holders.
pub(crate) fn steal<H: TableHandle>(
    handle: &H,
    key: &str,
    client: Option<&Arc<str>>,
) -> Result<TableGuard<H>, LockError> {
    let id = steal_request(handle.table(), key, client)?;
    let key = LockKey::known(key);
    Ok(TableGuard::new(handle, key, LockMode::Exclusive, id))
}

pub(super) fn steal_request(
    table: &SharedTable,
    key: &str,
    client: Option<&Arc<str>>,
) -> Result<RequestId, LockError> {
    let meta = Meta::now(client);
    let sought = table.sought(key);
    let shard = table.shard_for(&sought);
    let stolen = shard.lock().steal(&shard.words, &sought, meta);
    match stolen {
        Ok((id, wakes)) => {
            wake(wakes);
            Ok(id)
        }
        Err(refused) => Err(why(table, refused, key)),
    }
}

/// To be called with no shard locked: it logs a refused key, and the logger is foreign code.
#[cold]
pub(super) fn why(table: &SharedTable, refused: Refused, key: &str) -> LockError {
    match refused {
        Refused::Invalid => {
            let invalid = LockKey::new(key);
            invalid.expect_err("it breaks a rule").into()
        }
        Refused::Closed => table.shard_for(&table.sought(key)).lost(None),
    }
}
