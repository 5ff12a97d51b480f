//! Who may hold a key together, and who is next.

use std::time::Duration;

use crate::{AcquireOptions, LockError, LockMode};
use futures_util::future::{join, join_all};
use futures_util::poll;

use super::{ManagerUnderTest, Optional, SHORT, assert_shown, is_free, key, lock, lock_in, shared};

/// While a key is held exclusively, nobody else is granted it. Once it is released, it is free.
pub async fn one_exclusive_holder(locks: ManagerUnderTest) {
    let key = key("exclusive");
    let guard = locks.try_lock(&key).await.expect("it is free");
    assert!(locks.try_lock(&key).await.is_none());
    for mode in [LockMode::Exclusive, locks.weakest_mode().await] {
        let answer = locks.try_acquire(&key, mode).await;
        assert!(answer.expect("held is an answer").is_none());
    }
    guard.release().await;
    assert!(is_free(&locks, &key).await);
}

/// A key may have several shared holders, and is free when the last of them has released it.
pub async fn many_shared_holders(locks: ManagerUnderTest) {
    if !locks.has(Optional::Shared).await {
        return;
    }
    let key = key("shared");
    let (one, two) = join(shared(&locks, &key), shared(&locks, &key)).await;
    assert!(!is_free(&locks, &key).await);
    one.release().await;
    assert!(!is_free(&locks, &key).await);
    two.release().await;
    assert!(is_free(&locks, &key).await);
}

/// A guard tells its key and its mode, and that it is held.
pub async fn guards_name_key_and_mode(locks: ManagerUnderTest) {
    let key = key("named");
    let guard = lock(&locks, &key).await;
    assert_eq!((guard.key(), guard.mode()), (&*key, LockMode::Exclusive));
    assert!(!guard.is_lost());
    guard.ensure_held().expect("it is held");
    guard.release().await;
    let mode = locks.weakest_mode().await;
    let guard = lock_in(&locks, &key, mode).await;
    assert_eq!((guard.key(), guard.mode()), (&*key, mode));
}

/// Two keys are two locks, however similar they are. Keys have up to 200 bytes, and their case
/// counts.
pub async fn different_keys_do_not_contend(locks: ManagerUnderTest) {
    // They differ by their end, their length and their case.
    let key = key("lightning.send.42");
    let long = format!("{key}.{}", "x".repeat(200 - key.len() - 1));
    let upper = key.to_uppercase();
    let guards = join_all([&key, &long, &upper].map(|key| lock(&locks, key))).await;
    assert_eq!(guards.len(), 3);
}

/// Waiters are granted in the order in which they came, and nobody overtakes them by trying.
pub async fn first_come_first_served(locks: ManagerUnderTest) {
    if !locks.has(Optional::Order).await {
        return;
    }
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

/// A shared request that comes after a pending exclusive one is granted after it.
pub async fn writers_do_not_starve(locks: ManagerUnderTest) {
    if !locks.has(Optional::Shared).await || !locks.has(Optional::Order).await {
        return;
    }
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

/// A shared request that does not wait is not granted ahead of a pending exclusive one either.
pub async fn a_reader_behind_a_writer_is_not_granted_by_trying(locks: ManagerUnderTest) {
    if !locks.has(Optional::Shared).await || !locks.has(Optional::Order).await {
        return;
    }
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

/// All shared requests at the head of the queue are granted at once.
pub async fn shared_waiters_are_granted_together(locks: ManagerUnderTest) {
    if !locks.has(Optional::Shared).await {
        return;
    }
    let key = key("together");
    let writing = lock(&locks, &key).await;
    let wait = AcquireOptions::shared(Duration::from_secs(10));
    let mut readers = Box::pin(join_all((0..5).map(|_| locks.acquire(&key, wait))));
    assert!(poll!(&mut readers).is_pending());
    assert_shown(&locks, &key, 1, 5).await;
    writing.release().await;
    // All guards are kept until the last is granted: the first must not exclude the rest.
    for guard in readers.await {
        let _guard = guard.expect("it is granted while the others hold");
    }
}

/// A holder that requests its key again waits like anyone else.
pub async fn locks_are_not_reentrant(locks: ManagerUnderTest) {
    let key = key("reentrant");
    let _guard = lock(&locks, &key).await;
    let again = locks.lock(&key, SHORT).await;
    assert!(matches!(again, Err(LockError::TimedOut { .. })));
}

/// A key that breaks the rules fails with [`LockError::InvalidKey`], and never by a timeout.
pub async fn a_bad_key_fails_at_once(locks: ManagerUnderTest) {
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
