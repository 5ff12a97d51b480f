//! [`WebLockManager::wait`]: a wait with a timeout, and the error when the time is over.

use std::time::Duration;

use super::WebLockManager;
use super::client_id::own_client_id;
use super::guard::WebLockGuard;
use super::limits::answered_within;
use super::query::query;
use super::request::RequestHandle;
use crate::core::handoff::IfHeld;
use crate::error::{Contention, LockError};
use crate::key::LockKey;
use crate::manager::AcquireOptions;
use crate::time::{self, Stamp};

/// How long after its timeout a wait may take to find out who was in the way.
const REPORT_LIMIT: Duration = Duration::from_secs(1);

impl WebLockManager {
    pub(super) async fn wait(
        &self,
        key: LockKey,
        options: AcquireOptions,
    ) -> Result<WebLockGuard, LockError> {
        let AcquireOptions { mode, timeout } = options;
        let request = match timeout.is_zero() {
            true => None,
            false => {
                let request = self.request(&key, mode, IfHeld::Queue)?;
                if let Some(answer) = time::timeout(timeout, request.answer(key.as_str())).await? {
                    answer?;
                    return Ok(WebLockGuard::new(key, mode, request));
                }
                Some(request)
            }
        };
        let last_try = self.last_try(request, key.clone(), options);
        match answered_within(REPORT_LIMIT, last_try).await {
            Some(result) => result,
            None => {
                let contention = Contention {
                    no_answer: true,
                    ..Contention::default()
                };
                Err(LockError::timed_out(
                    key.as_str(),
                    timeout,
                    Some(contention),
                ))
            }
        }
    }

    /// The last try of a wait whose time is over, or the only try if it was not to wait.
    ///
    /// A timer alone proves little: after a laptop slept, it fires before the grant that was
    /// due hours ago has come through. So the browser is queried for who is in the way. It sends
    /// its answer after any grant, so a grant that is on its way is here first. Only if a task of
    /// this client holds the lock, no query is needed.
    async fn last_try(
        &self,
        request: Option<RequestHandle>,
        key: LockKey,
        options: AcquireOptions,
    ) -> Result<WebLockGuard, LockError> {
        let AcquireOptions { mode, timeout } = options;
        let Some(request) = request else {
            return match self.take_if_free(key.clone(), mode).await? {
                Some(guard) => Ok(guard),
                None => {
                    let contention = self.contention(&key).await;
                    Err(LockError::timed_out(key.as_str(), timeout, contention))
                }
            };
        };
        let ahead = request.ahead(Contention::MAX_AHEAD);
        let contention = match ahead {
            Some(ahead) => {
                let holder = named(own_client_id(self.prefix()?).await.ok().flatten());
                let held_for = Stamp::at(ahead.held_since).elapsed();
                Some(Contention {
                    holder,
                    held_for: Some(held_for),
                    ahead: ahead.waiting,
                    ..Contention::default()
                })
            }
            None => self.contention(&key).await,
        };
        if request.is_granted() {
            return Ok(WebLockGuard::new(key, mode, request));
        }
        drop(request);
        if ahead.is_none()
            && let Some(guard) = self.take_if_free(key.clone(), mode).await?
        {
            return Ok(guard);
        }
        Err(LockError::timed_out(key.as_str(), timeout, contention))
    }

    /// Who holds `key`. If that cannot be found out, the timeout is reported without it.
    async fn contention(&self, key: &LockKey) -> Option<Contention> {
        let snapshot = query(self.prefix().ok()?).await.ok()?;
        let mut held = snapshot.held.into_iter();
        let holder = held.find(|info| info.key == key.as_str())?;
        Some(Contention {
            holder: named(holder.client),
            held_for: holder.age,
            ..Contention::default()
        })
    }
}

/// How an error names a client.
fn named(id: Option<String>) -> Option<String> {
    Some(format!("client {}", id?))
}
