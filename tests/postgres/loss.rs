//! How a session is lost, and what follows.

use crosslock::postgres::{Connection, PostgresLockManager, Reconnected};
use crosslock::{LockError, LockManager, LockMode};
use futures::poll;

use crate::cluster::{connect, shared};
use crate::support::{LONG, lock, manager, soon, terminate};

#[tokio::test]
async fn a_terminated_backend_loses_every_guard_at_once() {
    let cluster = shared().await;
    let locks = manager(cluster, "victim").await;
    let other = manager(cluster, "survivor").await;
    let admin = cluster.client().await;
    let guards = locks
        .lock_many(&["loss.a", "loss.b"], LONG)
        .await
        .expect("free");
    let waiting = locks.lock("loss.a", LONG);
    let next = other.lock("loss.a", LONG);
    futures::pin_mut!(waiting, next);
    assert!(poll!(&mut waiting).is_pending());
    assert!(poll!(&mut next).is_pending());

    terminate(&admin, "victim").await;
    for guard in &guards {
        soon(guard.lost()).await;
        assert!(guard.is_lost());
        let error = guard.ensure_held().expect_err("it is lost").to_string();
        assert!(
            error.contains(guard.key()) && error.contains("an administrator"),
            "{error}"
        );
    }
    let error = soon(waiting).await.expect_err("it has no session any more");
    assert!(matches!(error, LockError::Lost { .. }), "{error}");
    let granted = soon(next).await.expect("the holder is gone");

    // Nothing works again by itself.
    for _ in 0..2 {
        assert!(locks.try_lock("loss.c").await.is_none());
        let error = locks
            .try_acquire("loss.c", LockMode::Shared)
            .await
            .expect_err("lost");
        assert!(error.to_string().contains("`reconnect`"), "{error}");
        locks.query().await.expect_err("lost");
        locks.steal("loss.c").await.expect_err("lost");
        locks.lock_many(&["loss.c"], LONG).await.expect_err("lost");
    }
    let clone = locks.clone();
    assert_eq!(
        locks.reconnect().await.expect("it is there"),
        Reconnected::SameServer
    );
    assert_eq!(
        locks.reconnect().await.expect("it is there"),
        Reconnected::StillOpen
    );
    assert!(clone.try_lock("loss.c").await.is_some());
    for guard in guards {
        assert!(
            guard.is_lost(),
            "a new session does not revive the old one's guards"
        );
        guard.release().await;
    }
    assert!(
        clone.try_lock("loss.a").await.is_none(),
        "it is the survivor's"
    );
    granted.release().await;
}

#[tokio::test]
async fn a_loop_reconnects_and_can_be_watched() {
    let cluster = shared().await;
    let locks = manager(cluster, "looping").await;
    let admin = cluster.client().await;
    let mut state = locks.watch();
    let kept = locks.clone();
    let keeper = tokio::spawn(async move { kept.keep_connected().await });
    assert_eq!(*state.borrow(), Connection::Open);
    for _ in 0..3 {
        terminate(&admin, "looping").await;
        // It may be open again by the time that we look.
        soon(state.changed()).await.expect("the manager lives");
        soon(state.wait_for(|state| *state == Connection::Open))
            .await
            .expect("the manager lives");
        lock(&locks, "looping").await.release().await;
    }
    keeper.abort();
}

#[tokio::test]
async fn settings_of_the_role_change_nothing() {
    let cluster = shared().await;
    let admin = cluster.client().await;
    admin
        .batch_execute(
            "create role strict login;
             grant usage on schema crosslock to strict;
             create schema trap;
             grant usage on schema trap to strict;
             create function trap.pg_try_advisory_xact_lock(int, int) returns bool
               language sql as 'select false';
             alter role strict set statement_timeout = '20ms';
             alter role strict set lock_timeout = '1ms';
             alter role strict set idle_in_transaction_session_timeout = '1ms';
             alter role strict set default_transaction_isolation = 'serializable';
             alter role strict set default_transaction_read_only = on;
             alter role strict set search_path = trap, pg_catalog;
             alter role strict set idle_session_timeout = '200ms';",
        )
        .await
        .expect("the owner may");
    let connection = cluster.connection().replace("user=owner", "user=strict");
    let options = connection
        .parse::<crosslock::postgres::PostgresOptions>()
        .expect("well-formed");
    let locks = PostgresLockManager::connect(options)
        .await
        .expect("it connects");
    let other = manager(cluster, "beside").await;
    let held = lock(&other, "strict").await;
    let mut wait = Box::pin(lock(&locks, "strict"));
    assert!(poll!(&mut wait).is_pending());
    // Longer than any of the limits.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(poll!(&mut wait).is_pending());
    held.release().await;
    soon(wait).await.release().await;

    // They are those of the role, and not of the connection that asks for a check.
    drop(connect(&connection).await);
}

#[tokio::test]
async fn others_see_who_holds() {
    let cluster = shared().await;
    let locks = manager(cluster, "wallet-a").await;
    let other = manager(cluster, "wallet-b").await;
    let _held = lock(&locks, "seen").await;
    let error = other
        .lock("seen", std::time::Duration::from_millis(50))
        .await
        .expect_err("held");
    assert!(error.to_string().contains("held by wallet-a"), "{error}");
    let snapshot = other.query().await.expect("it works");
    let seen = snapshot
        .held
        .iter()
        .find(|info| info.key == "seen")
        .expect("it is held");
    let client = seen.client.as_deref().expect("it is known");
    assert!(client.starts_with("wallet-a (backend "), "{client}");
    assert!(seen.age.expect("it is known") >= std::time::Duration::from_millis(50));
}
