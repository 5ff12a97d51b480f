//! Histories of machines that lock in one PostgreSQL database, and whose sessions end in the middle:
//! terminated by an administrator, with their sockets closed, or cut off without a word.

#![cfg(target_os = "linux")]

#[path = "../../support/cluster.rs"]
#[allow(dead_code)] // it is for several tests
mod cluster;
#[path = "../../support/proxy.rs"]
#[allow(dead_code)]
mod proxy;
mod support;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster::Cluster;
use crosslock::LockManager;
use crosslock::postgres::{PostgresLockManager, migrate, tokio_postgres::Client};
use crosslock_history::recorder::{Log, Recorder};
use crosslock_history::requests::Requests;
use crosslock_history::workload::{Workload, runtime};
use crosslock_history::{Contract, What};
use fastrand::Rng;
use proxy::Proxy;
use support::{in_chunks_of, verdict};

/// A session is killed after so many requests of it, on average.
const REQUESTS_A_KILL: u64 = 200;
/// After so long a silence a session is ended by the others, and one is lost to itself a tenth before.
const TAKEOVER: Duration = Duration::from_secs(10);

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// An administrator terminates its backend.
    Terminated,
    /// Both ends see its connection closed.
    Closed,
    /// Nothing goes through any more, and nobody is told.
    Silent,
}

impl End {
    /// Of the session with this number. Those that wait for the silent take long, so they are few.
    fn of(number: u64) -> Self {
        match number {
            _ if number % 25 == 4 => Self::Silent,
            _ if number.is_multiple_of(2) => Self::Closed,
            _ => Self::Terminated,
        }
    }
}

#[test]
fn machines_on_one_database() {
    let contract = Contract {
        // A notification tells of them.
        losses_come_late: true,
        ..Contract::default()
    };
    let (runtime, cluster) = (runtime(), Cluster::new());
    let migrated = runtime.block_on(migrate(&cluster.options()));
    migrated.expect("it migrates");
    in_chunks_of("postgres", 2_000, |seed, operations| {
        let events = runtime.block_on(async {
            let run = Run {
                cluster: &cluster,
                administrator: cluster.client().await,
                seed,
                operations,
                asked: AtomicU64::new(0),
                started: AtomicU64::new(0),
                events: Mutex::default(),
            };
            // It stays: the last session of the others has nobody else to take out what it had.
            let options = cluster
                .options()
                .with_label("stays")
                .with_takeover(TAKEOVER);
            let stays = PostgresLockManager::connect(options).await;
            tokio::join!(run.machine(), run.machine(), run.machine());
            drop(stays.expect("it connects"));
            run.nothing_is_left().await;
            println!(
                "postgres: {} sessions were killed",
                run.started.into_inner()
            );
            run.events.into_inner().expect("nobody panics")
        });
        verdict(events, &contract)
    });
}

struct Run<'a> {
    cluster: &'a Cluster,
    administrator: Client,
    seed: u64,
    operations: u64,
    asked: AtomicU64,
    started: AtomicU64,
    events: Mutex<Vec<crosslock_history::Event>>,
}

impl Run<'_> {
    /// Opens one session after the other, until there were enough requests of all machines.
    async fn machine(&self) {
        let mut kept: Option<(PostgresLockManager, Proxy, String)> = None;
        while self.asked.load(Relaxed) < self.operations {
            let number = self.started.fetch_add(1, Relaxed);
            let mut random = Rng::with_seed(self.seed.wrapping_add(number));
            // A new manager, or that of the last session again.
            let (locks, proxy, label) = match kept.take().filter(|_| random.bool()) {
                Some(kept) => {
                    kept.0.reconnect().await.expect("the server is there");
                    kept
                }
                None => {
                    let proxy = Proxy::start(self.cluster.folder());
                    let label = format!("machine {number} of {}", self.seed);
                    let options = proxy.options().with_label(&label).with_takeover(TAKEOVER);
                    let locks = PostgresLockManager::connect(options).await;
                    (locks.expect("it connects"), proxy, label)
                }
            };
            let session = Session {
                run: self,
                locks: &locks,
                proxy: &proxy,
                label: &label,
                end: End::of(number),
            };
            session.live(number, &mut random).await;
            // One that was silent has a connection which both ends believe in.
            if End::of(number) == End::Terminated {
                kept = Some((locks, proxy, label));
            }
        }
    }

    /// No request outlives its session.
    async fn nothing_is_left(&self) {
        let sql = "select count(*) from crosslock.request";
        let left = self.administrator.query_one(sql, &[]).await;
        assert_eq!(left.expect("the table").get::<_, i64>(0), 0);
    }
}

struct Session<'a> {
    run: &'a Run<'a>,
    locks: &'a PostgresLockManager,
    proxy: &'a Proxy,
    label: &'a str,
    end: End,
}

impl Session<'_> {
    async fn live(&self, number: u64, random: &mut Rng) {
        let recorder = Recorder::new(&format!("session {number}"));
        let requests = Arc::new(Requests::until(random.u64(1..2 * REQUESTS_A_KILL)));
        let workload = Workload {
            seed: self.run.seed.wrapping_add(number),
            tasks: 4,
            keys: 3,
            operations: u64::MAX,
            steals: true,
            hold: Duration::from_millis(3),
            is_remote: true,
        };
        let own_key = format!("own.{number}");
        let own = self.locks.lock(&own_key, Duration::ZERO).await;
        let own = own.expect("nobody else uses it");
        let backend = self.backend().await;
        // Its tasks end when they see that the session is lost, and not before.
        let work = workload.run(Arc::new(self.locks.clone()), &recorder, requests.clone());
        let mut log = recorder.log();
        let kill = async {
            requests.reached().await;
            tokio::time::sleep(Duration::from_micros(random.u64(..500))).await;
            log.add(What::Killing);
            self.kill(backend).await;
            let told = tokio::time::timeout(3 * TAKEOVER, own.lost()).await;
            told.expect("whoever loses a session is told");
            self.is_forgotten(backend, &mut log).await;
        };
        let work = async {
            work.await;
            assert!(own.is_lost(), "session {number} ended without a reason");
        };
        tokio::join!(work, kill);
        drop(log);
        let so_far = requests.so_far();
        self.run.asked.fetch_add(so_far, Relaxed);
        let events = recorder.take();
        let mut all = self.run.events.lock().expect("nobody panics");
        all.extend(events);
    }

    /// The server's process for the session.
    async fn backend(&self) -> i32 {
        let sql = "select pid from crosslock.session where label = $1 and not ended";
        let row = self.run.administrator.query_one(sql, &[&self.label]).await;
        row.expect("there is one").get(0)
    }

    async fn kill(&self, backend: i32) {
        match self.end {
            End::Terminated => {
                let sql = "select pg_terminate_backend($1)";
                let done = self.run.administrator.query_one(sql, &[&backend]).await;
                assert!(done.expect("the owner may").get::<_, bool>(0));
            }
            End::Closed => self.proxy.close(),
            End::Silent => self.proxy.cut(true),
        }
    }

    /// Logs that the session is dead, once the others have taken out all that it had.
    async fn is_forgotten(&self, backend: i32, log: &mut Log) {
        let sql = "select count(*) from crosslock.session where pid = $1";
        let mut left = 1_i64;
        while left > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let row = self.run.administrator.query_one(sql, &[&backend]).await;
            left = row.expect("the table").get(0);
        }
        log.add(What::Dead);
    }
}
