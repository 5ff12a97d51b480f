//! How a lock is freed, and that nothing of it is left.

use crosslock::{LockGuard, LockMode};
use futures::future::join_all;
use futures::poll;

use super::{Manager, assert_shown, is_free, key, lock};

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
