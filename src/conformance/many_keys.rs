//! Several keys at once: all of them or none.

use std::time::Duration;

use crate::LockGuard;
use futures_util::future::{join, join_all};
use futures_util::poll;

use super::{LONG, ManagerUnderTest, SHORT, is_free, key, lock};

/// [`lock_many`](crate::LockManager::lock_many) locks all keys, each once and in the order of
/// their bytes, or none of them.
pub async fn many_keys_all_or_none(locks: ManagerUnderTest) {
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

/// Two callers that name the same keys in opposite orders do not deadlock.
pub async fn many_keys_in_opposite_orders(locks: ManagerUnderTest) {
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

/// The timeout is for all keys together.
pub async fn many_keys_time_out_as_one(locks: ManagerUnderTest) {
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
