//! Connections that cannot carry locks.

use std::process::{Child, Stdio};

use crosslock::LockError;
use crosslock::postgres::{PostgresLockManager, PostgresOptions, migrate};

use crate::cluster::{Cluster, as_user, shared};
use crate::support::{connect, lock};

/// A pgbouncer in front of a cluster, on a socket in its folder.
struct Pooler {
    process: Child,
    folder: std::path::PathBuf,
}

impl Pooler {
    async fn start(cluster: &Cluster, mode: &str) -> Self {
        let folder = cluster.folder().join(format!("pooler-{mode}"));
        let make = as_user("mkdir").arg(&folder).status().expect("mkdir");
        assert!(make.success());
        let configuration = format!(
            "[databases]\n* = host={server}\n[pgbouncer]\nlisten_addr =\n\
             unix_socket_dir = {folder}\nauth_type = any\nauth_file =\npool_mode = {mode}\n\
             default_pool_size = 20\nlogfile = {folder}/log\npidfile = {folder}/pid\n",
            server = cluster.folder().display(),
            folder = folder.display(),
        )
        // With `any` all are this user.
        .replace("* = host", "* = user=owner host");
        let file = std::env::temp_dir().join(format!("{}-{mode}.ini", std::process::id()));
        std::fs::write(&file, configuration).expect("it can be written");
        let mut process = as_user("pgbouncer")
            .arg(&file)
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pgbouncer");
        let pooler = |process| Self {
            process,
            folder: folder.clone(),
        };
        while tokio::net::UnixStream::connect(folder.join(".s.PGSQL.6432"))
            .await
            .is_err()
        {
            assert_eq!(
                process.try_wait().expect("a child"),
                None,
                "pgbouncer has ended"
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        std::fs::remove_file(file).expect("it was read");
        pooler(process)
    }

    fn options(&self) -> PostgresOptions {
        let folder = self.folder.display();
        let text = format!("host={folder} port=6432 user=owner dbname=postgres");
        text.parse().expect("well-formed")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().expect("it can be ended");
        self.process.wait().expect("a child");
    }
}

#[tokio::test]
async fn poolers_in_transaction_mode_are_refused() {
    let cluster = shared().await;
    for mode in ["transaction", "statement"] {
        let pooler = Pooler::start(cluster, mode).await;
        // A pool that is warm, and one that is not.
        for _ in 0..3 {
            let error = PostgresLockManager::connect(pooler.options()).await;
            let error = error.expect_err("no session of its own");
            assert!(matches!(error, LockError::Unavailable { .. }), "{error:?}");
            assert!(error.to_string().contains("pgbouncer"), "{error}");
        }
    }
}

#[tokio::test]
async fn poolers_in_session_mode_work() {
    let cluster = shared().await;
    let pooler = Pooler::start(cluster, "session").await;
    let (a, b) = (
        connect(pooler.options()).await,
        connect(pooler.options()).await,
    );
    let guard = lock(&a, "pooled").await;
    let mut wait = Box::pin(lock(&b, "pooled"));
    assert!(futures::poll!(&mut wait).is_pending());
    guard.release().await;
    let guard = wait.await;
    // The backend goes back to the pool, without what the session had.
    drop((b, guard));
    lock(&a, "pooled").await.release().await;
}

#[tokio::test]
async fn read_only_replicas_are_refused() {
    let primary = Cluster::new();
    migrate(&primary.options()).await.expect("it migrates");
    let replica = crate::servers::replica(&primary);
    for error in [
        PostgresLockManager::connect(replica.options())
            .await
            .expect_err("a replica"),
        migrate(&replica.options().with_schema("more"))
            .await
            .expect_err("a replica"),
    ] {
        assert!(error.to_string().contains("read-only replica"), "{error}");
    }
}
