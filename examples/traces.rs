//! What `tracing` shows of locks: who asked, how long they waited and held, and who waits for whom.
//!
//! ```sh
//! cargo run --example traces --features tracing
//! ```

// Browsers have no terminal to print to: there, this program is empty.
#![cfg_attr(target_family = "wasm", no_main)]
#![cfg(not(target_family = "wasm"))]

use std::time::Duration;

use crosslock::memory::MemoryLockManager;
use crosslock::traced::TracedLockManager;
use crosslock::{LockError, LockManager};
use tracing::Instrument;

type Locks = TracedLockManager<MemoryLockManager>;

/// A manager for one task.
fn locks_of(task: &'static str) -> Locks {
    let locks = MemoryLockManager::with_label(task);
    TracedLockManager::new(locks).warn_of_deadlocks()
}

/// Takes two locks, one after the other, which `lock_many` would have taken in one order.
async fn pay(
    task: &'static str,
    first: &str,
    second: &str,
    timeout: Duration,
) -> Result<(), LockError> {
    let locks = locks_of(task);
    let _from = locks.lock(first, timeout).await?;
    // Until the other task has its first lock, too.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let _to = locks.lock(second, timeout).await?;
    Ok(())
}

pub(crate) async fn example() {
    let (short, long) = (Duration::from_millis(300), Duration::from_secs(60));
    let alice = pay("alice", "account.1", "account.2", short);
    let bob = pay("bob", "account.2", "account.1", long);
    let (alice, bob) = tokio::join!(
        alice.instrument(tracing::info_span!("pay", task = "alice")),
        bob.instrument(tracing::info_span!("pay", task = "bob")),
    );
    // Whoever gives up lets the other one pass.
    assert!(alice.is_err() && bob.is_ok(), "{alice:?}, {bob:?}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    tracing_subscriber::fmt()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_max_level(tracing::Level::DEBUG)
        .init();
    example().await;
}
