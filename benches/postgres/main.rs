//! Locks in PostgreSQL beside what else that server offers: an advisory lock on a connection of its
//! own, and a row with an expiry.
//!
//! `cargo bench --features postgres --bench postgres`. The server is one of our own, on a Unix socket,
//! so there is no network in the figures, and its files are where temporary files are. All contestants
//! take turns in each round; what counts is the median over the rounds of the ratio within one.

// There is no server to start on other systems.
#![cfg_attr(not(unix), no_main)]
#![cfg(unix)]

#[path = "../../tests/support/cluster.rs"]
#[allow(dead_code, unreachable_pub, reason = "tests do more with it")]
mod cluster;

use std::time::{Duration, Instant};

use crosslock::postgres::{PostgresLockManager, migrate};
use crosslock::{LockGuard, LockManager};
use tokio_postgres::{Client, Statement};

use cluster::Cluster;

const ROUNDS: usize = 15;
const LONG: Duration = Duration::from_secs(60);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let cluster = Cluster::new();
    migrate(&cluster.options()).await.expect("it migrates");
    let (a, b) = (connect(&cluster).await, connect(&cluster).await);
    let (x, y) = (Advisory::new(&cluster).await, Advisory::new(&cluster).await);
    let row = Row::new(&cluster).await;

    let mut uncontended = Table::new(["ours", "advisory lock", "select 1", "row with expiry"]);
    let mut hand_off = Table::new(["ours", "advisory lock", "ours, one manager", "-"]);
    for round in 0..=ROUNDS {
        let times = [
            each(200, async || lock(&a).await.release().await).await,
            each(200, async || x.lock_and_unlock().await).await,
            each(200, async || x.nothing().await).await,
            each(20, async || row.lock_and_unlock().await).await,
        ];
        let turns = 200;
        let hand_offs = [
            contend(
                turns,
                async || lock(&a).await.release().await,
                async || {
                    lock(&b).await.release().await;
                },
            )
            .await,
            contend(
                turns,
                async || x.lock_and_unlock().await,
                async || y.lock_and_unlock().await,
            )
            .await,
            contend(
                turns,
                async || lock(&a).await.release().await,
                async || {
                    lock(&a).await.release().await;
                },
            )
            .await,
            Duration::ZERO,
        ];
        // The first warms up.
        if round > 0 {
            uncontended.add(times);
            hand_off.add(hand_offs);
        }
    }
    uncontended.print("lock and release, nobody else");
    hand_off.print("a turn of two clients that contend for one key");

    // What a key costs beside many.
    let mut held = Vec::new();
    for n in 0..10_000 {
        held.push(a.lock(&format!("held.{n}"), LONG).await.expect("free"));
    }
    let mut beside = Table::new(["beside 10,000 held", "advisory lock", "-", "-"]);
    for _ in 0..ROUNDS {
        let ours = each(200, async || lock(&b).await.release().await).await;
        let theirs = each(200, async || x.lock_and_unlock().await).await;
        beside.add([ours, theirs, Duration::ZERO, Duration::ZERO]);
    }
    beside.print("lock and release of a free key, while another client holds 10,000");
}

async fn connect(cluster: &Cluster) -> PostgresLockManager {
    PostgresLockManager::connect(cluster.options())
        .await
        .expect("it connects")
}

async fn lock(locks: &PostgresLockManager) -> Box<dyn LockGuard> {
    locks
        .lock("payments.leader.42", LONG)
        .await
        .expect("it comes free")
}

/// The time that one takes of so many.
async fn each(count: u32, work: impl AsyncFn()) -> Duration {
    let begin = Instant::now();
    for _ in 0..count {
        work().await;
    }
    begin.elapsed() / count
}

/// Two at once, each so often: the time of one turn of either.
async fn contend(count: u32, one: impl AsyncFn(), two: impl AsyncFn()) -> Duration {
    let begin = Instant::now();
    futures::join!(
        async {
            for _ in 0..count {
                one().await;
            }
        },
        async {
            for _ in 0..count {
                two().await;
            }
        }
    );
    begin.elapsed() / (2 * count)
}

/// An advisory lock of a session, as it is taken by hand.
struct Advisory {
    client: Client,
    lock: Statement,
    unlock: Statement,
    nothing: Statement,
}

impl Advisory {
    async fn new(cluster: &Cluster) -> Self {
        let client = cluster.client().await;
        let prepare = async |sql| client.prepare(sql).await.expect("it is SQL");
        Self {
            lock: prepare("select pg_advisory_lock(hashtextextended($1, 0))").await,
            unlock: prepare("select pg_advisory_unlock(hashtextextended($1, 0))").await,
            nothing: prepare("select 1").await,
            client,
        }
    }

    async fn lock_and_unlock(&self) {
        for statement in [&self.lock, &self.unlock] {
            let row = self
                .client
                .query_one(statement, &[&"payments.leader.42"])
                .await;
            row.expect("it works");
        }
    }

    async fn nothing(&self) {
        self.client
            .query_one(&self.nothing, &[])
            .await
            .expect("it works");
    }
}

/// A row that one owns until an expiry, written durably, as libraries for leases do.
struct Row {
    client: Client,
    lock: Statement,
    unlock: Statement,
}

impl Row {
    async fn new(cluster: &Cluster) -> Self {
        let client = cluster.client().await;
        let table = "create table lease (key text primary key, owner text, expires timestamptz)";
        client.batch_execute(table).await.expect("a table");
        let lock = "insert into lease values ($1, 'a', now() + interval '30 s')
                    on conflict (key) do update set owner = 'a', expires = excluded.expires
                    where lease.expires < now()";
        let unlock = "update lease set expires = '-infinity' where key = $1 and owner = 'a'";
        Self {
            lock: client.prepare(lock).await.expect("it is SQL"),
            unlock: client.prepare(unlock).await.expect("it is SQL"),
            client,
        }
    }

    async fn lock_and_unlock(&self) {
        for statement in [&self.lock, &self.unlock] {
            let changed = self
                .client
                .execute(statement, &[&"payments.leader.42"])
                .await;
            assert_eq!(changed.expect("it works"), 1);
        }
    }
}

/// Rounds of contestants, of which the second is the one to compare with.
struct Table {
    names: [&'static str; 4],
    rounds: Vec<[Duration; 4]>,
}

impl Table {
    fn new(names: [&'static str; 4]) -> Self {
        let rounds = Vec::new();
        Self { names, rounds }
    }

    fn add(&mut self, times: [Duration; 4]) {
        self.rounds.push(times);
    }

    fn print(&self, title: &str) {
        println!("\n{title}");
        for (place, name) in self
            .names
            .iter()
            .enumerate()
            .filter(|(_, name)| **name != "-")
        {
            let time = median(self.rounds.iter().map(|times| times[place].as_secs_f64()));
            let best = self.rounds.iter().map(|times| times[place]).min();
            let best = best.map_or(0.0, |best| best.as_secs_f64()) * 1e6;
            let ratio = |times: &[Duration; 4]| times[place].div_duration_f64(times[1]);
            let ratio = median(self.rounds.iter().map(ratio));
            println!(
                "  {name:20} {:8.1} µs, at best {best:8.1}; {ratio:5.2} × of the advisory lock",
                time * 1e6
            );
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
