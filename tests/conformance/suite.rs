//! The promises of `LockManager`, one function each. They know nothing of the
//! backend and of the runtime: concurrency is several futures of one task, which
//! works everywhere and leaves the order of events to the test.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crosslock::{AcquireOptions, LockError, LockGuard, LockInfo, LockManager, LockSnapshot};

mod exclusion;
mod many_keys;
mod release;
mod steal_and_query;
mod waiting;

pub(crate) use exclusion::*;
pub(crate) use many_keys::*;
pub(crate) use release::*;
pub(crate) use steal_and_query::*;
pub(crate) use waiting::*;

/// Calls back with the names of all promises. A function that is not listed is
/// dead code, which clippy refuses.
macro_rules! for_each_promise {
    ($callback:ident, $($arguments:tt)*) => {
        $callback! {
            $($arguments)*,
            one_exclusive_holder
            many_shared_holders
            guards_name_key_and_mode
            different_keys_do_not_contend
            first_come_first_served
            writers_do_not_starve
            a_reader_behind_a_writer_is_not_granted_by_trying
            shared_waiters_are_granted_together
            zero_tries_once
            for_ever_and_longer_than_timers_count
            a_timeout_says_what_it_waited_for
            a_timed_out_wait_leaves_the_queue
            a_bad_key_fails_at_once
            a_dropped_wait_was_never_there
            a_grant_to_a_dropped_wait_is_passed_on
            guards_outlive_their_manager
            locks_are_not_reentrant
            release_returns_when_it_is_free
            a_release_that_is_dropped_frees
            a_drop_is_soon_followed_by_a_try
            nothing_is_left_behind
            a_panic_frees_the_lock
            many_keys_all_or_none
            many_keys_in_opposite_orders
            many_keys_time_out_as_one
            stealing_loses_the_victims
            a_loss_may_be_asked_for_again
            query_shows_held_and_pending
        }
    };
}
pub(crate) use for_each_promise;

/// What a backend need not have. One that declares such an operation absent must answer it
/// with [`LockError::Unsupported`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Optional {
    Query,
    Steal,
}

/// A manager under test, and what its backend declares absent.
#[derive(Debug)]
pub(crate) struct Manager {
    locks: Box<dyn LockManager>,
    absent: &'static [Optional],
}

impl Manager {
    pub(crate) fn new(locks: impl LockManager + 'static, absent: &'static [Optional]) -> Self {
        let locks = Box::new(locks);
        Self { locks, absent }
    }

    /// Whether the manager has an operation. Fails if it was declared absent and is there.
    async fn has(&self, operation: Optional) -> bool {
        if !self.absent.contains(&operation) {
            return true;
        }
        let error = match operation {
            Optional::Query => self.query().await.err(),
            Optional::Steal => self.steal(&key("absent")).await.err(),
        };
        let is_absent = matches!(error, Some(LockError::Unsupported { .. }));
        assert!(is_absent, "{operation:?} was declared absent: {error:?}");
        false
    }
}

impl Deref for Manager {
    type Target = dyn LockManager;

    fn deref(&self) -> &Self::Target {
        &*self.locks
    }
}

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

/// A key that no other test uses: memory is one keyspace for all of them.
fn key(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("{name}.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

async fn lock(locks: &Manager, key: &str) -> Box<dyn LockGuard> {
    locks.lock(key, LONG).await.expect("the lock comes free")
}

async fn shared(locks: &Manager, key: &str) -> Box<dyn LockGuard> {
    let guard = locks.acquire(key, AcquireOptions::shared(LONG)).await;
    guard.expect("the lock comes free")
}

async fn is_free(locks: &Manager, key: &str) -> bool {
    locks.try_lock(key).await.is_some()
}

/// Checks how many requests for `key` the manager shows, if it can be asked.
async fn assert_shown(locks: &Manager, key: &str, held: usize, pending: usize) {
    if locks.has(Optional::Query).await {
        let shown = query(locks, key).await;
        assert_eq!(
            (shown.held.len(), shown.pending.len()),
            (held, pending),
            "{shown:?}"
        );
    }
}

/// What the manager tells of `key`, without what other tests do meanwhile.
async fn query(locks: &Manager, key: &str) -> LockSnapshot {
    let all = locks.query().await.expect("it can be asked");
    let ours = |infos: Vec<LockInfo>| infos.into_iter().filter(|info| info.key == key).collect();
    LockSnapshot::new(ours(all.held), ours(all.pending))
}
