//! What a backend need not have (stealing, a snapshot), and what its scope must say.

use crosslock::{LockError, LockInfo, LockManager, LockMode, LockScope};
use futures::future::join;
use futures::poll;

use super::{Manager, Optional, assert_shown, key, lock, query, shared};

pub(crate) async fn stealing_loses_the_victims(locks: Manager) {
    if !locks.has(Optional::Steal).await {
        return;
    }
    let key = key("stolen");
    let (one, two) = join(shared(&locks, &key), shared(&locks, &key)).await;
    let mut waiting = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut waiting).is_pending());

    let mut loss = one.lost();
    assert!(poll!(&mut loss).is_pending());
    let thief = locks.steal(&key).await.expect("it can steal");
    loss.await;
    two.lost().await;
    for victim in [&one, &two] {
        assert!(victim.is_lost());
        let error = victim.ensure_held().expect_err("it is lost");
        assert!(matches!(error, LockError::Lost { .. }), "{error}");
        assert!(error.to_string().contains(&key), "{error}");
    }
    assert!(!thief.is_lost());

    // A victim that lets go must not free what is the thief's by now.
    join(one.release(), two.release()).await;
    assert!(poll!(&mut waiting).is_pending());
    assert_shown(&locks, &key, 1, 1).await;
    thief.release().await;
    waiting.await.release().await;
}

pub(crate) async fn a_loss_may_be_asked_for_again(locks: Manager) {
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
    // Also by those who ask afterwards, as often as they like.
    guard.lost().await;
    guard.lost().await;
    assert!(poll!(&mut thief.lost()).is_pending());
    join(guard.release(), thief.release()).await;
}

pub(crate) async fn query_shows_held_and_pending(locks: Manager) {
    if !locks.has(Optional::Query).await {
        return;
    }
    let key = key("query");
    let held = shared(&locks, &key).await;
    let mut writer = Box::pin(lock(&locks, &key));
    assert!(poll!(&mut writer).is_pending());
    let mut reader = Box::pin(shared(&locks, &key));
    assert!(poll!(&mut reader).is_pending());

    let modes = |infos: &[LockInfo]| infos.iter().map(|info| info.mode).collect::<Vec<_>>();
    let snapshot = query(&locks, &key).await;
    assert_eq!(modes(&snapshot.held), [LockMode::Shared]);
    assert_eq!(
        modes(&snapshot.pending),
        [LockMode::Exclusive, LockMode::Shared]
    );

    drop((writer, reader));
    held.release().await;
    assert_shown(&locks, &key, 0, 0).await;
}

/// A backend that names a wider scope than its own has an application believe that it is
/// safe; so it is compared with what the list of backends says.
pub(crate) fn the_scope_is_named(locks: &dyn LockManager, scope: LockScope) {
    assert_eq!(locks.scope(), scope);
    let reach = match scope {
        LockScope::Process => "this process",
        LockScope::Datadir => "this datadir",
        LockScope::Origin => "same-origin",
        other => panic!("no backend of ours reaches {other:?}"),
    };
    let words = locks.scope().to_string();
    assert!(words.contains(reach), "{words:?} does not say {reach:?}");
}
