//! [`TableLocks`]: the whole contract of [`LockManager`](crate::LockManager) on a
//! lock table, for the managers whose locks live in this process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Status;
use super::acquire::Acquire;
use super::guard::TableGuard;
use super::handle::{Staleness, TableHandle, check};
use super::operations;
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::manager::AcquireOptions;
use crate::snapshot::{LockInfo, LockSnapshot};
use crate::time::Limit;

/// Keyed locks in the table that `H` keeps alive. Their requests are labelled with `client`.
#[derive(Debug, Clone)]
pub(crate) struct TableLocks<H: TableHandle> {
    handle: H,
    client: Option<Arc<str>>,
}

impl<H: TableHandle> TableLocks<H> {
    pub(crate) fn new(handle: H, client: Option<Arc<str>>) -> Self {
        Self { handle, client }
    }

    #[cfg_attr(
        not(any(unix, windows)),
        expect(dead_code, reason = "for datadir locks, which have something to tell")
    )]
    pub(crate) fn handle(&self) -> &H {
        &self.handle
    }

    /// The same locks, whose requests are labelled with `client`.
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

    /// `wrap` makes of the guard what the caller is to have: see [`operations::try_acquire`].
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn try_acquire<G>(
        &self,
        key: &str,
        mode: LockMode,
        wrap: impl FnOnce(TableGuard<H>) -> G,
    ) -> Result<Option<G>, LockError> {
        check(&self.handle, key)?;
        operations::try_acquire(&self.handle, key, mode, self.client.as_ref(), wrap)
    }

    /// `wrap` is as for [`try_acquire`](Self::try_acquire).
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub(crate) fn acquire<'l, 'k, G, F>(
        &'l self,
        key: &'k str,
        options: AcquireOptions,
        wrap: F,
    ) -> Acquiring<'l, 'k, H, F>
    where
        F: FnOnce(TableGuard<H>) -> G + Copy,
    {
        Acquiring {
            wait: Acquire::new(&self.handle, key, options.mode, self.client.as_ref()),
            limit: Limit::new(options.timeout),
            wrap,
        }
    }

    pub(crate) fn steal(&self, key: &str) -> Result<TableGuard<H>, LockError> {
        check(&self.handle, key)?;
        operations::steal(&self.handle, key, self.client.as_ref())
    }

    pub(crate) fn query(&self) -> Result<LockSnapshot, LockError> {
        self.handle.check(Staleness::Recent)?;
        let mut snapshot = LockSnapshot::default();
        self.handle.table().for_each(|request| {
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
pub(crate) struct Acquiring<'l, 'k, H: TableHandle, F> {
    /// In the queue from the first poll that had to wait until the wait is over.
    wait: Acquire<'l, 'k, H>,
    limit: Limit,
    wrap: F,
}

/// Nothing in it is pinned.
impl<H: TableHandle, F> Unpin for Acquiring<'_, '_, H, F> {}

impl<H: TableHandle, F, G> Future for Acquiring<'_, '_, H, F>
where
    F: FnOnce(TableGuard<H>) -> G + Copy,
{
    type Output = Result<G, LockError>;

    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.wait.is_queued() {
            // Nearly always the key is free. Nothing that a wait needs is prepared before that is known.
            match self.wait.try_acquire(self.wrap) {
                Ok(None) => {}
                Ok(Some(guard)) => return Poll::Ready(Ok(guard)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.wait(cx)
    }
}

impl<H: TableHandle, F, G> Acquiring<'_, '_, H, F>
where
    F: FnOnce(TableGuard<H>) -> G + Copy,
{
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Result<G, LockError>> {
        let Self { wait, limit, wrap } = self;
        let over = match limit.is_zero() {
            true => None,
            false => match Pin::new(&mut *wait).poll(cx) {
                Poll::Ready(result) => Some(result),
                // Polled after the wait, so that a grant at the same moment wins over the timer.
                Poll::Pending => match limit.poll(cx) {
                    Poll::Ready(Ok(())) => None,
                    Poll::Ready(Err(error)) => Some(Err(error)),
                    Poll::Pending => return Poll::Pending,
                },
            },
        };
        let result = match over {
            Some(Ok(())) => Ok(wait.take_guard()),
            Some(Err(error)) => {
                // Without a timer the request is still in the queue, and nobody polls it again.
                wait.leave();
                Err(error)
            }
            None => wait.give_up().map_err(|contention| {
                LockError::timed_out(wait.key(), limit.timeout(), contention)
            }),
        };
        Poll::Ready(result.and_then(|guard| {
            // The datadir may have been lost during the wait.
            wait.handle().check(Staleness::Recent)?;
            Ok(wrap(guard))
        }))
    }
}

/// The guard as a [`LockManager`](crate::LockManager) gives it.
#[inline]
pub(crate) fn boxed<H: TableHandle>(guard: TableGuard<H>) -> Box<dyn LockGuard> {
    Box::new(guard)
}
