#![doc = include_str!("../docs/writing-a-backend.md")]

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::manager::{AcquireOptions, LockManager};
use crate::snapshot::{LockInfo, LockSnapshot};

mod downgrade;
mod exclusion;
mod many_keys;
mod release;
mod steal_and_query;
mod waiting;

pub use downgrade::*;
pub use exclusion::*;
pub use many_keys::*;
pub use release::*;
pub use steal_and_query::*;
pub use waiting::*;

/// Makes one test for each promise, in the module in which it is called.
///
/// ```
/// # fn main() {}
/// # #[cfg(test)] // so that tokio's attribute is not expanded here
/// mod my_locks {
///     use my_backend::MyLockManager;
///
///     crosslock::conformance! {
///         test: #[tokio::test],
///         manager: MyLockManager::connect("localhost").await.unwrap(),
///         scope: Unspecified,
///         absent: [Query, Steal],
///     }
/// }
/// ```
///
/// - `test` is the attribute of a test in the runtime of the backend, such as `#[tokio::test]`
///   or `#[wasm_bindgen_test]`.
/// - `manager` is an expression for a manager, evaluated in each test. It may await.
/// - `scope` is the variant of [`LockScope`](crate::LockScope) that the manager must report.
/// - `absent`, which may be left out, names what the backend does not have: variants of
///   [`Optional`].
/// - `finally`, which may be left out, is a future that is awaited at the end of each test.
///
/// Tests may run at the same time. Each uses keys of its own, so managers may share them.
#[macro_export]
macro_rules! conformance {
    (
        test: #[$test:meta],
        manager: $manager:expr,
        scope: $scope:ident
        $(, absent: [$($absent:ident),* $(,)?])?
        $(, finally: $finally:expr)?
        $(,)?
    ) => {
        const ABSENT: &[$crate::conformance::Optional] =
            &[$($($crate::conformance::Optional::$absent),*)?];

        async fn finally() {
            $($finally.await;)?
        }

        #[$test]
        async fn the_scope_is_named() {
            let manager = $manager;
            let scope = $crate::LockManager::scope(&manager);
            assert_eq!(scope, $crate::LockScope::$scope);
        }

        $crate::conformance! {
            @promises #[$test] $manager,
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
            a_downgrade_lets_readers_in_and_no_writer
            a_downgrade_of_what_is_shared_or_lost
            stealing_loses_the_victims
            a_loss_may_be_asked_for_again
            query_shows_held_and_pending
        }
    };
    (@promises #[$test:meta] $manager:expr, $($promise:ident)*) => {
        $(
            #[$test]
            async fn $promise() {
                let manager = $crate::conformance::ManagerUnderTest::new($manager, ABSENT);
                $crate::conformance::$promise(manager).await;
                finally().await;
            }
        )*
    };
}

/// What a backend need not have. The suite checks that what is declared absent is absent, as far
/// as that can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Optional {
    /// [`LockManager::query`]. Without it, the answer must be [`LockError::Unsupported`].
    Query,
    /// [`LockManager::steal`]. Without it, the answer must be [`LockError::Unsupported`].
    Steal,
    /// [`LockGuard::downgrade`]. Without it, the answer must be [`LockError::Unsupported`].
    Downgrade,
    /// [`LockMode::Shared`]. Without it, a request for a shared lock must fail with
    /// [`LockError::Unsupported`].
    Shared,
    /// Grants are made first come, first served. A backend that polls cannot promise it, and
    /// neither can the default body of [`LockManager::lock`].
    Order,
    /// A timeout says for how long the lock has been held:
    /// [`Contention::held_for`](crate::Contention::held_for).
    Contention,
}

/// A manager under test, and what its backend declares absent.
#[derive(Debug)]
pub struct ManagerUnderTest {
    manager: Box<dyn LockManager>,
    absent: &'static [Optional],
}

impl ManagerUnderTest {
    /// `manager`, whose backend does not have what `absent` names.
    pub fn new(manager: impl LockManager + 'static, absent: &'static [Optional]) -> Self {
        let manager = Box::new(manager);
        Self { manager, absent }
    }

    /// Whether the backend has `what`. Fails if it was declared absent and is there.
    async fn has(&self, what: Optional) -> bool {
        if !self.absent.contains(&what) {
            return true;
        }
        let error = match what {
            Optional::Query => self.query().await.err(),
            Optional::Steal => self.steal(&key("absent")).await.err(),
            Optional::Downgrade => {
                let guard = self.try_lock(&key("absent")).await;
                guard.expect("it is free").downgrade().await.err()
            }
            Optional::Shared => {
                let answer = self.try_acquire(&key("absent"), LockMode::Shared).await;
                answer.err()
            }
            // Whether these are there by chance cannot be seen, or is seen by their test.
            Optional::Order | Optional::Contention => return false,
        };
        let is_absent = matches!(error, Some(LockError::Unsupported { .. }));
        assert!(is_absent, "{what:?} was declared absent: {error:?}");
        false
    }

    /// Shared if the backend has that mode, and exclusive if not.
    async fn weakest_mode(&self) -> LockMode {
        match self.has(Optional::Shared).await {
            true => LockMode::Shared,
            false => LockMode::Exclusive,
        }
    }
}

impl Deref for ManagerUnderTest {
    type Target = dyn LockManager;

    fn deref(&self) -> &Self::Target {
        &*self.manager
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

async fn lock(locks: &ManagerUnderTest, key: &str) -> Box<dyn LockGuard> {
    locks.lock(key, LONG).await.expect("the lock comes free")
}

async fn shared(locks: &ManagerUnderTest, key: &str) -> Box<dyn LockGuard> {
    lock_in(locks, key, LockMode::Shared).await
}

async fn lock_in(locks: &ManagerUnderTest, key: &str, mode: LockMode) -> Box<dyn LockGuard> {
    let options = AcquireOptions::new(LONG).with_mode(mode);
    let guard = locks.acquire(key, options).await;
    guard.expect("the lock comes free")
}

async fn is_free(locks: &ManagerUnderTest, key: &str) -> bool {
    locks.try_lock(key).await.is_some()
}

/// Checks how many requests for `key` the manager shows, if it can be asked.
async fn assert_shown(locks: &ManagerUnderTest, key: &str, held: usize, pending: usize) {
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
async fn query(locks: &ManagerUnderTest, key: &str) -> LockSnapshot {
    let all = locks.query().await.expect("it can be asked");
    let ours = |infos: Vec<LockInfo>| infos.into_iter().filter(|info| info.key == key).collect();
    LockSnapshot::new(ours(all.held), ours(all.pending))
}
