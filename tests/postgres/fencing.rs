//! Fencing tokens, and `check` in the transactions of a caller.

use crosslock::{AcquireOptions, LockError, LockManager, LockMode};
use futures::poll;

use crate::cluster::shared;
use crate::support::{lock, manager, soon, terminate, token};

#[tokio::test]
async fn tokens_of_a_key_grow() {
    let cluster = shared().await;
    let (a, b) = (
        manager(cluster, "grow-a").await,
        manager(cluster, "grow-b").await,
    );
    let mut last = 0;
    for locks in [&a, &b, &a, &a, &b] {
        let guard = lock(locks, "grow").await;
        assert!(token(&*guard) > last);
        last = token(&*guard);
        guard.release().await;
    }
    // Also for those who waited, share or steal.
    let held = lock(&a, "grow").await;
    let mut wait = Box::pin(lock(&b, "grow"));
    assert!(poll!(&mut wait).is_pending());
    let first = token(&*held);
    held.release().await;
    let second = wait.await;
    let third = a.steal("grow").await.expect("it can");
    assert!(first > last && token(&*second) > first && token(&*third) > token(&*second));
    let guards = a
        .lock_many(&["grow.a", "grow.b"], crate::support::LONG)
        .await
        .expect("free");
    assert!(token(&*guards[0]) > token(&*third));
    assert_ne!(token(&*guards[0]), token(&*guards[1]));
}

/// Readers of other machines would see the writer's data change under a transaction that it has checked.
#[tokio::test]
async fn nothing_is_shared_while_a_checked_transaction_is_open() {
    let cluster = shared().await;
    let (a, b) = (
        manager(cluster, "writer").await,
        manager(cluster, "reader").await,
    );
    let mut client = cluster.client().await;
    let mut guard = lock(&a, "weakened").await;
    let before = token(&*guard);
    let read = AcquireOptions::shared(crate::support::LONG);
    let mut reading = b.acquire("weakened", read);
    assert!(poll!(&mut reading).is_pending());

    let transaction = client.transaction().await.expect("a transaction");
    a.check(&transaction, &*guard).await.expect("it is held");
    let refused = guard.downgrade().await.expect_err("it is open");
    assert!(matches!(refused, LockError::Backend { .. }), "{refused:?}");
    assert!(format!("{refused:?}").contains("still open"), "{refused:?}");
    assert_eq!(guard.mode(), LockMode::Exclusive);
    assert!(poll!(&mut reading).is_pending());
    transaction.commit().await.expect("it is held");

    guard.downgrade().await.expect("it is held");
    let reader = reading.await.expect("it fits");
    assert_eq!(guard.mode(), LockMode::Shared);
    // The same hold goes on, with its token.
    assert_eq!(token(&*guard), before);
    assert!(token(&*reader) > before);
    let transaction = client.transaction().await.expect("a transaction");
    a.check(&transaction, &*guard).await.expect("it is held");
    transaction.commit().await.expect("it is held");
}

#[tokio::test]
async fn a_holder_commits_and_others_do_not() {
    let cluster = shared().await;
    let locks = manager(cluster, "checker").await;
    let mut client = cluster.client().await;
    client
        .batch_execute("create table if not exists checked (n int)")
        .await
        .expect("a table");
    let guard = lock(&locks, "checked").await;
    let transaction = client.transaction().await.expect("a transaction");
    locks
        .check(&transaction, &*guard)
        .await
        .expect("it is held");
    transaction
        .execute("insert into checked values (1)", &[])
        .await
        .expect("a row");
    transaction.commit().await.expect("it is held");

    // By the statement alone, as other clients do.
    let number = token(&*guard) as i64;
    let statement = locks.check_statement();
    client
        .query(&statement, &[&"checked", &number])
        .await
        .expect("it is held");
    for (key, number) in [
        ("checked", number - 1),
        ("checked", number + 1),
        ("another", number),
    ] {
        let error = client
            .query(&statement, &[&key, &number])
            .await
            .expect_err("not held");
        assert_eq!(
            error.code().expect("an answer").code(),
            "CL001",
            "{key} {number}"
        );
    }

    // The thief is granted at once: no transaction is open.
    let thief = locks.steal("checked").await.expect("it can");
    let transaction = client.transaction().await.expect("a transaction");
    transaction
        .execute("insert into checked values (2)", &[])
        .await
        .expect("a row");
    let error = transaction
        .query(&statement, &[&"checked", &number])
        .await
        .expect_err("stolen");
    assert!(
        error
            .as_db_error()
            .expect("an answer")
            .message()
            .contains("stolen"),
        "{error}"
    );
    transaction.commit().await.ok();
    let error = {
        let transaction = client.transaction().await.expect("a transaction");
        locks
            .check(&transaction, &*guard)
            .await
            .expect_err("stolen")
    };
    assert!(matches!(error, LockError::Lost { .. }), "{error}");
    let rows = client
        .query("select n from checked", &[])
        .await
        .expect("the table");
    assert_eq!(
        rows.len(),
        1,
        "a transaction that failed its check was committed"
    );
    thief.release().await;
}

#[tokio::test]
async fn a_takeover_waits_for_an_open_transaction() {
    let cluster = shared().await;
    for how in ["stolen", "terminated", "released"] {
        let (label, key) = (format!("open-{how}"), format!("open.{how}"));
        let holder = manager(cluster, &label).await;
        let other = manager(cluster, &format!("{label}-next")).await;
        let (mut payer, admin) = (cluster.client().await, cluster.client().await);
        let guard = lock(&holder, &key).await;
        let stale = token(&*guard) as i64;
        let transaction = payer.transaction().await.expect("a transaction");
        holder
            .check(&transaction, &*guard)
            .await
            .expect("it is held");

        let mut next = Box::pin(async {
            match how {
                "stolen" => other.steal(&key).await.expect("it can"),
                _ => lock(&other, &key).await,
            }
        });
        assert!(poll!(&mut next).is_pending());
        match how {
            "terminated" => terminate(&admin, &label).await,
            "released" => guard.release().await,
            _ => soon(guard.lost()).await,
        }
        // Nobody is granted it, and the stale token is void for all that begins now.
        let third = manager(cluster, &format!("{label}-third")).await;
        assert!(third.try_lock(&key).await.is_none());
        for _ in 0..3 {
            assert!(
                poll!(&mut next).is_pending(),
                "{how}: granted beside an open transaction"
            );
            third.query().await.expect("a round trip");
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
        let statement = holder.check_statement();
        let error = admin
            .query(&statement, &[&key, &stale])
            .await
            .expect_err(how);
        assert_eq!(error.code().expect("an answer").code(), "CL001");
        transaction
            .commit()
            .await
            .expect("it was held when it was checked");
        let granted = soon(next).await;
        assert!(token(&*granted) > stale as u64);
        granted.release().await;
    }
}

#[tokio::test]
async fn an_old_snapshot_does_not_hide_a_theft() {
    let cluster = shared().await;
    let locks = manager(cluster, "snapshots").await;
    let client = cluster.client().await;
    for level in ["read committed", "repeatable read", "serializable"] {
        let guard = lock(&locks, "snapshots").await;
        client
            .batch_execute(&format!("begin isolation level {level}"))
            .await
            .expect("it begins");
        // From here on it sees what was there now.
        client
            .query("select count(*) from pg_class", &[])
            .await
            .expect("a snapshot");
        let thief = locks.steal("snapshots").await.expect("it can");
        let number = token(&*guard) as i64;
        let statement = locks.check_statement();
        let stale = client.query(&statement, &[&"snapshots", &number]).await;
        stale.expect_err(level);
        client.batch_execute("rollback").await.expect("it ends");
        thief.release().await;
    }
}

#[tokio::test]
async fn shared_holders_are_checked_each() {
    let cluster = shared().await;
    let locks = manager(cluster, "readers").await;
    let mut client = cluster.client().await;
    let mut guards = Vec::new();
    for _ in 0..3 {
        let guard = locks
            .try_acquire("readers", LockMode::Shared)
            .await
            .expect("it works");
        guards.push(guard.expect("shared"));
    }
    let gone = guards.pop().expect("three");
    let void = token(&*gone) as i64;
    gone.release().await;
    let transaction = client.transaction().await.expect("a transaction");
    for guard in &guards {
        locks
            .check(&transaction, &**guard)
            .await
            .expect("it is held");
    }
    let statement = locks.check_statement();
    transaction
        .query(&statement, &[&"readers", &void])
        .await
        .expect_err("released");
}

#[tokio::test]
async fn a_guard_without_a_token_cannot_be_checked() {
    let cluster = shared().await;
    let locks = manager(cluster, "foreign").await;
    let mut client = cluster.client().await;
    let memory = crosslock::memory::MemoryLockManager::new();
    let guard = memory.try_lock("foreign").await.expect("free");
    assert_eq!(guard.fencing_token(), None);
    let transaction = client.transaction().await.expect("a transaction");
    let error = locks
        .check(&transaction, &*guard)
        .await
        .expect_err("no token");
    assert!(matches!(error, LockError::Unsupported { .. }), "{error}");
}
