//! Processes that contend for an account, are killed, and have their backends terminated.
//!
//! `CROSSLOCK_POSTGRES_ROUNDS` says how often (60 times by default).

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crosslock::LockManager;
use crosslock::postgres::{PostgresLockManager, PostgresOptions, migrate};

use crate::cluster::{self, Cluster};

/// In the environment of a child: how it connects.
const CHILD: &str = "CROSSLOCK_POSTGRES_CHILD";
const CONTENDERS: usize = 8;

/// Pays for as long as it lives. It is no test of its own: without the variable it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(connection) = std::env::var(CHILD) else {
        return;
    };
    let options: PostgresOptions = connection.parse().expect("well-formed");
    let options = options
        .with_label("contender")
        .with_takeover(Duration::from_secs(3));
    let locks = loop {
        match PostgresLockManager::connect(options.clone()).await {
            Ok(locks) => break locks,
            // Its backend was among the terminated.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let kept = locks.clone();
    tokio::spawn(async move { kept.keep_connected().await });
    let contenders =
        (0..CONTENDERS).map(|_| tokio::spawn(contend(locks.clone(), connection.clone())));
    for contender in contenders {
        contender.await.expect("a contender does not panic");
    }
}

async fn contend(locks: PostgresLockManager, connection: String) {
    loop {
        // A connection that is not the one of the locks.
        let Ok((mut client, driver)) =
            tokio_postgres::connect(&connection, tokio_postgres::NoTls).await
        else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        tokio::spawn(driver);
        while !client.is_closed() {
            let mut state = locks.watch();
            match locks.lock("account", Duration::from_secs(30)).await {
                Ok(guard) => {
                    let _ = pay(&locks, &mut client, &*guard).await;
                    guard.release().await;
                }
                Err(crosslock::LockError::Lost { .. }) => {
                    let _ = tokio::time::timeout(Duration::from_millis(100), state.changed()).await;
                }
                Err(crosslock::LockError::TimedOut { .. }) => {
                    let sql = "insert into stuck values (now())";
                    let _ = client.execute(sql, &[]).await;
                }
                // Our session ended just now.
                Err(_) => {}
            }
        }
    }
}

/// Reads a balance, does something else, and writes it: what two at once would get wrong.
async fn pay(
    locks: &PostgresLockManager,
    client: &mut tokio_postgres::Client,
    guard: &dyn crosslock::LockGuard,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let token = guard.fencing_token().expect("it has one").get() as i64;
    let transaction = client.transaction().await?;
    locks.check(&transaction, guard).await?;
    let row = transaction
        .query_one("select balance, last_token from account", &[])
        .await?;
    let (balance, last): (i64, i64) = (row.get(0), row.get(1));
    let statement = "update account set balance = $1, last_token = $2";
    transaction
        .execute(statement, &[&(balance + 1), &token])
        .await?;
    let statement = "insert into payment values ($1, $2, $3)";
    transaction
        .execute(statement, &[&(balance + 1), &token, &last])
        .await?;
    transaction.commit().await?;
    Ok(())
}

fn spawn(cluster: &Cluster) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "chaos::child", "--nocapture"])
        .env(CHILD, cluster.connection())
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_survive_kills() {
    let rounds = std::env::var("CROSSLOCK_POSTGRES_ROUNDS");
    let rounds: u64 = rounds.map_or(60, |text| text.parse().expect("a number"));
    let cluster = Cluster::new();
    migrate(&cluster.options()).await.expect("it migrates");
    let client = cluster.client().await;
    client
        .batch_execute(
            "create table account (balance bigint, last_token bigint);
             insert into account values (0, 0);
             create table payment (balance bigint, token bigint, last_token bigint);
             create table stuck (at timestamptz)",
        )
        .await
        .expect("tables");
    let mut children = [spawn(&cluster), spawn(&cluster)];
    let mut chance = fastrand(std::process::id().into());
    let (mut terminated, mut killed, mut last) = (0, 0, (0, Instant::now()));
    loop {
        let paid = client.query_one("select balance from account", &[]).await;
        let paid: i64 = paid.expect("the table").get(0);
        if paid != last.0 {
            last = (paid, Instant::now());
        }
        if terminated + killed >= rounds && killed > 0 {
            break;
        }
        assert!(
            last.1.elapsed() < cluster::PATIENCE,
            "nobody pays any more, after {paid} payments"
        );
        tokio::time::sleep(Duration::from_millis(20 + chance() % 60)).await;
        if chance().is_multiple_of(8) {
            let child = &mut children[(chance() % 2) as usize];
            child.kill().expect("it can be killed");
            child.wait().expect("a child");
            *child = spawn(&cluster);
            killed += 1;
        } else {
            // Whatever backend it is: one of a session, or one of a payment.
            let sql = "select pg_terminate_backend(pid) from pg_stat_activity
                       where backend_type = 'client backend' and pid <> pg_backend_pid()
                       order by random() limit 1";
            client.execute(sql, &[]).await.expect("the owner may");
            terminated += 1;
        }
    }
    for child in &mut children {
        child.kill().expect("it can be killed");
        child.wait().expect("a child");
    }
    // An overlap would have read a balance that another then wrote as well.
    let row = client
        .query_one(
            "select (select balance from account),
                    (select count(*) from payment),
                    (select count(distinct balance) from payment),
                    (select count(*) from payment where token < last_token),
                    (select count(*) from stuck)",
            &[],
        )
        .await
        .expect("the tables");
    let [balance, payments, distinct, backwards, stuck] =
        [0, 1, 2, 3, 4].map(|column| row.get::<_, i64>(column));
    println!("{payments} payments, {terminated} backends terminated, {killed} processes killed");
    assert_eq!(
        (payments, distinct),
        (balance, balance),
        "two have paid at once"
    );
    assert_eq!(
        (backwards, stuck),
        (0, 0),
        "a stale token has paid, or a wait was forgotten"
    );
    // And nothing is stuck.
    let locks = crate::support::connect(cluster.options()).await;
    crate::support::lock(&locks, "account")
        .await
        .release()
        .await;
    locks.query().await.expect("a round trip");
    assert_eq!(crate::support::left(&client, "account").await, 0);
}

/// Numbers without a pattern that matters here (xorshift).
fn fastrand(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}
