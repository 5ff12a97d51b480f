//! Histories of processes that share a datadir, and are killed in the middle.

#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crosslock_history::event::read;
use crosslock_history::recorder::now;
use crosslock_history::{Contract, Event, Order, What};
use support::{in_chunks, verdict};

/// As many as `npm test` has time for; `CROSSLOCK_OPERATIONS` for a soak, with a kill to 500
/// requests.
const REQUESTS_A_KILL: u64 = 500;

/// Several processes at a time, each of which is killed after a random while, and replaced.
fn keeps_the_contract(backend: &str, processes: u64, contract: Contract) {
    in_chunks(backend, |seed, operations| {
        let folder = tempfile::tempdir().expect("a new folder");
        let folder = folder.path().to_str().expect("plain text");
        let events = Mutex::new(Vec::new());
        let (asked, started) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..processes {
                scope.spawn(|| {
                    while asked.load(Relaxed) < operations {
                        let number = started.fetch_add(1, Relaxed);
                        let life = Life {
                            backend,
                            folder,
                            context: format!("process {number}"),
                            seed: seed.wrapping_add(number),
                        };
                        let logged = life.live(&asked);
                        events.lock().expect("nobody panics").extend(logged);
                    }
                });
            }
        });
        let kills = started.load(Relaxed);
        println!("{backend}: {kills} processes were killed");
        verdict(events.into_inner().expect("nobody panics"), &contract)
    });
}

struct Life<'a> {
    backend: &'a str,
    folder: &'a str,
    context: String,
    seed: u64,
}

impl Life<'_> {
    /// What the process told from its start to its death.
    fn live(self, all_asked: &AtomicU64) -> Vec<Event> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut child = self.start();
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut told = String::new();
        // After so many of its requests, wherever it may be then.
        let mut left = random.u64(1..2 * REQUESTS_A_KILL);
        while left > 0 {
            let before = told.len();
            let length = lines.read_line(&mut told).expect("it is text");
            assert!(length > 0, "{} ended by itself", self.context);
            if told[before..].contains("\"asked\"") {
                left -= 1;
                all_asked.fetch_add(1, Relaxed);
            }
        }
        std::thread::sleep(Duration::from_micros(random.u64(..500)));
        let killing = self.event(What::Killing);
        child.kill().expect("it runs");
        child.wait().expect("it is ours");
        let dead = self.event(What::Dead);
        // What it wrote before it died. A line is whole or not there.
        while lines.read_line(&mut told).expect("it is text") > 0 {}
        let mut events = read(told.as_bytes()).expect("lines of JSON");
        events.extend([killing, dead]);
        events
    }

    fn start(&self) -> Child {
        Command::new(env!("CARGO_BIN_EXE_history-worker"))
            .args([self.backend, self.folder, &self.context])
            .args([self.seed.to_string(), u64::from(u32::MAX).to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it was built")
    }

    fn event(&self, what: What) -> Event {
        Event {
            at: now(),
            context: self.context.clone(),
            what,
        }
    }
}

#[test]
fn fcntl_on_a_datadir() {
    keeps_the_contract("fcntl", 2, Contract::default());
}

#[test]
fn flock_on_a_datadir() {
    keeps_the_contract("flock", 2, Contract::default());
}

/// A process hands a lock on among its tasks, and joins the queue by a thread of its own: its
/// clients cannot tell when. (tests/shared_datadir has the order of tickets.)
#[test]
fn a_shared_datadir() {
    let contract = Contract {
        order: Order::WithinContexts,
        ..Contract::default()
    };
    keeps_the_contract("shared", 3, contract);
}
