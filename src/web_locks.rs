//! [`WebLockManager`]: locks among all tabs and workers of an origin, by the
//! browser's [Web Locks API].
//!
//! [Web Locks API]: https://developer.mozilla.org/docs/Web/API/Web_Locks_API

mod bindings;
mod browser_query;
mod client;
mod client_id;
mod environment;
mod events;
mod guard;
mod limits;
mod names;
mod node_wakeup;
mod own_requests;
mod page_lifecycle;
mod platform_request;
mod query;
mod reason;
mod request;
mod round_trip;
mod wait;

// The tests in these modules need a browser. Without this line the test runner skips them.
#[cfg(test)]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::core::handoff::{IfHeld, Passing};
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::key::{InvalidKey, LockKey};
use crate::manager::{AcquireOptions, LockManager, only_if_granted};
use crate::scope::LockScope;
use crate::snapshot::LockSnapshot;
use client::Client;
use guard::WebLockGuard;
use limits::or_unavailable;
use request::RequestHandle;

/// Named locks over `navigator.locks`. They exclude all tabs and workers of the same origin in
/// the same browser profile. They do not exclude other browsers, profiles or private windows,
/// nor the same site under another host name. In Node (24.5 and later) they exclude the threads
/// of one process.
///
/// The browser frees the locks of a tab that is closed, reloaded or has crashed, and grants
/// them to the next request in its queue.
///
/// Nobody polls for a lock. Nothing here falls back to a lock that excludes less: where the API
/// is missing, every operation fails with [`LockError::Unavailable`] and the reason.
///
/// # Hand-off within a tab
///
/// A round trip to the browser takes a tenth of a millisecond or more, and Node gets slower
/// with every request that is queued. So the tasks of one page, worker or thread that wait for
/// one key form a local queue, first come, first served. A task that releases the lock hands
/// it on to the next task in this queue, for at most 1,000 turns and 10 milliseconds after the
/// browser's grant. After that, the first task of the local queue queues with the browser like
/// everyone else.
///
/// So the order among tabs is not that of the calls. Later requests of this tab may overtake a
/// request of another tab, if their turn *begins* within 10 milliseconds after the browser has
/// granted the lock to this tab. They hold the lock for as long as they like. At most two
/// grants can do that: the present one, and the next one if this tab queued for it before the
/// other tab did. An example: tab A is granted the lock at 0 ms, tab B asks for it at 3 ms,
/// another task of A asks at 5 ms, and A releases at 8 ms. Then A's second task has the lock at
/// 8 ms. B has it when that task is done, at 9 ms or a minute later.
/// [`without_passing`](Self::without_passing) makes the order strictly first come, first
/// served among all tabs.
///
/// A task that waits behind such a grant queues with the browser when the 10 milliseconds are
/// over, by a timer. Browsers delay the timers of hidden pages (Chromium to one in a second,
/// later one in a minute), so a hidden page queues with the browser at once. A page that is
/// so busy that its timers come late is overtaken meanwhile.
///
/// [`query`](LockManager::query) shows all requests of its own page, worker or thread as of the
/// moment at which it returns. Of every other one it shows the holder and the first request
/// that waits.
///
/// # Waiting for the browser
///
/// The browser answers a try, a steal or a query at once. If it has not answered after 10
/// seconds, they fail with [`LockError::Unavailable`]. A [`lock`](LockManager::lock) ends a
/// second after its timeout at the latest. If the browser has not answered at all by then, the
/// error says so. `Duration::MAX` waits for ever. A page that is [prerendered] gets no answer
/// before it is shown.
///
/// [prerendered]: https://developer.mozilla.org/docs/Web/API/Speculation_Rules_API
///
/// # Loss
///
/// A guard becomes [lost](LockGuard::is_lost) when someone steals its lock, or when its page
/// goes into the back/forward cache. The waits of that page end with [`LockError::Lost`], and
/// so does a request whose lock was stolen just when it was granted.
///
/// A *worker* is not told that its page goes into that cache, and browsers do not agree on
/// a page whose worker holds locks. Firefox (153) does not keep it. Chromium (156) keeps it
/// until another tab wants one of the locks, and then discards it. WebKit (2.50) keeps
/// it, with the worker frozen and its locks held, and others time out. So if the workers of an
/// application hold locks, it should end them in the page's own `pagehide` (when
/// `event.persisted` is true), and start them again in `pageshow`.
///
/// # Threads
///
/// Where wasm has threads, a guard may be dropped on another thread than the one that asked for
/// the lock. Only the thread that asked can tell the browser. So the lock is free when that
/// thread next uses a lock of this kind. Drop or release guards on the thread that made them.
///
/// # What platforms do otherwise
///
/// Chromium grants locks only on a release. When a writer gives up its wait, the readers that
/// queued behind it wait until a present holder releases, although nothing conflicts with them
/// any more. (Seen in version 156. By the specification they would be granted at once.)
///
/// **Node can grant one lock to two of its threads** that ask at the same moment: it checks
/// whether the lock is free, and takes it, in two steps. (Seen in Node 24.21 and 26.10, also
/// with plain `navigator.locks`: when three threads kept asking for three locks, it was one
/// grant in some hundreds to thousands. Chromium never did it.) Nothing here can prevent it. So
/// between the threads of a Node process, use these locks only for what may in rare cases
/// happen twice. Among the tasks of one thread they hold.
///
/// Node differs in three more points (all seen in Node 26). A request whose wait was given up
/// stays in its queue until the next release, and readers behind a writer wait until then.
/// [`query`](LockManager::query) shows a thread only the requests of that thread. Node crashes
/// when a lock is stolen from another thread, so there [`steal`](LockManager::steal) of such a
/// lock is [`LockError::Unsupported`].
///
/// # Names
///
/// The browser calls a lock `crosslock:<namespace>:<key>`. Neither part can
/// contain `:`, so two namespaces never share a lock. [`with_prefix`](Self::with_prefix)
/// is for applications whose users have tabs open that call it otherwise.
///
/// Two more locks of ours can be seen in the browser for a moment. No manager shows them, and
/// nobody ever waits for them:
///
/// - `crosslock:round-trip`, shared. Its answer comes after everything that the browser has
///   sent before. It is asked for when a wait was given up or a lock was lost, and in Node
///   about once a second while somebody waits, because Node may forget to wake those who wait.
/// - `crosslock:client?123`. To tell its own requests from those of others,
///   [`query`](LockManager::query) has to know the client id that the browser has given to this
///   page or worker, and no call tells it. A page or worker that holds an exclusive lock is
///   recognised by that. One that has only waits and shared locks takes this lock, once in its
///   life.
#[derive(Clone)]
pub struct WebLockManager {
    /// The start of every lock's name. If it is invalid, every operation reports that.
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
    /// A namespace follows the rules for [keys](LockKey), or is empty. If it breaks them, every
    /// operation fails with [`LockError::InvalidNamespace`].
    pub fn with_namespace(namespace: impl AsRef<str>) -> Self {
        Self {
            prefix: names::in_namespace(namespace.as_ref()),
            ..Self::new()
        }
    }

    /// Locks that the browser calls `<prefix><key>`. This is for a web wallet that has shipped
    /// lock names of its own, such as `bark.<fingerprint>.<key>`: with the same names, its old
    /// tabs and its new ones exclude each other. Any other application uses a
    /// [namespace](Self::with_namespace).
    ///
    /// ```
    /// # #[cfg(target_family = "wasm")]
    /// let locks = crosslock::web_locks::WebLockManager::with_prefix("bark.01abcdef.");
    /// ```
    ///
    /// **When two prefixes share no lock:** if neither is the start of the other, as with
    /// fingerprints of one length, or if the longer one ends in a character that keys cannot
    /// have, such as `:` or `/`. Otherwise some of their keys name one lock, such as `a.b` under
    /// `bark.` and `b` under `bark.a.`. They then exclude each other more than they need to,
    /// and never less.
    ///
    /// A prefix may be empty, and may have any characters. It must not begin with `-`, which
    /// browsers refuse, or with `crosslock:`, which is for namespaces. If it does, every
    /// operation fails with [`LockError::InvalidNamespace`].
    pub fn with_prefix(prefix: impl Into<String>) -> Self {
        Self {
            prefix: names::with_prefix(prefix.into()),
            ..Self::new()
        }
    }

    /// The same manager without [hand-off](Self#hand-off-within-a-tab): each of its requests queues
    /// with the browser itself. That is strictly first come, first served among all tabs, and each
    /// turn takes a round trip to the browser.
    #[must_use]
    pub fn without_passing(mut self) -> Self {
        self.passing = Passing::Off;
        self
    }

    /// Checks that there is a `navigator.locks` to work with, and that the namespace
    /// keeps the rules.
    ///
    /// A document that has one may still not be allowed to use it, as with an opaque origin.
    /// Only a request shows that.
    ///
    /// # Errors
    ///
    /// [`LockError::Unavailable`] with the reason, or [`LockError::InvalidNamespace`].
    pub fn check_available(&self) -> Result<(), LockError> {
        self.prefix()?;
        environment::lock_manager()
            .map(drop)
            .map_err(LockError::unavailable)
    }

    fn prefix(&self) -> Result<&str, LockError> {
        self.prefix
            .as_deref()
            .map_err(|invalid| LockError::InvalidNamespace {
                namespace: invalid.key().to_owned(),
                rule: invalid.rule(),
            })
    }

    fn request(
        &self,
        key: &LockKey,
        mode: LockMode,
        if_held: IfHeld,
    ) -> Result<RequestHandle, LockError> {
        let name = format!("{}{key}", self.prefix()?);
        Ok(RequestHandle::new(&name, mode, if_held, self.passing))
    }

    async fn take_if_free(
        &self,
        key: LockKey,
        mode: LockMode,
    ) -> Result<Option<WebLockGuard>, LockError> {
        let request = self.request(&key, mode, IfHeld::Refuse)?;
        let granted = request.answer_of_try(key.as_str()).await?;
        Ok(granted.then(|| WebLockGuard::new(key, mode, request)))
    }

    async fn take_by_force(&self, key: LockKey) -> Result<WebLockGuard, LockError> {
        let mode = LockMode::Exclusive;
        if environment::is_node() {
            if let Some(free) = self.take_if_free(key.clone(), mode).await? {
                return Ok(free);
            }
            // Node 26 crashes when a lock is stolen from another of its threads, so we steal
            // only from our own. A task of ours may have been granted the lock without having
            // been called back yet: Node answers our try first. It answers a query only after
            // the callback, so then we know.
            let prefix = self.prefix()?;
            query::query(prefix).await?;
            let name = format!("{prefix}{key}");
            if !Client::here().with(|rules| rules.holds(&name)) {
                return Err(LockError::unsupported(
                    "stealing, in Node, a lock that another thread holds",
                ));
            }
        }
        let request = self.request(&key, mode, IfHeld::Steal)?;
        request.answer(key.as_str()).await?;
        Ok(WebLockGuard::new(key, mode, request))
    }
}

/// Not derived: that would escape the text, by tables that are larger than most of this module.
impl fmt::Debug for WebLockManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.prefix {
            Ok(prefix) => write!(f, "WebLockManager({prefix})"),
            Err(invalid) => write!(f, "WebLockManager({invalid})"),
        }
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
        Ok(Box::new(self.wait(LockKey::new(key)?, options).await?))
    }

    async fn steal(&self, key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        let key = LockKey::new(key)?;
        Ok(Box::new(or_unavailable(self.take_by_force(key)).await?))
    }

    async fn query(&self) -> Result<LockSnapshot, LockError> {
        or_unavailable(query::query(self.prefix()?)).await
    }

    fn scope(&self) -> LockScope {
        match environment::is_node() {
            true => LockScope::Process,
            false => LockScope::Origin,
        }
    }
}
