//! How a wait ends without a grant that is kept: by its timeout, or because it is given up.

use std::time::Duration;

use crosslock::{LockError, LockMode};
use futures::poll;

use super::{Manager, Optional, SHORT, assert_shown, is_free, key, lock, query, shared};

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
