//! A holder that is cut off: its connection stays, and nothing goes through it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crosslock::postgres::PostgresOptions;
use crosslock::{LockError, LockManager};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::cluster::{Cluster, shared};
use crate::support::{connect, lock, soon, terminate, token};

/// Between a client and the server. Cut, it swallows what either says, and closes nothing: as
/// neither kernel knows, only we can notice.
struct Proxy {
    folder: tempfile::TempDir,
    to_server: Arc<watch::Sender<bool>>,
    to_client: Arc<watch::Sender<bool>>,
}

impl Proxy {
    fn start(cluster: &Cluster) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).expect("a socket");
        let server = cluster.folder().join(".s.PGSQL.5432");
        let to_server = Arc::new(watch::Sender::new(false));
        let to_client = Arc::new(watch::Sender::new(false));
        let (up, down) = (to_server.clone(), to_client.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&server).await.expect("a server");
                let (client_reads, client_writes) = client.into_split();
                let (server_reads, server_writes) = server.into_split();
                tokio::spawn(copy(client_reads, server_writes, up.subscribe()));
                tokio::spawn(copy(server_reads, client_writes, down.subscribe()));
            }
        });
        Self {
            folder,
            to_server,
            to_client,
        }
    }

    fn options(&self) -> PostgresOptions {
        let text = format!(
            "host={} user=owner dbname=postgres",
            self.folder.path().display()
        );
        text.parse().expect("well-formed")
    }

    fn cut(&self, is_cut: bool) {
        self.to_server.send_replace(is_cut);
        self.to_client.send_replace(is_cut);
    }

    /// What the server says is swallowed; it hears all.
    fn mute(&self) {
        self.to_client.send_replace(true);
    }
}

/// What is read while the proxy is cut waits, as TCP sends it again once the network is back.
async fn copy(
    mut from: tokio::net::unix::OwnedReadHalf,
    mut to: tokio::net::unix::OwnedWriteHalf,
    mut is_cut: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if is_cut.wait_for(|is_cut| !is_cut).await.is_err() || read == 0 {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

const TAKEOVER: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_holder_is_lost_before_the_next_is_granted() {
    let cluster = shared().await;
    let proxy = Proxy::start(cluster);
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
    let proxy = Proxy::start(cluster);
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
    let proxy = Proxy::start(cluster);
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
