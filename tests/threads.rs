//! What the holder of a lock may rely on: memory that no atomic orders. The sums here say whether two
//! have held a lock at once. Miri and ThreadSanitizer, which run the same tests (`npm run sanitize`), also say
//! whether each sees what the one before has written, on whatever processor.
#![cfg(not(target_family = "wasm"))]

use std::cell::UnsafeCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use crosslock::memory::MemoryLockManager;
use crosslock::{AcquireOptions, LockError, LockManager, LockMode};

const THREADS: usize = 3;

/// Miri takes a thousand times as long.
const ROUNDS: usize = if cfg!(miri) { 8 } else { 2_000 };

/// Nothing but a lock keeps threads from using it at the same time.
#[derive(Default)]
struct Money(UnsafeCell<[u64; 2]>);

// SAFETY: it is used under a lock alone, which is what the tests are about.
unsafe impl Sync for Money {}

impl Money {
    /// By the only holder.
    fn pay(&self) {
        // SAFETY: nobody else holds the lock.
        let [paid, received] = unsafe { &mut *self.0.get() };
        assert_eq!(paid, received, "another payment was under way");
        *paid += 1;
        std::hint::black_box(&mut *paid);
        *received += 1;
    }

    /// By anyone who holds.
    fn count(&self) -> u64 {
        // SAFETY: whoever holds the lock beside us only reads, too.
        let [paid, received] = unsafe { &*self.0.get() };
        assert_eq!(paid, received, "a payment was under way");
        *paid
    }
}

/// Without the system's events, which Miri has not all of.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("a runtime");
    runtime.block_on(future)
}

/// Asks, and gives up while the request may be granted at that moment.
async fn ask_and_leave(locks: &MemoryLockManager, key: &str) {
    let asked = pin!(locks.lock(key, Duration::MAX));
    let _granted_or_not = asked.poll(&mut Context::from_waker(Waker::noop()));
}

/// Runs `work` in each of the threads, with its number.
fn in_threads(work: impl Fn(usize) + Send + Sync + 'static) {
    let work = Arc::new(work);
    let threads = (0..THREADS).map(|number| {
        let work = Arc::clone(&work);
        thread::spawn(move || work(number))
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().expect("a thread");
    }
}

#[test]
fn a_holder_sees_what_the_one_before_wrote() {
    let key = "threads.exclusive";
    let money = Arc::new(Money::default());
    let of_threads = Arc::clone(&money);
    in_threads(move |number| {
        let locks = MemoryLockManager::new();
        block_on(async {
            for round in 0..ROUNDS {
                if (number + round) % 3 == 0 {
                    ask_and_leave(&locks, key).await;
                }
                let guard = locks.lock(key, Duration::MAX).await.expect("in its turn");
                of_threads.pay();
                match round % 2 {
                    0 => drop(guard),
                    _ => guard.release().await,
                }
                // Mostly without a queue, and freed without the mutex.
                if let Some(_guard) = locks.try_lock(key).await {
                    of_threads.pay();
                }
            }
        });
    });
    let _guard = block_on(MemoryLockManager::new().try_lock(key)).expect("it is free");
    assert!(money.count() >= (THREADS * ROUNDS) as u64);
}

#[test]
fn readers_see_whole_payments() {
    let key = "threads.shared";
    let money = Arc::new(Money::default());
    in_threads(move |number| {
        let locks = MemoryLockManager::new();
        let shared = || AcquireOptions::new(Duration::MAX).with_mode(LockMode::Shared);
        block_on(async {
            for round in 0..ROUNDS {
                if (number + round) % 3 != 0 {
                    let _guard = locks.acquire(key, shared()).await.expect("in its turn");
                    money.count();
                    continue;
                }
                let mut guard = locks.lock(key, Duration::MAX).await.expect("in its turn");
                money.pay();
                guard.downgrade().await.expect("it is held");
                // Beside those that it has let in.
                money.count();
            }
        });
    });
}

/// A thief comes in at any moment, and its victims free nothing that is not theirs.
#[test]
fn a_thief_and_its_victims_leave_the_key_free() {
    let key = "threads.stolen";
    in_threads(move |number| {
        let locks = MemoryLockManager::new();
        block_on(async {
            for _ in 0..ROUNDS {
                let guard = match number {
                    0 => locks.steal(key).await,
                    _ => locks.lock(key, Duration::MAX).await,
                };
                let guard = match guard {
                    // Between its grant and its next look.
                    Err(LockError::Lost { .. }) => continue,
                    guard => guard.expect("in its turn"),
                };
                if guard.is_lost() {
                    guard.lost().await;
                }
            }
        });
    });
    assert!(block_on(MemoryLockManager::new().try_lock(key)).is_some());
}

/// More keys than a shard has words for, of which each thread uses some of its own and some of all.
#[test]
fn keys_come_and_go_beside_each_other() {
    let accounts: Arc<Vec<Money>> = Arc::new((0..8).map(|_| Money::default()).collect());
    in_threads(move |number| {
        let locks = MemoryLockManager::new();
        block_on(async {
            for round in 0..ROUNDS {
                let (own, of_all) = (round * THREADS + number, round % accounts.len());
                let _own = locks.try_lock(&format!("threads.{own}")).await;
                let of_all = (of_all, format!("threads.of-all.{of_all}"));
                let keys = [of_all.1.as_str(), "threads.of-all"];
                let _guards = locks
                    .lock_many(&keys, Duration::MAX)
                    .await
                    .expect("in turn");
                accounts[of_all.0].pay();
            }
        });
    });
}
