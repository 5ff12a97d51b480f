//! [`TableLocks`]: the whole contract of [`LockManager`](crate::LockManager) on a
//! lock table, for the managers whose locks live in this process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Status;
use super::acquire::Acquire;
use super::guard::TableGuard;
use super::shared::{self, Freshness, Owner};
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::key::LockKey;
use crate::manager::AcquireOptions;
use crate::snapshot::{LockInfo, LockSnapshot};
use crate::time::Limit;

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

    /// Whether anything may be asked of the table for `key`. A bad key comes before a loss.
    #[inline]
    fn check(&self, key: &str) -> Result<(), LockError> {
        self.owner.check(Freshness::Recent).map_err(|error| {
            let invalid = LockKey::new(key).err();
            invalid.map_or(error, LockError::from)
        })
    }

    /// `wrap` makes of the guard what the caller is to have: see [`shared::try_acquire`].
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn try_acquire<G>(
        &self,
        key: &str,
        mode: LockMode,
        wrap: impl FnOnce(TableGuard<O>) -> G,
    ) -> Result<Option<G>, LockError> {
        self.check(key)?;
        shared::try_acquire(&self.owner, key, mode, self.client.as_ref(), wrap)
    }

    /// `wrap` is as for [`try_acquire`](Self::try_acquire).
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn acquire<'l, 'k, G, F>(
        &'l self,
        key: &'k str,
        options: AcquireOptions,
        wrap: F,
    ) -> Acquiring<'l, 'k, O, F>
    where
        F: FnOnce(TableGuard<O>) -> G + Copy,
    {
        Acquiring {
            locks: self,
            key,
            mode: options.mode,
            limit: Limit::new(options.timeout),
            wait: None,
            wrap,
        }
    }

    pub(crate) fn steal(&self, key: &str) -> Result<TableGuard<O>, LockError> {
        self.check(key)?;
        shared::steal(&self.owner, key, self.client.as_ref())
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

/// What [`TableLocks::acquire`] returns.
#[derive(Debug)]
pub(crate) struct Acquiring<'l, 'k, O: Owner, F> {
    locks: &'l TableLocks<O>,
    key: &'k str,
    mode: LockMode,
    limit: Limit,
    /// From when it had to wait until that is over.
    wait: Option<Acquire<'l, 'k, O>>,
    wrap: F,
}

/// Nothing in it is pinned.
impl<O: Owner, F> Unpin for Acquiring<'_, '_, O, F> {}

impl<O: Owner, F, G> Future for Acquiring<'_, '_, O, F>
where
    F: FnOnce(TableGuard<O>) -> G + Copy,
{
    type Output = Result<G, LockError>;

    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.wait.is_none() {
            // Nearly always it is free, and nothing that waiting takes need be made ready.
            let (key, mode, wrap) = (self.key, self.mode, self.wrap);
            match self.locks.try_acquire(key, mode, wrap) {
                Ok(None) => {}
                Ok(Some(guard)) => return Poll::Ready(Ok(guard)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.wait(cx)
    }
}

impl<O: Owner, F, G> Acquiring<'_, '_, O, F>
where
    F: FnOnce(TableGuard<O>) -> G + Copy,
{
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<G, LockError>> {
        let Self {
            locks,
            key,
            mode,
            limit,
            wait,
            wrap,
        } = self;
        let client = locks.client.as_ref();
        let waiting = wait.get_or_insert_with(|| Acquire::new(&locks.owner, key, *mode, client));
        let over = match limit.is_zero() {
            true => None,
            false => match Pin::new(&mut *waiting).poll(cx) {
                Poll::Ready(result) => Some(result),
                // After the wait, so that what was granted together with the timer wins.
                Poll::Pending => match limit.poll(cx) {
                    Poll::Ready(Ok(())) => None,
                    Poll::Ready(Err(error)) => Some(Err(error)),
                    Poll::Pending => return Poll::Pending,
                },
            },
        };
        let wait = wait.take().expect("it was just polled");
        let result = match over {
            Some(result) => result.map(|()| wait.into_guard()),
            None => wait
                .give_up()
                .map_err(|contention| LockError::timed_out(key, limit.timeout(), contention)),
        };
        Poll::Ready(result.and_then(|guard| {
            // Much may have happened while it waited.
            locks.owner.check(Freshness::Recent)?;
            Ok(wrap(guard))
        }))
    }
}

/// The guard as a [`LockManager`](crate::LockManager) gives it.
#[inline]
pub(crate) fn boxed<O: Owner>(guard: TableGuard<O>) -> Box<dyn LockGuard> {
    Box::new(guard)
}
