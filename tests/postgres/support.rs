//! What several of the tests need.

use std::time::Duration;

use crosslock::postgres::{PostgresLockManager, PostgresOptions};
use crosslock::{LockGuard, LockManager};
use tokio_postgres::Client;

use crate::cluster::Cluster;

/// Longer than anything takes that is awaited.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn manager(cluster: &Cluster, label: &str) -> PostgresLockManager {
    connect(cluster.options().with_label(label)).await
}

pub(crate) async fn connect(options: PostgresOptions) -> PostgresLockManager {
    PostgresLockManager::connect(options)
        .await
        .expect("it connects")
}

pub(crate) async fn lock(locks: &PostgresLockManager, key: &str) -> Box<dyn LockGuard> {
    locks.lock(key, LONG).await.expect("it comes free")
}

pub(crate) fn token(guard: &dyn LockGuard) -> u64 {
    guard.fencing_token().expect("it has one").get()
}

/// Terminates the backends of the instance with this label, as an administrator would.
pub(crate) async fn terminate(client: &Client, label: &str) {
    let sql = "select count(pg_terminate_backend(pid, 10000)) from pg_stat_activity
               where application_name = 'crosslock: ' || $1";
    let row = client
        .query_one(sql, &[&label])
        .await
        .expect("an owner may");
    assert!(row.get::<_, i64>(0) > 0, "there was no backend of {label}");
}

/// How many requests are in the tables whose keys begin like this.
pub(crate) async fn left(client: &Client, prefix: &str) -> i64 {
    let sql = "select count(*) from crosslock.request where starts_with(key, $1)";
    client
        .query_one(sql, &[&prefix])
        .await
        .expect("the table")
        .get(0)
}

/// Fails if what is awaited does not come.
pub(crate) async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(LONG, what).await.expect("it comes")
}
