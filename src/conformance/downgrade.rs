//! How an exclusive lock becomes a shared one.

use futures_util::poll;

use super::{LONG, ManagerUnderTest, Optional, assert_shown, is_free, key, lock, shared};
use crate::error::LockError;
use crate::guard::LockMode;
use crate::manager::AcquireOptions;

/// After [`downgrade`](crate::LockGuard::downgrade) the readers at the head of the queue hold the
/// lock as well, and the writer behind them waits for all of them. At no moment is the lock free.
pub async fn a_downgrade_lets_readers_in_and_no_writer(locks: ManagerUnderTest) {
    if !locks.has(Optional::Downgrade).await || !locks.has(Optional::Shared).await {
        return;
    }
    let key = key("downgrade");
    let mut first = lock(&locks, &key).await;
    let read = AcquireOptions::shared(LONG);
    let (mut second, mut third) = (locks.acquire(&key, read), locks.acquire(&key, read));
    assert!(poll!(&mut second).is_pending());
    assert_shown(&locks, &key, 1, 1).await;
    assert!(poll!(&mut third).is_pending());
    assert_shown(&locks, &key, 1, 2).await;
    let mut writer = locks.lock(&key, LONG);
    assert!(poll!(&mut writer).is_pending());
    assert_shown(&locks, &key, 1, 3).await;
    let mut late = locks.acquire(&key, read);
    assert!(poll!(&mut late).is_pending());

    first.downgrade().await.expect("it is held");
    assert_eq!(first.mode(), LockMode::Shared);
    assert!(!first.is_lost());
    first.ensure_held().expect("it is held");
    let second = second.await.expect("it fits");
    let third = third.await.expect("it fits");
    assert_eq!(
        (second.mode(), third.mode()),
        (LockMode::Shared, LockMode::Shared)
    );
    // Behind a writer nobody overtakes.
    assert!(poll!(&mut writer).is_pending());
    assert!(poll!(&mut late).is_pending());
    let tried = locks.try_acquire(&key, LockMode::Shared).await;
    assert!(tried.expect("it works").is_none());
    assert_shown(&locks, &key, 3, 2).await;

    second.release().await;
    first.release().await;
    assert!(poll!(&mut writer).is_pending());
    third.release().await;
    writer.await.expect("it is its turn").release().await;
    late.await.expect("it is its turn").release().await;
    assert!(is_free(&locks, &key).await);

    // Where nobody waits, whoever comes finds it shared.
    let mut guard = lock(&locks, &key).await;
    guard.downgrade().await.expect("it is held");
    let beside = shared(&locks, &key).await;
    assert!(!is_free(&locks, &key).await);
    guard.release().await;
    beside.release().await;
    assert!(is_free(&locks, &key).await);
}

/// It does nothing to a lock that is shared, and fails for one that is lost.
pub async fn a_downgrade_of_what_is_shared_or_lost(locks: ManagerUnderTest) {
    if !locks.has(Optional::Downgrade).await || !locks.has(Optional::Shared).await {
        return;
    }
    let key = key("downgrade-again");
    let mut one = shared(&locks, &key).await;
    let two = shared(&locks, &key).await;
    one.downgrade().await.expect("it is shared");
    one.downgrade().await.expect("it is shared still");
    assert_eq!(one.mode(), LockMode::Shared);
    one.release().await;
    assert!(!is_free(&locks, &key).await);
    two.release().await;

    if !locks.has(Optional::Steal).await {
        return;
    }
    let mut victim = lock(&locks, &key).await;
    let thief = locks.steal(&key).await.expect("it can steal");
    victim.lost().await;
    let refused = victim.downgrade().await;
    assert!(
        matches!(refused, Err(LockError::Lost { .. })),
        "{refused:?}"
    );
    drop(victim);
    thief.ensure_held().expect("it holds");
    thief.release().await;
}
