//! Who may hold a key together, and who is next.

use std::time::Duration;

use crosslock::{AcquireOptions, LockError, LockMode};
use futures::future::{join, join_all};
use futures::poll;

use super::{Manager, SHORT, assert_shown, is_free, key, lock, shared};

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

pub(crate) async fn locks_are_not_reentrant(locks: Manager) {
    let key = key("reentrant");
    let _guard = lock(&locks, &key).await;
    let again = locks.lock(&key, SHORT).await;
    assert!(matches!(again, Err(LockError::TimedOut { .. })));
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
