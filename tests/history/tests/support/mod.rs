//! What the tests of backends share: how many operations, which seed, and the verdict.

#![allow(dead_code)] // each test uses some of it

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use async_trait::async_trait;
use crosslock::memory::MemoryLockManager;
use crosslock::{
    AcquireOptions, LockError, LockGuard, LockManager, LockMode, LockScope, LockSnapshot,
};
use crosslock_history::{Contract, Event, History, check};

/// `CROSSLOCK_SEED`, or another one each time.
pub fn seed() -> u64 {
    from_environment("CROSSLOCK_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32))
}

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {value}")),
    )
}

/// As many operations as `npm test` has time for; `CROSSLOCK_OPERATIONS` for a soak.
const OPERATIONS: u64 = 20_000;

/// Runs `run` with a seed of its own for so many operations at a time, and says which.
pub fn in_chunks(name: &str, run: impl Fn(u64, u64) -> usize) {
    in_chunks_of(name, OPERATIONS, run);
}

/// As [`in_chunks`], with another number of operations for `npm test`.
pub fn in_chunks_of(name: &str, operations: u64, run: impl Fn(u64, u64) -> usize) {
    const CHUNK: u64 = 100_000;
    let all = from_environment("CROSSLOCK_OPERATIONS").unwrap_or(operations);
    let seed = seed();
    println!("{name}: {all} operations, CROSSLOCK_SEED={seed}");
    let mut left = all;
    let mut checked = 0;
    let mut chunk = 0;
    while left > 0 {
        let operations = left.min(CHUNK);
        checked += run(seed.wrapping_add(chunk), operations);
        left -= operations;
        chunk += 1;
    }
    println!("{name}: {checked} requests keep the contract");
}

/// The number of operations, all of which keep the contract. `CROSSLOCK_HISTORY` names a file for
/// the history, to look into.
pub fn verdict(events: Vec<Event>, contract: &Contract) -> usize {
    if let Ok(file) = std::env::var("CROSSLOCK_HISTORY") {
        let lines: Vec<_> = events.iter().map(crosslock_history::event::line).collect();
        std::fs::write(file, lines.join("\n")).expect("it can be written");
    }
    let history = History::new(events).unwrap_or_else(|malformed| panic!("{malformed}"));
    let found = check(&history, contract);
    for violation in found.iter().take(20) {
        println!("{}", violation.describe(&history));
    }
    assert!(found.is_empty(), "{} violations", found.len());
    history.operations.len()
}

/// A backend whose keys are never the same.
#[derive(Debug)]
pub struct Broken(pub MemoryLockManager);

static LAST: AtomicU64 = AtomicU64::new(0);

fn another() -> String {
    format!("broken.{}", LAST.fetch_add(1, Relaxed))
}

#[async_trait]
impl LockManager for Broken {
    fn scope(&self) -> LockScope {
        self.0.scope()
    }

    async fn try_lock(&self, _: &str) -> Option<Box<dyn LockGuard>> {
        LockManager::try_lock(&self.0, &another()).await
    }

    async fn try_acquire(
        &self,
        _: &str,
        mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        LockManager::try_acquire(&self.0, &another(), mode).await
    }

    async fn acquire(
        &self,
        _: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        LockManager::acquire(&self.0, &another(), options).await
    }

    async fn query(&self) -> Result<LockSnapshot, LockError> {
        self.0.query().await
    }
}
