//! How a wait ends without a grant that is kept: by its timeout, or because it is given up.

use std::time::Duration;

use crate::{LockError, LockMode};
use futures_util::poll;

use super::{ManagerUnderTest, Optional, SHORT, assert_shown, is_free, key, lock, lock_in, query};

/// A wait of `Duration::ZERO` succeeds if the lock is free, and otherwise times out at once.
pub async fn zero_tries_once(locks: ManagerUnderTest) {
    let key = key("zero");
    let guard = locks.lock(&key, Duration::ZERO).await.expect("it is free");
    let error = locks.lock(&key, Duration::ZERO).await.expect_err("held");
    assert!(matches!(error, LockError::TimedOut { .. }), "{error}");
    assert_shown(&locks, &key, 1, 0).await;
    drop(guard);
}

/// `Duration::MAX` waits for ever, and long timeouts do not end early.
pub async fn for_ever_and_longer_than_timers_count(locks: ManagerUnderTest) {
    let key = key("for-ever");
    // A timer of a browser counts up to 24.8 days. A longer one fires at once.
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

/// A timeout names the key and the timeout, and says for how long the lock has been held.
pub async fn a_timeout_says_what_it_waited_for(locks: ManagerUnderTest) {
    let key = key("timeout");
    let _held = lock(&locks, &key).await;
    let error = locks.lock(&key, SHORT).await.expect_err("it is held");
    let message = error.to_string();
    let expected = format!("timed out acquiring lock \"{key}\" after 50ms");
    assert!(message.starts_with(&expected), "{message}");
    let LockError::TimedOut {
        key: named,
        timeout,
        contention,
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((named, timeout), (key, SHORT));
    let held_for = contention.and_then(|contention| contention.held_for);
    match locks.has(Optional::Contention).await {
        true => {
            assert!(held_for.expect("it is not declared absent") >= SHORT);
            assert!(message[expected.len()..].starts_with(": held"), "{message}");
        }
        false => assert_eq!(held_for, None, "Contention was declared absent"),
    }
}

/// A request that timed out is not in the queue any more.
pub async fn a_timed_out_wait_leaves_the_queue(locks: ManagerUnderTest) {
    let key = key("timed-out");
    let held = lock(&locks, &key).await;
    locks.lock(&key, SHORT).await.expect_err("it is held");
    assert_shown(&locks, &key, 1, 0).await;
    held.release().await;
    assert!(is_free(&locks, &key).await);
}

/// A pending request whose future is dropped leaves the queue.
pub async fn a_dropped_wait_was_never_there(locks: ManagerUnderTest) {
    let key = key("dropped");
    let held = lock(&locks, &key).await;
    let mut dropped = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut dropped).is_pending());
    let weak = locks.weakest_mode().await;
    let mut next = Box::pin(lock_in(&locks, &key, weak));
    assert!(poll!(&mut next).is_pending());
    drop(dropped);
    if locks.has(Optional::Query).await {
        let pending = query(&locks, &key).await.pending;
        let modes: Vec<LockMode> = pending.iter().map(|info| info.mode).collect();
        assert_eq!(modes, [weak]);
    }
    held.release().await;
    next.await.release().await;
    assert!(is_free(&locks, &key).await);
}

/// If a pending request is dropped when it has just been granted, the next one is granted.
pub async fn a_grant_to_a_dropped_wait_is_passed_on(locks: ManagerUnderTest) {
    let key = key("raced");
    let held = lock(&locks, &key).await;
    let mut dropped = Box::pin(lock(&locks, &key));
    let mut next = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut dropped).is_pending());
    assert!(poll!(&mut next).is_pending());
    // The grant is under way or has come, and its future is never polled again.
    held.release().await;
    drop(dropped);
    next.await.release().await;
    assert!(is_free(&locks, &key).await);
}
