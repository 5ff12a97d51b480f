//! What is compared.

use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;
use std::time::Instant;

use crosslock::memory::MemoryLockManager;
use crosslock::pid_fcntl::FcntlPidLockManager;
use crosslock::pid_flock::FlockPidLockManager;
use crosslock::{LockManager, LockMode};
use futures::FutureExt;

use crate::harness::{self, Table};
use crate::peers::{self, Peer};

/// 17 bytes, as long as keys are wont to be.
const KEY: &str = "lightning.send.42";

pub(crate) fn run() {
    let one_hot_key = "`try_lock` and drop, one hot key";
    uncontended(one_hot_key, &Unboxed::default());
    uncontended(one_hot_key, &Boxed::default());
    many_keys();
    two_threads();
    left_behind();
    pid_lock();
}

/// Ours, as a contestant beside the peers.
#[derive(Default)]
struct Unboxed(MemoryLockManager);

impl Peer for Unboxed {
    fn name(&self) -> &'static str {
        "crosslock, unboxed"
    }

    fn cycle(&self, key: &str) {
        let guard = self.0.try_acquire_unboxed(key, LockMode::Exclusive);
        drop(black_box(guard.expect("a valid key").expect("it is free")));
    }
}

struct Boxed(Box<dyn LockManager>);

impl Default for Boxed {
    fn default() -> Self {
        Self(Box::new(MemoryLockManager::new()))
    }
}

impl Peer for Boxed {
    fn name(&self) -> &'static str {
        "crosslock, `dyn LockManager`"
    }

    fn cycle(&self, key: &str) {
        let guard = self.0.try_lock(key).now_or_never().flatten();
        drop(black_box(guard.expect("it is free")));
    }
}

fn uncontended(title: &str, ours: &dyn Peer) {
    let peers = peers::all();
    let mut table = Table::new(title, 50_000).add(ours.name(), || ours.cycle(KEY));
    for peer in &peers {
        table = table.add(peer.name(), || peer.cycle(KEY));
    }
    table.show();
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("lightning.send.{n}")).collect()
}

fn many_keys() {
    let keys = keys(100_000);
    let (ours, peers) = (Unboxed::default(), peers::all());
    let mut table = Table::new("`try_lock` and drop, 100,000 keys round robin", 100_000);
    for peer in std::iter::once(&ours as &dyn Peer).chain(peers.iter().map(Box::as_ref)) {
        let mut next = keys.iter().cycle();
        table = table.add(peer.name(), move || {
            peer.cycle(next.next().expect("it never ends"))
        });
    }
    table.show();
}

/// Each thread has a key of its own. Below half of what one thread takes, the second
/// one is worth its while.
fn two_threads() {
    let (ours, peers) = (Unboxed::default(), peers::all());
    let title = "two threads, each with a key of its own; ns of one operation over all";
    let mut table = Table::new(title, 50_000);
    for peer in std::iter::once(&ours as &dyn Peer).chain(peers.iter().map(Box::as_ref)) {
        let work = |key: &str, times: u32| (0..times / 2).for_each(|_| peer.cycle(key));
        table = table.add_run(peer.name(), move |times| {
            let start = Instant::now();
            thread::scope(|scope| {
                scope.spawn(|| work("lightning.send.1", times));
                work("lightning.send.2", times);
            });
            start.elapsed()
        });
    }
    table.show();
}

/// What a key costs that nobody holds any more.
fn left_behind() {
    let keys = keys(100_000);
    println!("\n### Left of 100,000 keys that were locked and freed, bytes a key\n");
    println!("| | one after the other |\n| --- | --: |");
    let (ours, peers) = (Unboxed::default(), peers::all());
    for peer in std::iter::once(&ours as &dyn Peer).chain(peers.iter().map(Box::as_ref)) {
        let left = harness::left_after(|| keys.iter().for_each(|key| peer.cycle(key)));
        println!(
            "| {} | {:.1} |",
            peer.name(),
            left as f64 / keys.len() as f64
        );
    }
}

fn pid_lock() {
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a new folder");
    let memory = tempfile::tempdir_in("/dev/shm").expect("a new folder");
    for (name, folder) in [("on a disk", disk.path()), ("in memory", memory.path())] {
        let title = format!("open and close a datadir {name}");
        Table::new(&title, 2_000)
            .add("crosslock, fcntl", || {
                drop(FcntlPidLockManager::new(folder).expect("it is free"));
            })
            .add("crosslock, flock", || {
                drop(FlockPidLockManager::new(folder).expect("it is free"));
            })
            .add("floor: open, flock, write the PID, close", || bare(folder))
            .show();
    }
}

/// What it takes at the least, with no look at anything.
fn bare(folder: &Path) {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join("BARE"))
        .expect("it can be opened");
    file.lock().expect("it is free");
    let record = format!("{:<10}\n", std::process::id());
    file.write_all_at(record.as_bytes(), 0)
        .expect("there is space");
    file.unlock().expect("it was locked");
}
