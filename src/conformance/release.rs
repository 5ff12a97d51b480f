//! How a lock is freed, and that nothing of it is left.

use crate::LockGuard;
use futures_util::future::join_all;
use futures_util::poll;

use super::{ManagerUnderTest, assert_shown, is_free, key, lock};

/// A guard is `Send`, `Sync` and `'static`, and stays held when its manager is dropped.
pub async fn guards_outlive_their_manager(locks: ManagerUnderTest) {
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

/// When [`release`](LockGuard::release) returns, the lock is free.
pub async fn release_returns_when_it_is_free(locks: ManagerUnderTest) {
    let key = key("release");
    for _ in 0..20 {
        let guard = locks.try_lock(&key).await.expect("it is free");
        guard.release().await;
        assert_shown(&locks, &key, 0, 0).await;
    }
}

/// The lock is freed even if the future of [`release`](LockGuard::release) is dropped, also
/// before it was polled.
pub async fn a_release_that_is_dropped_frees(locks: ManagerUnderTest) {
    let key = key("release-dropped");
    drop(lock(&locks, &key).await.release());
    let mut release = lock(&locks, &key).await.release();
    let _ = poll!(&mut release);
    drop(release);
    lock(&locks, &key).await.release().await;
}

/// A request that does not wait is granted right after a guard was dropped in the same task, if
/// nobody else wants the lock.
pub async fn a_drop_is_soon_followed_by_a_try(locks: ManagerUnderTest) {
    let key = key("again");
    let mode = locks.weakest_mode().await;
    for _ in 0..20 {
        drop(locks.try_lock(&key).await.expect("nobody else wants it"));
        let answer = locks.try_acquire(&key, mode).await;
        drop(answer.expect("it works").expect("nobody else wants it"));
    }
}

/// No request is left once its lock is released.
pub async fn nothing_is_left_behind(locks: ManagerUnderTest) {
    let keys: Vec<String> = (0..50).map(|_| key("left")).collect();
    let guards = join_all(keys.iter().map(|key| lock(&locks, key))).await;
    join_all(guards.into_iter().map(LockGuard::release)).await;
    for key in &keys {
        assert_shown(&locks, key, 0, 0).await;
    }
}

/// A panic frees the lock, where panics unwind. (On wasm a panic ends the module.)
pub async fn a_panic_frees_the_lock(locks: ManagerUnderTest) {
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
