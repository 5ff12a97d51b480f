//! The promises of `LockManager`, one function each. They know nothing of the
//! backend and of the runtime: concurrency is several futures of one task, which
//! works everywhere and leaves the order of events to the test.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crosslock::{
    AcquireOptions, LockError, LockGuard, LockInfo, LockManager, LockMode, LockScope, LockSnapshot,
};
use futures::future::{join, join_all};
use futures::poll;

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

pub(crate) async fn one_exclusive_holder(locks: Manager) {
    let key = key("exclusive");
    let guard = locks.try_lock(&key).await.expect("it is free");
    assert!(locks.try_lock(&key).await.is_none());
    let shared = locks.try_acquire(&key, LockMode::Shared).await;
    assert!(shared.expect("held is an answer").is_none());
    guard.release().await;
    assert!(is_free(&locks, &key).await);
}

pub(crate) async fn many_shared_holders(locks: Manager) {
    let key = key("shared");
    let (one, two) = join(shared(&locks, &key), shared(&locks, &key)).await;
    assert!(!is_free(&locks, &key).await);
    one.release().await;
    assert!(!is_free(&locks, &key).await);
    two.release().await;
    assert!(is_free(&locks, &key).await);
}

pub(crate) async fn guards_name_key_and_mode(locks: Manager) {
    let key = key("named");
    let guard = lock(&locks, &key).await;
    assert_eq!((guard.key(), guard.mode()), (&*key, LockMode::Exclusive));
    assert!(!guard.is_lost());
    guard.ensure_held().expect("it is held");
    guard.release().await;
    let guard = shared(&locks, &key).await;
    assert_eq!((guard.key(), guard.mode()), (&*key, LockMode::Shared));
}

pub(crate) async fn different_keys_do_not_contend(locks: Manager) {
    // Such as differ by their end, their length or their case.
    let key = key("lightning.send.42");
    let long = format!("{key}.{}", "x".repeat(200 - key.len() - 1));
    let upper = key.to_uppercase();
    let guards = join_all([&key, &long, &upper].map(|key| lock(&locks, key))).await;
    assert_eq!(guards.len(), 3);
}

pub(crate) async fn first_come_first_served(locks: Manager) {
    let key = key("fifo");
    let held = lock(&locks, &key).await;
    let mut waits: Vec<_> = (0..10).map(|_| Box::pin(lock(&locks, &key))).collect();
    for wait in &mut waits {
        assert!(poll!(wait).is_pending());
    }
    held.release().await;
    for turn in 0..waits.len() {
        let guard = waits.remove(0).await;
        // Whoever comes later, even one who only tries, is behind all of them.
        assert!(!is_free(&locks, &key).await);
        for later in &mut waits {
            assert!(poll!(later).is_pending(), "turn {turn}");
        }
        guard.release().await;
    }
    assert!(is_free(&locks, &key).await);
}

pub(crate) async fn writers_do_not_starve(locks: Manager) {
    let key = key("writers");
    let reading = shared(&locks, &key).await;
    let mut writer = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut writer).is_pending());
    let mut late_reader = Box::pin(shared(&locks, &key));
    assert!(poll!(&mut late_reader).is_pending());
    reading.release().await;
    let writing = writer.await;
    assert!(poll!(&mut late_reader).is_pending());
    writing.release().await;
    late_reader.await.release().await;
}

pub(crate) async fn a_reader_behind_a_writer_is_not_granted_by_trying(locks: Manager) {
    let key = key("barging");
    let _reading = shared(&locks, &key).await;
    let mut writer = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut writer).is_pending());
    let barging = locks.try_acquire(&key, LockMode::Shared).await;
    assert!(barging.expect("held is an answer").is_none());
    let options = AcquireOptions::shared(Duration::ZERO);
    let error = locks.acquire(&key, options).await.expect_err("as above");
    assert!(matches!(error, LockError::TimedOut { .. }), "{error}");
}

pub(crate) async fn shared_waiters_are_granted_together(locks: Manager) {
    let key = key("together");
    let writing = lock(&locks, &key).await;
    let wait = AcquireOptions::shared(Duration::from_secs(10));
    let mut readers = Box::pin(join_all((0..5).map(|_| locks.acquire(&key, wait))));
    assert!(poll!(&mut readers).is_pending());
    assert_shown(&locks, &key, 1, 5).await;
    writing.release().await;
    // All guards are kept until the last is here: the first must not keep out the rest.
    for guard in readers.await {
        let _guard = guard.expect("it is granted while the others hold");
    }
}

pub(crate) async fn zero_tries_once(locks: Manager) {
    let key = key("zero");
    let guard = locks.lock(&key, Duration::ZERO).await.expect("it is free");
    let error = locks.lock(&key, Duration::ZERO).await.expect_err("held");
    assert!(matches!(error, LockError::TimedOut { .. }), "{error}");
    assert_shown(&locks, &key, 1, 0).await;
    drop(guard);
}

pub(crate) async fn for_ever_and_longer_than_timers_count(locks: Manager) {
    let key = key("for-ever");
    // Browsers count up to 24.8 days in a timer, and let a longer one fire at once.
    let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
    for timeout in [Duration::MAX, days(25), days(36_500), Duration::MAX / 2] {
        let held = lock(&locks, &key).await;
        let mut wait = locks.lock(&key, timeout);
        assert!(poll!(&mut wait).is_pending());
        // A timer that fires at once has fired before one that takes a while.
        let shorter = locks.lock(&key, SHORT).await;
        shorter.expect_err("it is held");
        assert!(poll!(&mut wait).is_pending(), "{timeout:?} ended early");
        held.release().await;
        wait.await.expect("the lock is free").release().await;
    }
}

pub(crate) async fn a_timeout_says_what_it_waited_for(locks: Manager) {
    let key = key("timeout");
    let _held = lock(&locks, &key).await;
    let error = locks.lock(&key, SHORT).await.expect_err("it is held");
    let message = error.to_string();
    let expected = format!("timed out acquiring lock \"{key}\" after 50ms: held");
    assert!(message.starts_with(&expected), "{message}");
    match error {
        LockError::TimedOut {
            key: k,
            timeout,
            contention,
            ..
        } => {
            assert_eq!((k, timeout), (key, SHORT));
            let held_for = contention.expect("our backends know").held_for;
            assert!(held_for.expect("it is our own") >= SHORT);
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn a_timed_out_wait_leaves_the_queue(locks: Manager) {
    let key = key("timed-out");
    let held = lock(&locks, &key).await;
    locks.lock(&key, SHORT).await.expect_err("it is held");
    assert_shown(&locks, &key, 1, 0).await;
    held.release().await;
    assert!(is_free(&locks, &key).await);
}

pub(crate) async fn a_bad_key_fails_at_once(locks: Manager) {
    let good = key("good");
    for bad in [
        "",
        "..",
        "_abc",
        "abc-",
        "a/b",
        "a:b",
        "a b",
        "é",
        &"x".repeat(201),
    ] {
        assert!(locks.try_lock(bad).await.is_none());
        let options = AcquireOptions::new(Duration::MAX);
        let errors = [
            locks.lock(bad, Duration::MAX).await.expect_err(bad),
            locks.lock(bad, Duration::ZERO).await.expect_err(bad),
            locks
                .try_acquire(bad, LockMode::Shared)
                .await
                .expect_err(bad),
            locks.acquire(bad, options).await.expect_err(bad),
            locks
                .lock_many(&[&good, bad], Duration::MAX)
                .await
                .expect_err(bad),
            locks.steal(bad).await.expect_err(bad),
        ];
        for error in errors {
            assert!(
                matches!(error, LockError::InvalidKey(_)),
                "{bad:?}: {error}"
            );
        }
    }
    assert!(is_free(&locks, &good).await);
}

pub(crate) async fn a_dropped_wait_was_never_there(locks: Manager) {
    let key = key("dropped");
    let held = lock(&locks, &key).await;
    let mut dropped = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut dropped).is_pending());
    let mut next = Box::pin(shared(&locks, &key));
    assert!(poll!(&mut next).is_pending());
    drop(dropped);
    if locks.has(Optional::Query).await {
        let pending = query(&locks, &key).await.pending;
        let modes: Vec<LockMode> = pending.iter().map(|info| info.mode).collect();
        assert_eq!(modes, [LockMode::Shared]);
    }
    held.release().await;
    next.await.release().await;
    assert!(is_free(&locks, &key).await);
}

pub(crate) async fn a_grant_to_a_dropped_wait_is_passed_on(locks: Manager) {
    let key = key("raced");
    let held = lock(&locks, &key).await;
    let mut dropped = Box::pin(lock(&locks, &key));
    let mut next = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut dropped).is_pending());
    assert!(poll!(&mut next).is_pending());
    // The grant is under way, or has come, and nobody takes it.
    held.release().await;
    drop(dropped);
    next.await.release().await;
    assert!(is_free(&locks, &key).await);
}

pub(crate) async fn guards_outlive_their_manager(locks: Manager) {
    fn is_static_send_sync<T: Send + Sync + 'static>(_: &T) {}

    let key = key("outlives");
    is_static_send_sync(&locks);
    let guard = lock(&locks, &key).await;
    is_static_send_sync(&guard);
    drop(locks);
    assert!(!guard.is_lost());
    assert_eq!(guard.key(), key);
    guard.release().await;
}

pub(crate) async fn locks_are_not_reentrant(locks: Manager) {
    let key = key("reentrant");
    let _guard = lock(&locks, &key).await;
    let again = locks.lock(&key, SHORT).await;
    assert!(matches!(again, Err(LockError::TimedOut { .. })));
}

pub(crate) async fn release_returns_when_it_is_free(locks: Manager) {
    let key = key("release");
    for _ in 0..20 {
        let guard = locks.try_lock(&key).await.expect("it is free");
        guard.release().await;
        assert_shown(&locks, &key, 0, 0).await;
    }
}

pub(crate) async fn a_release_that_is_dropped_frees(locks: Manager) {
    let key = key("release-dropped");
    drop(lock(&locks, &key).await.release());
    let mut release = lock(&locks, &key).await.release();
    let _ = poll!(&mut release);
    drop(release);
    lock(&locks, &key).await.release().await;
}

pub(crate) async fn a_drop_is_soon_followed_by_a_try(locks: Manager) {
    let key = key("again");
    for _ in 0..20 {
        drop(locks.try_lock(&key).await.expect("nobody else wants it"));
        let shared = locks.try_acquire(&key, LockMode::Shared).await;
        drop(shared.expect("it works").expect("nobody else wants it"));
    }
}

pub(crate) async fn nothing_is_left_behind(locks: Manager) {
    let keys: Vec<String> = (0..50).map(|_| key("left")).collect();
    let guards = join_all(keys.iter().map(|key| lock(&locks, key))).await;
    join_all(guards.into_iter().map(LockGuard::release)).await;
    for key in &keys {
        assert_shown(&locks, key, 0, 0).await;
    }
}

/// Where a panic unwinds, that is; on wasm it ends the module.
pub(crate) async fn a_panic_frees_the_lock(locks: Manager) {
    if cfg!(panic = "abort") {
        return;
    }
    let key = key("panic");
    let guard = lock(&locks, &key).await;
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _held = guard;
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(panicked.is_err());
    assert!(is_free(&locks, &key).await);
}

pub(crate) async fn many_keys_all_or_none(locks: Manager) {
    let (a, b, c) = (key("many.a"), key("many.b"), key("many.c"));
    let guards = locks
        .lock_many(&[&c, &a, &b, &a], LONG)
        .await
        .expect("free");
    let locked: Vec<&str> = guards.iter().map(|guard| guard.key()).collect();
    assert_eq!(
        locked,
        [&a, &b, &c],
        "each once, in the order of their bytes"
    );
    join_all(guards.into_iter().map(LockGuard::release)).await;

    let _held = lock(&locks, &b).await;
    let error = locks
        .lock_many(&[&a, &b, &c], SHORT)
        .await
        .expect_err("b is held");
    assert!(error.to_string().contains(&b), "{error}");
    assert!(is_free(&locks, &a).await && is_free(&locks, &c).await);

    let all = [&*a, &b, &c];
    let mut dropped = locks.lock_many(&all, LONG);
    assert!(poll!(&mut dropped).is_pending());
    drop(dropped);
    assert!(is_free(&locks, &a).await && is_free(&locks, &c).await);
    let none = locks.lock_many(&[], Duration::ZERO).await;
    assert_eq!(none.expect("nothing to wait for").len(), 0);
}

pub(crate) async fn many_keys_in_opposite_orders(locks: Manager) {
    let (a, b) = (key("order.a"), key("order.b"));
    let forth = async {
        for _ in 0..10 {
            locks.lock_many(&[&a, &b], LONG).await.expect("no deadlock");
        }
    };
    let back = async {
        for _ in 0..10 {
            locks.lock_many(&[&b, &a], LONG).await.expect("no deadlock");
        }
    };
    join(forth, back).await;
}

pub(crate) async fn many_keys_time_out_as_one(locks: Manager) {
    let (a, b) = (key("whole.a"), key("whole.b"));
    let held_a = lock(&locks, &a).await;
    let _held_b = lock(&locks, &b).await;
    let both = [&*a, &b];
    let mut wait = locks.lock_many(&both, SHORT * 2);
    assert!(poll!(&mut wait).is_pending());
    held_a.release().await;
    let error = wait.await.expect_err("b is held");
    // What counts is what the caller gave, not what was left of it for `b`.
    assert!(error.to_string().contains("after 100ms"), "{error}");
}

pub(crate) async fn stealing_loses_the_victims(locks: Manager) {
    if !locks.has(Optional::Steal).await {
        return;
    }
    let key = key("stolen");
    let (one, two) = join(shared(&locks, &key), shared(&locks, &key)).await;
    let mut waiting = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut waiting).is_pending());

    let mut loss = one.lost();
    assert!(poll!(&mut loss).is_pending());
    let thief = locks.steal(&key).await.expect("it can steal");
    loss.await;
    two.lost().await;
    for victim in [&one, &two] {
        assert!(victim.is_lost());
        let error = victim.ensure_held().expect_err("it is lost");
        assert!(matches!(error, LockError::Lost { .. }), "{error}");
        assert!(error.to_string().contains(&key), "{error}");
    }
    assert!(!thief.is_lost());

    // A victim that lets go must not free what is the thief's by now.
    join(one.release(), two.release()).await;
    assert!(poll!(&mut waiting).is_pending());
    assert_shown(&locks, &key, 1, 1).await;
    thief.release().await;
    waiting.await.release().await;
}

pub(crate) async fn a_loss_may_be_asked_for_again(locks: Manager) {
    if !locks.has(Optional::Steal).await {
        return;
    }
    let key = key("lost-again");
    let guard = lock(&locks, &key).await;
    for _ in 0..3 {
        assert!(poll!(&mut guard.lost()).is_pending());
    }
    let mut one = guard.lost();
    let mut two = guard.lost();
    assert!(poll!(&mut one).is_pending());
    assert!(poll!(&mut two).is_pending());
    drop(one);
    let thief = locks.steal(&key).await.expect("it can steal");
    two.await;
    // Also by those who ask afterwards, as often as they like.
    guard.lost().await;
    guard.lost().await;
    assert!(poll!(&mut thief.lost()).is_pending());
    join(guard.release(), thief.release()).await;
}

pub(crate) async fn query_shows_held_and_pending(locks: Manager) {
    if !locks.has(Optional::Query).await {
        return;
    }
    let key = key("query");
    let held = shared(&locks, &key).await;
    let mut writer = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut writer).is_pending());
    let mut reader = Box::pin(shared(&locks, &key));
    assert!(poll!(&mut reader).is_pending());

    let modes = |infos: &[LockInfo]| infos.iter().map(|info| info.mode).collect::<Vec<_>>();
    let snapshot = query(&locks, &key).await;
    assert_eq!(modes(&snapshot.held), [LockMode::Shared]);
    assert_eq!(
        modes(&snapshot.pending),
        [LockMode::Exclusive, LockMode::Shared]
    );

    drop((writer, reader));
    held.release().await;
    assert_shown(&locks, &key, 0, 0).await;
}

/// A backend that names a wider scope than its own has an application believe that it is
/// safe; so it is compared with what the list of backends says.
pub(crate) fn the_scope_is_named(locks: &dyn LockManager, scope: LockScope) {
    assert_eq!(locks.scope(), scope);
    let reach = match scope {
        LockScope::Process => "this process",
        LockScope::Datadir => "this datadir",
        LockScope::Origin => "same-origin",
        other => panic!("no backend of ours reaches {other:?}"),
    };
    let words = locks.scope().to_string();
    assert!(words.contains(reach), "{words:?} does not say {reach:?}");
}
