//! Two keys that have one place, as 53 bits of their hashes are equal.

use std::time::Duration;

use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{AcquireOptions, LockError, LockManager, LockMode};
use futures::poll;

use crate::folder;

/// Found by walking from key to key (`key.` and the place of the key before, in 14 hexadecimal
/// digits) from many starts until two walks met: 45,000 walks of a thousand keys.
pub(crate) const KEYS: [&str; 2] = ["key.04bc12778a2bde", "key.195fccff33a40d"];

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn between_processes_they_are_as_one_key() {
    let folder = folder::new();
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(folder.path()).unwrap());
    let guard = one.try_lock(KEYS[0]).await.unwrap();
    assert!(other.try_lock(KEYS[1]).await.is_none());
    // Others are not: the two did not lock the whole file.
    assert!(other.try_lock("key.0").await.is_some());
    let mut waiting = other.lock(KEYS[1], LONG);
    assert!(poll!(&mut waiting).is_pending());
    drop(guard);
    let guard = waiting.await.unwrap();
    assert!(one.try_lock(KEYS[0]).await.is_none());
    drop(guard);
    // Shared, they do not exclude each other at all.
    let shared = |manager: &SharedDatadirLockManager, key| {
        let manager = manager.clone();
        async move { manager.try_acquire(key, LockMode::Shared).await.unwrap() }
    };
    let both = [shared(&one, KEYS[0]).await, shared(&other, KEYS[1]).await];
    assert!(both.iter().all(Option::is_some));
}

#[tokio::test]
async fn in_a_process_they_are_two_keys() {
    let folder = folder::new();
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(folder.path()).unwrap());
    let [first, second] = KEYS.map(|key| one.lock(key, LONG));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    // What they share is free when both are.
    for key in KEYS {
        assert!(other.try_lock(key).await.is_none());
    }
    drop(first);
    for key in KEYS {
        assert!(other.try_lock(key).await.is_none());
    }
    assert!(one.try_lock(KEYS[0]).await.is_some());
    drop(second);
    for key in KEYS {
        assert!(other.try_lock(key).await.is_some());
    }
}

/// What the documentation warns of: who holds the one in shared mode waits in vain for the other one
/// exclusively. It ends with its timeout, and nothing is left of it.
#[tokio::test]
async fn one_who_holds_both_in_different_modes_runs_into_its_timeout() {
    let folder = folder::new();
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(folder.path()).unwrap());
    let reading = one.acquire(KEYS[0], AcquireOptions::shared(LONG)).await;
    let error = one.lock(KEYS[1], Duration::from_millis(50)).await;
    assert!(matches!(error, Err(LockError::TimedOut { .. })));
    drop(reading);
    drop(one.lock(KEYS[1], LONG).await.unwrap());
    assert!(other.try_lock(KEYS[0]).await.is_some());
}
