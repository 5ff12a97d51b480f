//! What a backend need not have: stealing and a snapshot.

use crate::{LockError, LockGuard, LockInfo, LockMode};
use futures_util::future::{join, join_all};
use futures_util::poll;

use super::{ManagerUnderTest, Optional, assert_shown, key, lock, lock_in, query, shared};

/// A steal is granted at once, ahead of all who wait, and all holders are told that they have
/// lost the lock.
pub async fn stealing_loses_the_victims(locks: ManagerUnderTest) {
    if !locks.has(Optional::Steal).await {
        return;
    }
    let key = key("stolen");
    let victims = match locks.weakest_mode().await {
        LockMode::Exclusive => vec![lock(&locks, &key).await],
        LockMode::Shared => vec![shared(&locks, &key).await, shared(&locks, &key).await],
    };
    let mut waiting = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut waiting).is_pending());

    let mut losses = join_all(victims.iter().map(|victim| victim.lost()));
    assert!(poll!(&mut losses).is_pending());
    let thief = locks.steal(&key).await.expect("it can steal");
    losses.await;
    for victim in &victims {
        assert!(victim.is_lost());
        let error = victim.ensure_held().expect_err("it is lost");
        assert!(matches!(error, LockError::Lost { .. }), "{error}");
        assert!(error.to_string().contains(&key), "{error}");
    }
    assert!(!thief.is_lost());

    // To release a victim must not free the lock of the thief.
    join_all(victims.into_iter().map(LockGuard::release)).await;
    assert!(poll!(&mut waiting).is_pending());
    assert_shown(&locks, &key, 1, 1).await;
    thief.release().await;
    waiting.await.release().await;
}

/// [`lost`](LockGuard::lost) may be called several times, dropped, and called after the loss.
pub async fn a_loss_may_be_asked_for_again(locks: ManagerUnderTest) {
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
    // It also returns to those who ask afterwards, however often.
    guard.lost().await;
    guard.lost().await;
    assert!(poll!(&mut thief.lost()).is_pending());
    join(guard.release(), thief.release()).await;
}

/// A snapshot has the held and the pending requests of a key, in the order of the queue.
pub async fn query_shows_held_and_pending(locks: ManagerUnderTest) {
    if !locks.has(Optional::Query).await {
        return;
    }
    let key = key("query");
    let weak = locks.weakest_mode().await;
    let held = lock_in(&locks, &key, weak).await;
    let mut writer = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut writer).is_pending());
    let mut reader = Box::pin(lock_in(&locks, &key, weak));
    assert!(poll!(&mut reader).is_pending());

    let modes = |infos: &[LockInfo]| infos.iter().map(|info| info.mode).collect::<Vec<_>>();
    let snapshot = query(&locks, &key).await;
    assert_eq!(modes(&snapshot.held), [weak]);
    assert_eq!(modes(&snapshot.pending), [LockMode::Exclusive, weak]);

    drop((writer, reader));
    held.release().await;
    assert_shown(&locks, &key, 0, 0).await;
}
