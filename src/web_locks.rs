//! [`WebLockManager`]: locks among all tabs and workers of an origin, by the
//! browser's [Web Locks API].
//!
//! [Web Locks API]: https://developer.mozilla.org/docs/Web/API/Web_Locks_API

mod bindings;
mod claim;
mod context;
mod errand;
mod named;
mod names;
mod nudge;
mod page;
mod platform;
mod round_trip;
mod snapshot;
mod wakers;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;

use crate::core::handoff::{IfHeld, Passing};
use crate::error::{Contention, LockError};
use crate::guard::{LockGuard, LockMode};
use crate::key::{InvalidKey, LockKey};
use crate::manager::{AcquireOptions, LockManager, only_if_granted};
use crate::scope::LockScope;
use crate::snapshot::LockSnapshot;
use crate::time::{self, Stamp};
use claim::Claim;
pub(crate) use claim::WebLockGuard;
use context::Context;

/// Named locks over `navigator.locks`: they exclude every tab and worker of the
/// same origin in the same browser profile. Not other browsers, profiles or private
/// windows, and not the same site under another host name. In Node (24.5 and
/// later) they reach the threads of one process.
///
/// The browser frees the locks of a tab that is closed, reloaded or has crashed,
/// and hands them to the next in its queue.
///
/// Nobody polls for a lock. Nothing here falls back to a narrower lock: where the
/// API is missing, every operation fails with [`LockError::Unavailable`] and the
/// reason.
///
/// # Passing on
///
/// A round trip to the browser takes a tenth of a millisecond and more, and Node gets
/// slower with every request that is queued. So the tasks of one page, worker or thread
/// that wait for one key stand in a line of their own, first come, first served. Who
/// releases hands the lock on to the next in that line, for at most 1,000 turns and 10
/// milliseconds after the browser's grant; after that the first of the line queues with
/// the browser like everyone else.
///
/// So the order among contexts is not that of the calls. A request of another tab may be
/// overtaken by requests of this one that were made later: by those whose turn *begins*
/// within 10 milliseconds after a grant of the browser to this tab, and for the whole of
/// the time for which they hold the lock. There are two such grants at most: the present
/// one, and that for which the first of this tab's line queued before the other tab did.
/// An example: tab A is granted the lock at 0 ms, tab B asks for it at 3 ms, another task
/// of A asks at 5 ms, and A releases at 8 ms. Then A's second task has the lock at 8 ms,
/// and B has it when that task is done, be that at 9 ms or a minute later.
/// [`without_passing`](Self::without_passing) makes it strictly first come, first served
/// among all tabs.
///
/// Whoever waits behind such a grant queues with the browser when the 10 milliseconds are
/// over, by a timer. Browsers delay the timers of hidden pages (Chromium to one in a second,
/// later one in a minute), so a hidden page queues with the browser at once. A page that is
/// so busy that its timers come late is overtaken meanwhile.
///
/// [`query`](LockManager::query) shows all requests of its own context as of the moment at
/// which it returns, and of every other the holder and the first who waits.
///
/// # Waiting for the browser
///
/// What the browser answers at once (a try, a steal, a query) fails with
/// [`LockError::Unavailable`] if it has not answered after 10 seconds. A
/// [`lock`](LockManager::lock) ends a second after its timeout at the latest; if the browser
/// had given no answer at all by then, the error says so. `Duration::MAX` waits for ever.
/// A page that is [prerendered] gets no answer before it is shown.
///
/// [prerendered]: https://developer.mozilla.org/docs/Web/API/Speculation_Rules_API
///
/// # Loss
///
/// A guard becomes [lost](LockGuard::is_lost) when someone steals its lock, and
/// when its page goes into the back/forward cache. Waits of that page end with
/// [`LockError::Lost`] as well, and so does a request whose lock was stolen just when it
/// was granted.
///
/// A *worker* is not told that its page goes into that cache, and browsers do not agree on
/// a page whose worker holds locks. Firefox (153) does not keep it. Chromium (156) keeps it
/// until another tab wants one of the locks, and then throws it away. WebKit (2.50) keeps
/// it, with the worker frozen and its locks held, and others time out. So an application
/// whose workers hold locks does well to end them in the page's own `pagehide` (when
/// `event.persisted` is true), and to start them again in `pageshow`.
///
/// # Threads
///
/// Where wasm has threads, a guard may be dropped on another one than that which asked for
/// the lock. Only that one can tell the browser: the lock is free when it next uses a lock
/// of this kind. So see to it that guards are dropped, or released, where they were made.
///
/// # What platforms do otherwise
///
/// Chromium grants on release alone: when a writer gives up its wait, readers that
/// queued behind it stay there until a present holder releases, although nothing
/// conflicts with them any more (seen in version 156; the specification would grant
/// them at once).
///
/// **Node can grant one lock to two of its threads** that ask at the same moment: it looks
/// whether the lock is free, and takes it, in two steps. (Seen in Node 24.21 and 26.10, with
/// plain `navigator.locks` as well: when three threads kept asking for three locks, one
/// grant in some hundreds to thousands. Chromium never did it.)
/// Nothing here can prevent it. So between the threads of a Node process these locks
/// are for what may in rare cases happen twice; among the tasks of one thread they hold.
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
/// contain `:`, so two namespaces never share a lock. [`with_prefix`](Self::with_prefix)
/// is for applications whose users have tabs open that call it otherwise.
///
/// Beside the locks that were asked for, others can see two of ours in the browser, for a
/// moment. No manager shows them, and nobody ever waits for them:
///
/// - `crosslock:round-trip`, shared. When its answer is here, so is everything that the
///   browser had to say before. It is asked for when a wait was given up or a lock was lost,
///   and in Node about once a second while somebody waits, for else Node forgets them.
/// - `crosslock:client?123`. To tell its own requests from those of others,
///   [`query`](LockManager::query) has to know the browser's client id for this page or
///   worker, which no call tells. Where an exclusive lock is held, it is seen by that. Only a
///   context that has nothing but waits and shared locks takes this one, once in its life.
#[derive(Clone)]
pub struct WebLockManager {
    /// The start of every lock's name; an invalid namespace is reported by every
    /// operation.
    prefix: Result<String, InvalidKey>,
    passing: Passing,
}

impl WebLockManager {
    /// Locks in the empty namespace.
    pub fn new() -> Self {
        Self {
            prefix: names::in_namespace(""),
            passing: Passing::On,
        }
    }

    /// Locks that are apart from those of other namespaces, such as those of
    /// another wallet on the same origin.
    ///
    /// A namespace follows the rules for [keys](LockKey), or is empty. One that
    /// breaks them makes every operation fail with
    /// [`LockError::InvalidNamespace`].
    pub fn with_namespace(namespace: impl AsRef<str>) -> Self {
        Self {
            prefix: names::in_namespace(namespace.as_ref()),
            ..Self::new()
        }
    }

    /// Locks that the browser calls `<prefix><key>`: for a web wallet that has shipped
    /// names of its own, such as `bark.<fingerprint>.<key>`, so that its old tabs and its
    /// new ones exclude each other. Anyone else takes a
    /// [namespace](Self::with_namespace).
    ///
    /// ```
    /// # #[cfg(target_family = "wasm")]
    /// let locks = crosslock::web_locks::WebLockManager::with_prefix("bark.01abcdef.");
    /// ```
    ///
    /// **What keeps two prefixes apart:** they share no lock if neither is the start of
    /// the other, as with fingerprints of one length, or if the longer one ends in a
    /// character that keys cannot have, such as `:` or `/`. Otherwise some of their keys
    /// name one lock, as `a.b` under `bark.` and `b` under `bark.a.` do: they then exclude
    /// each other more than they need to, never less.
    ///
    /// A prefix may be empty, and may have any characters. It must not begin with `-`,
    /// which browsers refuse, or with `crosslock:`, which is for namespaces: such a one
    /// makes every operation fail with [`LockError::InvalidNamespace`].
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self {
            prefix: names::with_prefix(prefix.into()),
            ..Self::new()
        }
    }

    /// The same manager, except that each of its requests queues with the browser for
    /// itself, and no lock is [passed on](Self#passing-on): strictly first come, first
    /// served among all tabs, at a round trip to the browser for each turn.
    #[must_use]
    pub fn without_passing(mut self) -> Self {
        self.passing = Passing::Off;
        self
    }

    /// Checks that there is a `navigator.locks` to work with, and that the namespace
    /// keeps the rules.
    ///
    /// A document that has one may still be refused its use (an opaque origin):
    /// only a request shows.
    ///
    /// # Errors
    ///
    /// [`LockError::Unavailable`] with the reason, or [`LockError::InvalidNamespace`].
    pub fn check_available(&self) -> Result<(), LockError> {
        self.prefix()?;
        platform::lock_manager()
            .map(drop)
            .map_err(platform::unavailable)
    }

    fn prefix(&self) -> Result<&str, LockError> {
        self.prefix
            .as_deref()
            .map_err(|invalid| LockError::InvalidNamespace {
                namespace: invalid.key().to_owned(),
                rule: invalid.rule(),
            })
    }

    fn claim(&self, key: &LockKey, mode: LockMode, if_held: IfHeld) -> Result<Claim, LockError> {
        let name = format!("{}{key}", self.prefix()?);
        Ok(Claim::new(&name, mode, if_held, self.passing))
    }

    async fn take_if_free(
        &self,
        key: LockKey,
        mode: LockMode,
    ) -> Result<Option<WebLockGuard>, LockError> {
        let claim = self.claim(&key, mode, IfHeld::Refuse)?;
        let granted = claim.answer_of_try(key.as_str()).await?;
        Ok(granted.then(|| WebLockGuard::new(key, mode, claim)))
    }

    async fn take_by_force(&self, key: LockKey) -> Result<WebLockGuard, LockError> {
        let mode = LockMode::Exclusive;
        if platform::is_node() {
            if let Some(free) = self.take_if_free(key.clone(), mode).await? {
                return Ok(free);
            }
            // Node 26 crashes when a lock is stolen from another of its threads. It refuses
            // us before it calls back whoever it has just granted the lock; what it says to
            // a query comes behind that.
            let prefix = self.prefix()?;
            snapshot::query(prefix).await?;
            let name = format!("{prefix}{key}");
            if !Context::here().look(|relay| relay.holds(&name)) {
                return Err(LockError::Unsupported {
                    operation: "stealing, in Node, a lock that another thread holds",
                });
            }
        }
        let claim = self.claim(&key, mode, IfHeld::Steal)?;
        claim.answer(key.as_str()).await?;
        Ok(WebLockGuard::new(key, mode, claim))
    }

    /// [`acquire`](LockManager::acquire) without the box.
    pub(crate) async fn acquire_unboxed(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<WebLockGuard, LockError> {
        let AcquireOptions { mode, timeout } = options;
        let key = LockKey::new(key)?;
        let claim = match timeout.is_zero() {
            true => None,
            false => {
                let claim = self.claim(&key, mode, IfHeld::Queue)?;
                if let Some(answer) = time::timeout(timeout, claim.answer(key.as_str())).await? {
                    answer?;
                    return Ok(WebLockGuard::new(key, mode, claim));
                }
                Some(claim)
            }
        };
        let last_try = self.last_try(claim, key.clone(), options);
        match answered_within(BEYOND, last_try).await {
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

    /// The last try of a wait whose time is up, or the only one if it was not to wait.
    ///
    /// A timer proves little: after a laptop slept, it fires before the grant that
    /// was due hours ago has come through. A query makes the round to the browser
    /// and back, behind any grant that is on its way, and tells who is in the way
    /// if there was none. Only if one of our own context holds the lock, we know.
    async fn last_try(
        &self,
        claim: Option<Claim>,
        key: LockKey,
        options: AcquireOptions,
    ) -> Result<WebLockGuard, LockError> {
        let AcquireOptions { mode, timeout } = options;
        let Some(claim) = claim else {
            return match self.take_if_free(key.clone(), mode).await? {
                Some(guard) => Ok(guard),
                None => {
                    let contention = self.contention(&key).await;
                    Err(LockError::timed_out(key.as_str(), timeout, contention))
                }
            };
        };
        let ahead = claim.ahead(Contention::MAX_AHEAD);
        let contention = match ahead {
            Some(ahead) => Some(Contention {
                holder: client(snapshot::own_client(self.prefix()?).await.ok().flatten()),
                held_for: Some(Stamp::at(ahead.held_since).elapsed()),
                ahead: ahead.waiting,
                ..Contention::default()
            }),
            None => self.contention(&key).await,
        };
        if claim.is_granted() {
            return Ok(WebLockGuard::new(key, mode, claim));
        }
        drop(claim);
        if ahead.is_none()
            && let Some(guard) = self.take_if_free(key.clone(), mode).await?
        {
            return Ok(guard);
        }
        Err(LockError::timed_out(key.as_str(), timeout, contention))
    }

    /// Who holds `key`. Not knowing must not hide the timeout that it is for.
    async fn contention(&self, key: &LockKey) -> Option<Contention> {
        let snapshot = snapshot::query(self.prefix().ok()?).await.ok()?;
        let mut held = snapshot.held.into_iter();
        let holder = held.find(|info| info.key == key.as_str())?;
        Some(Contention {
            holder: client(holder.client),
            held_for: holder.age,
            ..Contention::default()
        })
    }
}

/// By hand: what is derived escapes text, by tables that are larger than the most of what
/// is here.
impl fmt::Debug for WebLockManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.prefix {
            Ok(prefix) => write!(f, "WebLockManager({prefix})"),
            Err(invalid) => write!(f, "WebLockManager({invalid})"),
        }
    }
}

/// So long after its timeout a wait may take to find out who was in the way.
const BEYOND: Duration = Duration::from_secs(1);

/// So long we wait for what the browser answers at once, if it answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `work` for at most `limit`; without a limit where there is no timer to keep it by.
async fn answered_within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    match time::timeout(limit, work.as_mut()).await {
        Ok(output) => output,
        Err(_) => Some(work.await),
    }
}

/// What the browser answers at once, or an error that it did not answer.
async fn or_unavailable<T>(
    work: impl Future<Output = Result<T, LockError>>,
) -> Result<T, LockError> {
    answered_within(PATIENCE, work).await.unwrap_or_else(|| {
        let reason = "navigator.locks has not answered for 10 seconds \
                      (a prerendered page gets no answer before it is shown)";
        Err(platform::unavailable(String::from(reason)))
    })
}

fn client(id: Option<String>) -> Option<String> {
    Some(format!("client {}", id?))
}

impl Default for WebLockManager {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait(?Send)]
impl LockManager for WebLockManager {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        only_if_granted(key, self.try_acquire(key, LockMode::Exclusive).await)
    }

    async fn lock(&self, key: &str, timeout: Duration) -> Result<Box<dyn LockGuard>, LockError> {
        self.acquire(key, AcquireOptions::new(timeout)).await
    }

    async fn try_acquire(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        let taken = self.take_if_free(LockKey::new(key)?, mode);
        let taken = or_unavailable(taken).await?;
        Ok(taken.map(|guard| Box::new(guard) as _))
    }

    async fn acquire(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        Ok(Box::new(self.acquire_unboxed(key, options).await?))
    }

    async fn steal(&self, key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        let key = LockKey::new(key)?;
        Ok(Box::new(or_unavailable(self.take_by_force(key)).await?))
    }

    async fn query(&self) -> Result<LockSnapshot, LockError> {
        or_unavailable(snapshot::query(self.prefix()?)).await
    }

    fn scope(&self) -> LockScope {
        match platform::is_node() {
            true => LockScope::Process,
            false => LockScope::Origin,
        }
    }
}
