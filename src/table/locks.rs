//! [`TableLocks`]: the whole contract of [`LockManager`](crate::LockManager) on a
//! lock table, for the managers whose locks live in this process.

use std::sync::Arc;
use std::time::Duration;

use super::guard::TableGuard;
use super::shared::{self, Acquire, Freshness, Owner};
use super::{HashedKey, Status};
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::key::LockKey;
use crate::manager::AcquireOptions;
use crate::snapshot::{LockInfo, LockSnapshot};
use crate::time;

/// Keyed locks in the table that `O` keeps alive, taken in the name of `client`.
#[derive(Debug, Clone)]
pub(crate) struct TableLocks<O: Owner> {
    owner: O,
    client: Option<Arc<str>>,
}

impl<O: Owner> TableLocks<O> {
    pub(crate) fn new(owner: O, client: Option<Arc<str>>) -> Self {
        Self { owner, client }
    }

    #[cfg_attr(
        not(any(unix, windows)),
        expect(dead_code, reason = "for datadir locks, which have something to tell")
    )]
    pub(crate) fn owner(&self) -> &O {
        &self.owner
    }

    /// The same locks, taken in the name of `client`.
    #[cfg_attr(
        not(any(unix, windows)),
        expect(
            dead_code,
            reason = "for datadir locks, which are opened without a name"
        )
    )]
    pub(crate) fn in_the_name_of(self, client: Arc<str>) -> Self {
        let client = Some(client);
        Self { client, ..self }
    }

    // Inlined, as is what takes a free key further down: every return by value copies what
    // was just written in pieces, and a processor stalls when it reads that together.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    fn key(&self, key: &str) -> Result<HashedKey, LockError> {
        Ok(self.owner.table().hashed(LockKey::new(key)?))
    }

    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn try_acquire(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<TableGuard<O>>, LockError> {
        let key = self.key(key)?;
        self.owner.check(Freshness::Recent)?;
        shared::try_acquire(&self.owner, &key, mode, self.client.clone())
    }

    /// `wrap` makes of the guard what the caller is to have: here, because every hand that
    /// a guard passes through copies it.
    pub(crate) async fn acquire<G>(
        &self,
        key: &str,
        options: AcquireOptions,
        wrap: impl FnOnce(TableGuard<O>) -> G,
    ) -> Result<G, LockError> {
        let mode = options.mode;
        // Nearly always it is free, and nothing that waiting takes need be made ready.
        if let Some(guard) = self.try_acquire(key, mode)? {
            return Ok(wrap(guard));
        }
        let mut wait = Acquire::new(&self.owner, self.key(key)?, mode, self.client.clone());
        let granted = match options.timeout {
            Duration::ZERO => None,
            timeout => time::timeout(timeout, &mut wait).await?,
        };
        let guard = match granted {
            Some(Ok(())) => wait.into_guard(),
            Some(Err(error)) => return Err(error),
            None => wait
                .give_up()
                .map_err(|contention| LockError::timed_out(key, options.timeout, contention))?,
        };
        // Much may have happened while it waited.
        self.owner.check(Freshness::Recent)?;
        Ok(wrap(guard))
    }

    pub(crate) fn steal(&self, key: &str) -> Result<TableGuard<O>, LockError> {
        let key = self.key(key)?;
        self.owner.check(Freshness::Recent)?;
        shared::steal(&self.owner, &key, self.client.clone())
    }

    pub(crate) fn query(&self) -> Result<LockSnapshot, LockError> {
        self.owner.check(Freshness::Recent)?;
        let mut snapshot = LockSnapshot::default();
        self.owner.table().for_each(|request| {
            let info = LockInfo {
                key: request.key.to_string(),
                mode: request.mode,
                age: Some(request.meta.since.elapsed()),
                client: request.meta.client.as_deref().map(str::to_owned),
            };
            match request.status {
                Status::Held => snapshot.held.push(info),
                Status::Pending | Status::Gone => snapshot.pending.push(info),
            }
        });
        Ok(snapshot)
    }
}

pub(crate) fn boxed<O: Owner>(guard: TableGuard<O>) -> Box<dyn LockGuard> {
    Box::new(guard)
}

/// Implements [`LockManager`](crate::LockManager) for a manager with a field
/// `locks: TableLocks<_>`: the one place that boxes its guards.
macro_rules! impl_lock_manager_on_table {
    ($manager:ty, $scope:expr) => {
        #[cfg_attr(
            not(all(target_family = "wasm", target_os = "unknown")),
            async_trait::async_trait
        )]
        #[cfg_attr(
                                            all(target_family = "wasm", target_os = "unknown"),
                                            async_trait::async_trait(?Send)
                                        )]
        impl $crate::LockManager for $manager {
            async fn try_lock(&self, key: &str) -> Option<Box<dyn $crate::LockGuard>> {
                let answer = self.locks.try_acquire(key, $crate::LockMode::Exclusive);
                let guard = $crate::manager::only_if_granted(key, answer);
                guard.map($crate::table::locks::boxed)
            }

            async fn lock(
                &self,
                key: &str,
                timeout: std::time::Duration,
            ) -> Result<Box<dyn $crate::LockGuard>, $crate::LockError> {
                let options = $crate::AcquireOptions::new(timeout);
                self.locks.acquire(key, options, $crate::table::locks::boxed).await
            }

            async fn try_acquire(
                &self,
                key: &str,
                mode: $crate::LockMode,
            ) -> Result<Option<Box<dyn $crate::LockGuard>>, $crate::LockError> {
                let guard = self.locks.try_acquire(key, mode)?;
                Ok(guard.map($crate::table::locks::boxed))
            }

            async fn acquire(
                &self,
                key: &str,
                options: $crate::AcquireOptions,
            ) -> Result<Box<dyn $crate::LockGuard>, $crate::LockError> {
                self.locks.acquire(key, options, $crate::table::locks::boxed).await
            }

            async fn steal(
                &self,
                key: &str,
            ) -> Result<Box<dyn $crate::LockGuard>, $crate::LockError> {
                self.locks.steal(key).map($crate::table::locks::boxed)
            }

            async fn query(&self) -> Result<$crate::LockSnapshot, $crate::LockError> {
                self.locks.query()
            }

            fn scope(&self) -> $crate::LockScope {
                $scope
            }
        }
    };
}

pub(crate) use impl_lock_manager_on_table;
