//! A holder that is cut off: its connection stays, and nothing goes through it.

use std::time::{Duration, Instant};

use crosslock::{LockError, LockManager};

use crate::cluster::shared;
use crate::proxy::Proxy;
use crate::support::{connect, lock, soon, terminate, token};

const TAKEOVER: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_holder_is_lost_before_the_next_is_granted() {
    let cluster = shared().await;
    let proxy = Proxy::start(cluster.folder());
    let far = connect(proxy.options().with_label("far").with_takeover(TAKEOVER)).await;
    let near = connect(cluster.options().with_label("near").with_takeover(TAKEOVER)).await;
    let mut payer = cluster.client().await;
    payer
        .batch_execute("create table if not exists silent (n bigint)")
        .await
        .expect("a table");
    let guard = lock(&far, "silent").await;
    let beside = lock(&far, "silent.beside").await;
    let stale = token(&*guard);
    let next = tokio::spawn(async move { (lock(&near, "silent").await, Instant::now(), near) });

    proxy.cut(true);
    let cut = Instant::now();
    let lost = tokio::spawn(async move {
        guard.lost().await;
        (guard, Instant::now())
    });
    // The application of the one that is cut off does not know yet, and pays where it still can.
    let (guard, lost_at) = soon(lost).await.expect("no panic");
    let (granted, granted_at, near) = soon(next).await.expect("no panic");
    assert!(
        lost_at < granted_at,
        "two holders for {:?}",
        lost_at - granted_at
    );
    // The bound that the documentation states: the takeover time, and two beats.
    let bound = TAKEOVER + TAKEOVER * 2 / 5 + Duration::from_secs(1);
    assert!(
        granted_at - cut < bound,
        "granted only after {:?}",
        granted_at - cut
    );
    assert!(
        lost_at - cut <= TAKEOVER,
        "lost only after {:?}",
        lost_at - cut
    );
    let error = guard.ensure_held().expect_err("it is lost").to_string();
    assert!(error.contains("has not answered"), "{error}");
    assert!(beside.is_lost());
    let error = far
        .try_acquire("silent.other", crosslock::LockMode::Shared)
        .await;
    assert!(matches!(error, Err(LockError::Lost { .. })));

    // It is back, and what it sends then is refused.
    proxy.cut(false);
    let statement = far.check_statement();
    let transaction = payer.transaction().await.expect("a transaction");
    transaction
        .execute("insert into silent values (1)", &[])
        .await
        .expect("a row");
    let stale = transaction
        .query(&statement, &[&"silent", &(stale as i64)])
        .await;
    stale.expect_err("it was taken over");
    drop(transaction);
    let transaction = payer.transaction().await.expect("a transaction");
    near.check(&transaction, &*granted)
        .await
        .expect("it is held");
    transaction.commit().await.expect("it is held");
    far.reconnect().await.expect("the way is open");
    assert!(far.try_lock("silent").await.is_none());
    granted.release().await;
    lock(&far, "silent").await.release().await;
    lock(&far, "silent.beside").await.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_silence_loses_nothing() {
    let cluster = shared().await;
    let proxy = Proxy::start(cluster.folder());
    let far = connect(proxy.options().with_label("short").with_takeover(TAKEOVER)).await;
    let near = connect(cluster.options().with_takeover(TAKEOVER)).await;
    let guard = lock(&far, "short").await;
    for _ in 0..4 {
        proxy.cut(true);
        tokio::time::sleep(TAKEOVER / 4).await;
        proxy.cut(false);
        lock(&far, "short.beside").await.release().await;
        assert!(near.try_lock("short").await.is_none());
        guard.ensure_held().expect("it was back in time");
    }
}

/// The grant is made, and its answer never comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_killed_between_grant_and_answer_leaves_nothing() {
    let cluster = shared().await;
    let proxy = Proxy::start(cluster.folder());
    let admin = cluster.client().await;
    let near = connect(cluster.options()).await;
    for round in 0..5 {
        let label = format!("unanswered-{round}");
        let far = connect(proxy.options().with_label(&*label)).await;
        proxy.mute();
        let ask = far.lock("unanswered", crate::support::LONG);
        futures::pin_mut!(ask);
        assert!(futures::poll!(&mut ask).is_pending());
        while held(&near).await == 0 {
            tokio::task::yield_now().await;
        }
        assert!(futures::poll!(&mut ask).is_pending());
        terminate(&admin, &label).await;
        proxy.cut(false);
        soon(lock(&near, "unanswered")).await.release().await;
        near.query().await.expect("a round trip");
        assert_eq!(crate::support::left(&admin, "unanswered").await, 0);
        if let Ok(guard) = soon(ask).await {
            soon(guard.lost()).await;
        }
    }
}

async fn held(locks: &crosslock::postgres::PostgresLockManager) -> usize {
    let held = locks.query().await.expect("it works").held;
    held.iter().filter(|info| info.key == "unanswered").count()
}
