//! The race that the demo in `www` shows between tabs, between the tasks of a process.
//!
//! ```sh
//! cargo run --example race
//! ```
//!
//! Eight tasks pay from one wallet at once, first without locks and then with them. The
//! demo shows the regions of this file beside the same ones in TypeScript.

// Browsers have no main function: there, this program is empty.
#![cfg_attr(target_family = "wasm", no_main)]
#![cfg(not(target_family = "wasm"))]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use anyhow::{Result, ensure};
use crosslock::memory::MemoryLockManager;
use crosslock::{LockError, LockGuard, LockManager};
use futures::future::try_join_all;
use tokio::time::sleep;

const START: u64 = 100_000;
const AMOUNT: u64 = 1000;
const TASKS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(30);

// #region pay-unlocked
async fn pay_unlocked(wallet: &Wallet, amount: u64) -> Result<()> {
    let balance = wallet.balance().await;
    ensure!(balance >= amount, "not enough money");

    let payment = wallet.sign(amount).await; // takes a while: other tasks run on
    wallet.send(payment, balance - amount).await;
    Ok(())
}
// #endregion

// #region pay
async fn pay(locks: &dyn LockManager, wallet: &Wallet, amount: u64) -> Result<()> {
    let guard = locks.lock("wallet.balance", PATIENCE).await?;
    let balance = wallet.balance().await;
    ensure!(balance >= amount, "not enough money");

    let payment = wallet.sign(amount).await; // takes a while: other tasks wait
    guard.ensure_held()?; // right before what cannot be undone
    wallet.send(payment, balance - amount).await;
    Ok(())
}
// #endregion

async fn hold(locks: &dyn LockManager, key: &str) -> Result<(), LockError> {
    // #region hold
    let guard = locks.lock(key, Duration::MAX).await?;
    work(&*guard).await;
    drop(guard); // at the latest here; and if the process dies, by the kernel
    // #endregion
    Ok(())
}

async fn wait(locks: &dyn LockManager, key: &str) -> Result<(), LockError> {
    // #region wait
    match locks.lock(key, Duration::from_secs(2)).await {
        Ok(guard) => work(&*guard).await,
        // Nothing is left in the queue.
        Err(error @ LockError::TimedOut { .. }) => println!("{error}"),
        Err(error) => return Err(error),
    }
    // #endregion
    Ok(())
}

async fn attempt(locks: &dyn LockManager, key: &str) {
    // #region try
    match locks.try_lock(key).await {
        Some(guard) => work(&*guard).await,
        None => println!("{key} is held by someone else"),
    }
    // #endregion
}

async fn steal(locks: &dyn LockManager, key: &str) -> Result<(), LockError> {
    // #region steal
    // Only when a person decides that the holder is dead.
    let guard = locks.steal(key).await?;
    work(&*guard).await; // whoever had it finds its own guard lost
    // #endregion
    Ok(())
}

fn block(guard: &dyn LockGuard, time: Duration) -> Result<(), LockError> {
    // #region block
    std::thread::sleep(time); // nothing else on this thread runs

    // Still held, unless somebody took it away meanwhile: then this fails.
    guard.ensure_held()?;
    // #endregion
    Ok(())
}

async fn query(locks: &dyn LockManager) -> Result<(), LockError> {
    // #region query
    let snapshot = locks.query().await?;
    for held in snapshot.held {
        println!("{} {:?} {:?}", held.key, held.mode, held.client);
    }
    for pending in snapshot.pending {
        println!("{} {:?} {:?}", pending.key, pending.mode, pending.client);
    }
    // #endregion
    Ok(())
}

/// What a lock is held for.
async fn work(guard: &dyn LockGuard) {
    println!("works on {}", guard.key());
    sleep(Duration::from_millis(10)).await;
}

/// Has no transaction over reading and writing, as no wallet has one over reading, asking
/// the network and writing.
struct Wallet {
    balance: AtomicU64,
    paid: AtomicU64,
}

/// A payment that is ready to be sent.
struct Payment(u64);

impl Wallet {
    async fn balance(&self) -> u64 {
        self.balance.load(SeqCst)
    }

    async fn sign(&self, amount: u64) -> Payment {
        sleep(Duration::from_millis(10)).await;
        Payment(amount)
    }

    /// Sends the payment, and writes what the caller thinks is left.
    async fn send(&self, Payment(amount): Payment, balance: u64) {
        self.paid.fetch_add(amount, SeqCst);
        self.balance.store(balance, SeqCst);
    }

    /// What was paid and is still in the balance.
    fn lost(&self) -> u64 {
        self.balance.load(SeqCst) + self.paid.load(SeqCst) - START
    }
}

impl Default for Wallet {
    fn default() -> Self {
        Self {
            balance: START.into(),
            paid: 0.into(),
        }
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let locks: Arc<dyn LockManager> = Arc::new(MemoryLockManager::new());

    let wallet = Wallet::default();
    try_join_all((0..TASKS).map(|_| pay_unlocked(&wallet, AMOUNT))).await?;
    println!("without locks, {} sats were spent twice", wallet.lost());
    ensure!(wallet.lost() > 0, "it was no race");

    let wallet = Wallet::default();
    try_join_all((0..TASKS).map(|_| pay(&*locks, &wallet, AMOUNT))).await?;
    println!("with locks, {} sats were spent twice", wallet.lost());
    ensure!(wallet.lost() == 0, "the locks did not hold");

    // Two take turns.
    try_join_all([hold(&*locks, "mailbox"), hold(&*locks, "mailbox")]).await?;

    // One has it. Of the others, one does not wait, one gives up, and one takes it away.
    let held = locks.lock("mailbox", Duration::ZERO).await?;
    query(&*locks).await?;
    attempt(&*locks, "mailbox").await;
    wait(&*locks, "mailbox").await?;
    steal(&*locks, "mailbox").await?;
    if let Err(error) = block(&*held, Duration::from_millis(10)) {
        println!("{error}");
    }
    Ok(())
}
