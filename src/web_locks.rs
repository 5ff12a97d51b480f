//! [`WebLockManager`]: locks among all tabs and workers of an origin, by the
//! browser's [Web Locks API].
//!
//! [Web Locks API]: https://developer.mozilla.org/docs/Web/API/Web_Locks_API

mod bindings;
mod guard;
mod hold;
mod nudge;
mod page;
mod platform;
mod request;
mod round_trip;

use std::time::Duration;

use async_trait::async_trait;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::error::{Contention, LockError};
use crate::guard::{LockGuard, LockMode};
use crate::key::{InvalidKey, LockKey};
use crate::manager::{AcquireOptions, LockManager};
use crate::scope::LockScope;
use crate::snapshot::{LockInfo, LockSnapshot};
use crate::time;
use bindings::{Info, Snapshot};
use guard::WebLockGuard;
use request::{IfHeld, Request};

/// Named locks over `navigator.locks`: they exclude every tab and worker of the
/// same origin in the same browser profile. Not other browsers, profiles or private
/// windows, and not the same site under another host name. In Node (24.5 and
/// later) they reach the threads of one process.
///
/// The browser frees the locks of a tab that is closed, reloaded or has crashed,
/// and hands them to the next in its queue.
///
/// A request waits in the browser's own queue, first come, first served among all
/// tabs; there is no polling. Nothing here falls back to a narrower lock: where the
/// API is missing, every operation fails with [`LockError::Unavailable`] and the
/// reason.
///
/// A guard becomes [lost](LockGuard::is_lost) when someone steals its lock, and
/// when its page goes into the back/forward cache.
///
/// # What platforms do otherwise
///
/// Chromium grants on release alone: when a writer gives up its wait, readers that
/// queued behind it stay there until a present holder releases, although nothing
/// conflicts with them any more (seen in version 156; the specification would grant
/// them at once).
///
/// Node keeps a request whose wait was given up in its queue until the next
/// release, shows a thread only that thread's requests in
/// [`query`](LockManager::query), and crashes when a lock is stolen from another
/// thread (all seen in Node 26). So in Node [`steal`](LockManager::steal) of such a
/// lock is [`LockError::Unsupported`].
///
/// # Names
///
/// The browser calls a lock `crosslock:<namespace>:<key>`. Neither part can
/// contain `:`, so two namespaces never share a lock.
#[derive(Debug, Clone)]
pub struct WebLockManager {
    /// The start of every lock's name; an invalid namespace is reported by every
    /// operation.
    prefix: Result<String, InvalidKey>,
}

impl WebLockManager {
    /// Locks in the empty namespace.
    pub fn new() -> Self {
        Self {
            prefix: Ok(prefix("")),
        }
    }

    /// Locks that are apart from those of other namespaces, such as those of
    /// another wallet on the same origin.
    ///
    /// A namespace follows the rules for [keys](LockKey), or is empty. One that
    /// breaks them makes every operation fail with
    /// [`LockError::InvalidNamespace`].
    pub fn with_namespace(namespace: impl AsRef<str>) -> Self {
        let namespace = namespace.as_ref();
        if namespace.is_empty() {
            return Self::new();
        }
        let checked = LockKey::new(namespace);
        Self {
            prefix: checked.map(|namespace| prefix(namespace.as_str())),
        }
    }

    /// Checks that there is a `navigator.locks` to work with.
    ///
    /// A document that has one may still be refused its use (an opaque origin):
    /// only a request shows.
    ///
    /// # Errors
    ///
    /// [`LockError::Unavailable`] with the reason.
    pub fn check_available(&self) -> Result<(), LockError> {
        platform::lock_manager().map(drop)
    }

    fn prefix(&self) -> Result<&str, LockError> {
        self.prefix
            .as_deref()
            .map_err(|invalid| LockError::InvalidNamespace {
                namespace: invalid.key().to_owned(),
                rule: invalid.rule(),
            })
    }

    fn send(&self, key: &str, mode: LockMode, if_held: IfHeld) -> Result<Request, LockError> {
        let key = LockKey::new(key)?;
        let name = self.name(key.as_str())?;
        Request::send(&platform::lock_manager()?, key, name, mode, if_held)
    }

    fn name(&self, key: &str) -> Result<String, LockError> {
        Ok(format!("{}{key}", self.prefix()?))
    }

    /// Whether this instance of the module holds `key`.
    fn is_held_here(&self, key: &str) -> Result<bool, LockError> {
        let ours = hold::with_name(&self.name(key)?);
        Ok(ours.iter().any(|hold| hold.held_for().is_some()))
    }

    async fn take_if_free(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<WebLockGuard>, LockError> {
        // What we have let go of ourselves is free as far as our caller can know,
        // but the browser may not have heard of it.
        for hold in hold::with_name(&self.name(key)?) {
            hold.settled_if_releasing().await;
        }
        let request = self.send(key, mode, IfHeld::Refuse)?;
        let granted = request.answer().await?;
        Ok(granted.then(|| request.into_guard()))
    }

    /// The last try of a wait whose time is up.
    ///
    /// A timer proves little: after a laptop slept, it fires before the grant that
    /// was due hours ago has come through. A query makes the round to the browser
    /// and back, behind any grant that is on its way, and tells who is in the way
    /// if there was none.
    async fn last_try(
        &self,
        request: Request,
        key: &str,
        options: AcquireOptions,
    ) -> Result<WebLockGuard, LockError> {
        let contention = self.contention(key).await;
        if request.is_granted() {
            return Ok(request.into_guard());
        }
        drop(request);
        match self.take_if_free(key, options.mode).await? {
            Some(guard) => Ok(guard),
            None => Err(LockError::timed_out(key, options.timeout, contention)),
        }
    }

    /// Who holds `key`. Not knowing must not hide the timeout that it is for.
    async fn contention(&self, key: &str) -> Option<Contention> {
        let snapshot = self.query().await.ok()?;
        let holder = snapshot.held.into_iter().find(|info| info.key == key)?;
        Some(Contention {
            holder: holder.client.map(|client| format!("client {client}")),
            held_for: holder.age,
            ahead: None,
        })
    }
}

impl Default for WebLockManager {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait(?Send)]
impl LockManager for WebLockManager {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        let taken = self.take_if_free(key, LockMode::Exclusive).await;
        Some(Box::new(taken.ok()??))
    }

    async fn lock(&self, key: &str, timeout: Duration) -> Result<Box<dyn LockGuard>, LockError> {
        self.acquire(key, AcquireOptions::new(timeout)).await
    }

    async fn try_acquire(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        let taken = self.take_if_free(key, mode).await?;
        Ok(taken.map(|guard| Box::new(guard) as _))
    }

    async fn acquire(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        let AcquireOptions { mode, timeout } = options;
        if timeout.is_zero() {
            return match self.take_if_free(key, mode).await? {
                Some(guard) => Ok(Box::new(guard)),
                None => Err(LockError::timed_out(
                    key,
                    timeout,
                    self.contention(key).await,
                )),
            };
        }
        let request = self.send(key, mode, IfHeld::Queue)?;
        let answer = nudge::while_waiting(request.answer());
        match time::timeout(timeout, answer).await? {
            Some(answer) => {
                answer?;
                Ok(Box::new(request.into_guard()))
            }
            None => Ok(Box::new(self.last_try(request, key, options).await?)),
        }
    }

    async fn steal(&self, key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        if platform::node_version().is_some() {
            if let Some(free) = self.take_if_free(key, LockMode::Exclusive).await? {
                return Ok(Box::new(free));
            }
            // Node 26 crashes when a lock is stolen from another of its threads. It refuses
            // us before it calls back whoever it has just granted the lock; what it says to
            // a query comes behind that.
            self.query().await?;
            if !self.is_held_here(key)? {
                return Err(LockError::Unsupported {
                    operation: "stealing, in Node, a lock that another thread holds",
                });
            }
        }
        let request = self.send(key, LockMode::Exclusive, IfHeld::Steal)?;
        request.answer().await?;
        Ok(Box::new(request.into_guard()))
    }

    async fn query(&self) -> Result<LockSnapshot, LockError> {
        let prefix = self.prefix()?;
        let turned_down = |why: JsValue| platform::unavailable(platform::why_turned_down(&why));
        let asked = platform::lock_manager()?.query().map_err(turned_down)?;
        let answer = JsFuture::from(asked).await.map_err(turned_down)?;
        let snapshot: Snapshot = answer.unchecked_into();
        let ours = |infos: js_sys::Array| {
            let infos = infos.iter().map(|info| info.unchecked_into());
            infos
                .filter_map(|info: Info| describe(prefix, &info))
                .collect()
        };
        Ok(LockSnapshot::new(
            ours(snapshot.held()),
            ours(snapshot.pending()),
        ))
    }

    fn scope(&self) -> LockScope {
        match platform::node_version() {
            Some(_) => LockScope::Process,
            None => LockScope::Origin,
        }
    }
}

fn prefix(namespace: &str) -> String {
    format!("crosslock:{namespace}:")
}

/// An entry of the browser's snapshot, if it is of our namespace.
fn describe(prefix: &str, info: &Info) -> Option<LockInfo> {
    let name = info.name();
    let key = name.strip_prefix(prefix)?;
    let mode = match info.mode().as_str() {
        "shared" => LockMode::Shared,
        _ => LockMode::Exclusive,
    };
    Some(LockInfo {
        age: own_age(&name, mode),
        client: info.client_id(),
        ..LockInfo::new(key, mode)
    })
}

/// For how long we hold `name`. The browser tells no times; but an exclusive lock
/// has one holder, so if we have it, the entry is ours and we know.
fn own_age(name: &str, mode: LockMode) -> Option<Duration> {
    if mode == LockMode::Shared {
        return None;
    }
    hold::with_name(name)
        .iter()
        .find_map(|hold| hold.held_for())
}
