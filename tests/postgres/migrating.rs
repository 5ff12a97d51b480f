//! Making the tables and functions.

use crosslock::LockManager;
use crosslock::postgres::{PostgresLockManager, PostgresOptions, migrate, migration_sql};

use crate::cluster::shared;
use crate::support::connect;

fn as_role(options: &str, role: &str) -> PostgresOptions {
    options
        .replace("user=owner", &format!("user={role}"))
        .parse()
        .expect("well-formed")
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_may_migrate_at_once_and_again() {
    let cluster = shared().await;
    let options = cluster.options().with_schema("ten");
    let all: Vec<_> = (0..10)
        .map(|_| {
            let options = options.clone();
            tokio::spawn(async move { migrate(&options).await })
        })
        .collect();
    for one in all {
        one.await.expect("no panic").expect("it migrates");
    }
    migrate(&options).await.expect("it is there");
    let locks = connect(options).await;
    assert!(locks.try_lock("k").await.is_some());
}

#[tokio::test]
async fn schemas_have_nothing_to_do_with_each_other() {
    let cluster = shared().await;
    let other = cluster.options().with_schema("another");
    migrate(&other).await.expect("it migrates");
    let (ours, theirs) = (connect(cluster.options()).await, connect(other).await);
    let _ours = ours.try_lock("schemas").await.expect("free");
    let _theirs = theirs.try_lock("schemas").await.expect("free as well");
    assert!(ours.try_lock("schemas").await.is_none());
}

#[tokio::test]
async fn a_role_that_may_not_create_is_told_what_to_hand_on() {
    let cluster = shared().await;
    let owner = cluster.client().await;
    owner
        .batch_execute("create role humble login")
        .await
        .expect("the owner may");
    let humble = as_role(&cluster.connection(), "humble").with_schema("handed");
    let error = migrate(&humble).await.expect_err("it may not");
    let sql = migration_sql(&humble);
    assert!(error.to_string().ends_with(&sql), "{error}");

    // The administrator runs just that, and it may be connected to.
    owner.batch_execute(&sql).await.expect("it is whole");
    let error = PostgresLockManager::connect(humble.clone())
        .await
        .expect_err("no usage");
    assert!(
        error.to_string().contains("grant usage on schema"),
        "{error}"
    );
    owner
        .batch_execute("grant usage on schema handed to humble")
        .await
        .expect("the owner may");
    migrate(&humble).await.expect("there is nothing left to do");
    let locks = connect(humble).await;
    let guard = locks.try_lock("k").await.expect("free");
    // It need not see the tables, and cannot.
    let client = crate::cluster::connect(&cluster.connection().replace("owner", "humble")).await;
    client
        .query("select * from handed.request", &[])
        .await
        .expect_err("not granted");
    guard.release().await;
}

#[tokio::test]
async fn a_database_without_the_schema_is_refused() {
    let cluster = shared().await;
    let options = cluster.options().with_schema("nowhere");
    let error = PostgresLockManager::connect(options)
        .await
        .expect_err("no schema");
    assert!(error.to_string().contains("postgres::migrate"), "{error}");
}

#[tokio::test]
async fn versions_that_are_not_ours_are_refused() {
    let cluster = shared().await;
    let options = cluster.options().with_schema("versions");
    migrate(&options).await.expect("it migrates");
    let owner = cluster.client().await;
    for (version, says) in [("2, 2", "update the crate"), ("0, 0", "postgres::migrate")] {
        let sql = format!("update versions.version set (version, oldest_reader) = ({version})");
        owner.batch_execute(&sql).await.expect("the owner may");
        let error = PostgresLockManager::connect(options.clone()).await;
        let error = error.expect_err("another version").to_string();
        assert!(error.contains(says), "{error}");
    }
    // A later version says which crates still understand it.
    let sql = "update versions.version set (version, oldest_reader) = (7, 1)";
    owner.batch_execute(sql).await.expect("the owner may");
    connect(options).await;
}

#[tokio::test]
async fn a_schema_is_named_as_it_is() {
    for bad in [
        "",
        "Locks",
        "a b",
        "x\"; drop table y; --",
        "1st",
        &"x".repeat(64),
    ] {
        let options: PostgresOptions = "host=/nowhere".parse().expect("well-formed");
        let error = migrate(&options.with_schema(bad)).await.expect_err(bad);
        assert!(
            error.to_string().contains("cannot be the schema"),
            "{error}"
        );
    }
}
