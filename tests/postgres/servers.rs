//! What happens to whole servers.

use std::time::Duration;

use crosslock::postgres::{Reconnected, migrate};
use tokio_postgres::Client;

use crate::cluster::{Cluster, as_user, connect, programs};
use crate::support::{lock, manager, soon, token};

/// A streaming replica of a cluster.
pub(crate) fn replica(primary: &Cluster) -> Cluster {
    let replica = Cluster::in_new_folder();
    let copy = as_user(programs().join("pg_basebackup"))
        .args([
            "--host",
            primary.folder().to_str().expect("UTF-8"),
            "--username=owner",
        ])
        .args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "-D",
        ])
        .arg(replica.data())
        .output()
        .expect("pg_basebackup");
    assert!(
        copy.status.success(),
        "{}",
        String::from_utf8_lossy(&copy.stderr)
    );
    replica.configure(&format!(
        "unix_socket_directories = '{}'\n",
        replica.folder().display()
    ));
    replica.start();
    replica
}

/// A payment of the holder's, if its lock is held.
async fn pay(client: &mut Client, statement: &str, token: u64) -> bool {
    let pay = async {
        let transaction = client.transaction().await?;
        transaction
            .execute("insert into paid values ($1)", &[&(token as i64)])
            .await?;
        transaction
            .execute(statement, &[&"leader", &(token as i64)])
            .await?;
        transaction.commit().await
    };
    pay.await.is_ok()
}

#[tokio::test]
async fn tokens_grow_across_a_crash() {
    let cluster = Cluster::new();
    migrate(&cluster.options()).await.expect("it migrates");
    cluster
        .client()
        .await
        .batch_execute("create table paid (token bigint)")
        .await
        .expect("it is");
    let locks = manager(&cluster, "crashed").await;
    let mut last = 0;
    for _ in 0..3 {
        // More than what a sequence logs ahead, so that a crash has something to forget.
        let mut guard = lock(&locks, "leader").await;
        for _ in 0..50 {
            assert!(token(&*guard) > last);
            last = token(&*guard);
            guard.release().await;
            guard = lock(&locks, "leader").await;
        }
        let statement = locks.check_statement();
        let mut payer = cluster.client().await;
        assert!(pay(&mut payer, &statement, token(&*guard)).await);
        let stale = token(&*guard);
        last = stale;

        cluster.control("-m immediate restart");
        soon(guard.lost()).await;
        let reason = guard.ensure_held().expect_err("it is lost").to_string();
        assert!(reason.contains("PostgreSQL"), "{reason}");
        assert_eq!(
            locks.reconnect().await.expect("it is back"),
            Reconnected::Restarted
        );
        let mut payer = cluster.client().await;
        assert!(
            !pay(&mut payer, &statement, stale).await,
            "a stale holder has paid"
        );
        let next = lock(&locks, "leader").await;
        assert!(token(&*next) > stale, "{} after {stale}", token(&*next));
        assert!(
            !pay(&mut payer, &statement, stale).await,
            "a stale holder has paid"
        );
        assert!(pay(&mut payer, &statement, token(&*next)).await);
        last = last.max(token(&*next));
        next.release().await;
    }
    let paid = cluster
        .client()
        .await
        .query("select token from paid order by 1", &[])
        .await;
    assert_eq!(paid.expect("the table").len(), 6);
}

#[tokio::test]
async fn a_promoted_replica_that_lags_has_larger_tokens() {
    let primary = Cluster::new();
    migrate(&primary.options()).await.expect("it migrates");
    let owner = primary.client().await;
    owner
        .batch_execute("create table paid (token bigint)")
        .await
        .expect("a table");
    let locks = manager(&primary, "old").await;
    lock(&locks, "leader").await.release().await;
    let replica = replica(&primary);
    // It has what there is now, and gets nothing from here on: it is cut off.
    let standby = connect(&replica.connection()).await;
    let lsn: String = owner
        .query_one("select pg_current_wal_flush_lsn()::text", &[])
        .await
        .expect("a primary")
        .get(0);
    let caught_up = format!("select pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn");
    while !standby
        .query_one(&caught_up, &[])
        .await
        .expect("a standby")
        .get::<_, bool>(0)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    replica.control("-m fast stop");
    for _ in 0..200 {
        lock(&locks, "leader").await.release().await;
    }
    let guard = lock(&locks, "leader").await;
    replica.configure("primary_conninfo = ''\n");
    replica.start();
    replica.control("promote");

    // The holder still talks to the old primary. Whoever asks the new one is not behind it.
    let new = manager(&replica, "new").await;
    let next = lock(&new, "leader").await;
    assert!(token(&*next) > token(&*guard), "{next:?} after {guard:?}");
    let mut payer = replica.client().await;
    let statement = new.check_statement();
    assert!(
        !pay(&mut payer, &statement, token(&*guard)).await,
        "a stale holder has paid"
    );
    assert!(pay(&mut payer, &statement, token(&*next)).await);
    assert!(next.ensure_held().is_ok());
}

#[tokio::test]
async fn a_restored_dump_has_larger_tokens() {
    let cluster = Cluster::new();
    migrate(&cluster.options()).await.expect("it migrates");
    let locks = manager(&cluster, "dumped").await;
    lock(&locks, "leader").await.release().await;
    let dump = as_user(programs().join("pg_dump"))
        .args([
            "--host",
            cluster.folder().to_str().expect("UTF-8"),
            "--username=owner",
            "postgres",
        ])
        .output()
        .expect("pg_dump");
    assert!(
        dump.status.success(),
        "{}",
        String::from_utf8_lossy(&dump.stderr)
    );
    let dump = String::from_utf8(dump.stdout).expect("UTF-8");
    // psql's own commands are no SQL.
    let (sql, copies): (Vec<&str>, Vec<&str>) = split_copies(&dump);
    for _ in 0..200 {
        lock(&locks, "leader").await.release().await;
    }
    let last = token(&*lock(&locks, "leader").await);
    drop(locks);

    // Into the same server, which has not been restarted.
    let owner = cluster.client().await;
    owner
        .batch_execute("create database restored")
        .await
        .expect("the owner may");
    let connection = cluster
        .connection()
        .replace("dbname=postgres", "dbname=restored");
    let restored = connect(&connection).await;
    restored
        .batch_execute(&sql.join("\n"))
        .await
        .expect("it is restored");
    for copy in copies {
        restored.batch_execute(copy).await.expect("it is restored");
    }
    let options = connection.parse().expect("well-formed");
    let next = crate::support::connect(options).await;
    let guard = lock(&next, "leader").await;
    assert!(token(&*guard) > last, "{} after {last}", token(&*guard));
}

/// The SQL of a dump, without the rows that `psql` would read.
fn split_copies(dump: &str) -> (Vec<&str>, Vec<&str>) {
    let mut is_copy = false;
    let mut sql = Vec::new();
    for line in dump.lines() {
        if line.starts_with("COPY ") {
            is_copy = true;
        } else if line == "\\." {
            is_copy = false;
        } else if !is_copy && !line.starts_with('\\') {
            sql.push(line);
        }
    }
    // The version is the one row that is needed.
    (sql, vec!["insert into crosslock.version values (1, 1)"])
}
