//! `MemoryLockManager` beyond the conformance suite: threads, labels, and how soon
//! a release wakes the next.
#![cfg(not(target_family = "wasm"))]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crosslock::memory::MemoryLockManager;
use crosslock::{AcquireOptions, LockGuard, LockManager, LockMode};

const LONG: Duration = Duration::from_secs(60);

/// Tasks on several threads, some of which give up or are dropped while they wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_never_overlap() {
    let inside = Arc::new(AtomicBool::new(false));
    let entered = Arc::new(AtomicU64::new(0));
    let tasks = (0..64u64).map(|task| {
        let (inside, entered) = (Arc::clone(&inside), Arc::clone(&entered));
        tokio::spawn(async move {
            let locks = MemoryLockManager::new();
            for round in 0..100 {
                let patience = match (task + round) % 3 {
                    0 => Duration::from_micros(50),
                    _ => LONG,
                };
                let wait = locks.lock("memory.stress", patience);
                let guard = match (task + round) % 5 {
                    0 => match tokio::time::timeout(Duration::from_micros(20), wait).await {
                        Ok(locked) => locked,
                        Err(_dropped) => continue,
                    },
                    _ => wait.await,
                };
                let Ok(_guard) = guard else { continue };
                assert!(!inside.swap(true, Relaxed), "two holders at once");
                tokio::task::yield_now().await;
                entered.fetch_add(1, Relaxed);
                inside.store(false, Relaxed);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert!(entered.load(Relaxed) > 1000);
    assert!(
        MemoryLockManager::new()
            .try_lock("memory.stress")
            .await
            .is_some()
    );
}

#[tokio::test]
async fn instances_share_one_keyspace_and_keep_their_labels() {
    let one = MemoryLockManager::with_label("the payer");
    let two = MemoryLockManager::new();
    let _held = one.try_lock("memory.label").await.unwrap();
    let error = two.lock("memory.label", Duration::ZERO).await.unwrap_err();
    assert!(
        error.to_string().contains("held by the payer for"),
        "{error}"
    );

    let snapshot = two.query().await.unwrap();
    let info = snapshot.held.iter().find(|info| info.key == "memory.label");
    assert_eq!(info.unwrap().client.as_deref(), Some("the payer"));
}

#[tokio::test]
async fn a_timeout_counts_those_in_front() {
    let locks = MemoryLockManager::new();
    let _held = locks.try_lock("memory.front").await.unwrap();
    let mut first = locks.lock("memory.front", LONG);
    assert!(futures::poll!(&mut first).is_pending());
    let error = locks.lock("memory.front", Duration::from_millis(5)).await;
    let message = error.unwrap_err().to_string();
    assert!(message.ends_with(", 1 request waits in front"), "{message}");
}

/// Counting stops there, so that many timeouts in a long queue stay cheap.
#[tokio::test]
async fn a_timeout_counts_up_to_a_bound() {
    let locks = MemoryLockManager::new();
    let _held = locks.try_lock("memory.many").await.unwrap();
    let mut waits = Vec::new();
    for (count, expected) in [
        (31, ", 31 requests wait in front"),
        (32, ", 32 or more requests wait in front"),
        (500, ", 32 or more requests wait in front"),
    ] {
        while waits.len() < count {
            let mut wait = locks.lock("memory.many", LONG);
            assert!(futures::poll!(&mut wait).is_pending());
            waits.push(wait);
        }
        let error = locks.lock("memory.many", Duration::from_millis(1)).await;
        let message = error.unwrap_err().to_string();
        assert!(message.ends_with(expected), "{message}");
    }
}

/// A reader that only a writer kept waiting is granted when the writer gives up.
/// (In the suite for all backends this has no place: Chromium leaves the reader
/// waiting until a holder releases.)
#[tokio::test]
async fn a_writer_that_gives_up_lets_the_readers_in() {
    let locks = MemoryLockManager::new();
    let options = AcquireOptions::shared(LONG);
    let _reading = locks.acquire("memory.readers", options).await.unwrap();
    let mut writer = locks.lock("memory.readers", LONG);
    assert!(futures::poll!(&mut writer).is_pending());
    let mut reader = locks.acquire("memory.readers", options);
    assert!(futures::poll!(&mut reader).is_pending());
    drop(writer);
    drop(reader.await.unwrap());
}

#[tokio::test]
async fn the_unboxed_forms_lock_the_same_keys() {
    let locks = MemoryLockManager::new();
    let guard = locks.try_acquire_unboxed("memory.unboxed", LockMode::Shared);
    let guard = guard.unwrap().unwrap();
    assert_eq!(
        (guard.key(), guard.mode()),
        ("memory.unboxed", LockMode::Shared)
    );
    assert!(locks.try_lock("memory.unboxed").await.is_none());
    let thief = locks.steal("memory.unboxed").await.unwrap();
    guard.lost().await;
    assert!(guard.is_lost() && guard.ensure_held().is_err());
    drop(guard);

    let options = AcquireOptions::new(LONG);
    let mut waiting = std::pin::pin!(locks.acquire_unboxed("memory.unboxed", options));
    assert!(futures::poll!(&mut waiting).is_pending());
    drop(thief);
    Box::new(waiting.await.unwrap()).release().await;
    assert!(locks.try_acquire_unboxed("", LockMode::Exclusive).is_err());
    assert!(locks.try_lock("memory.unboxed").await.is_some());
}

/// A release wakes the next waiter itself. The ceiling is generous for a busy
/// machine, and out of reach for anything that polls at 50 ms.
#[tokio::test]
async fn a_thousand_hand_offs_take_no_time() {
    let turns = 1000;
    let start = Instant::now();
    let tasks: Vec<_> = (0..turns)
        .map(|_| {
            tokio::spawn(async {
                let locks = MemoryLockManager::new();
                let guard = locks.lock("memory.hand-off", LONG).await.unwrap();
                tokio::task::yield_now().await;
                drop(guard);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

/// The message says which switch of the runtime is missing.
#[test]
fn without_a_timer_a_timeout_is_an_error() {
    let without_timer = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let on_many_threads = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let try_it = || async {
        let locks = MemoryLockManager::new();
        let _held = locks.try_lock("memory.timer").await.unwrap();
        let error = locks.lock("memory.timer", LONG).await.unwrap_err();
        assert!(
            matches!(error, crosslock::LockError::Unavailable { .. }),
            "{error:?}"
        );
        // It left the queue, and what needs no timer works.
        let pending = locks.query().await.unwrap().pending;
        assert!(pending.iter().all(|info| info.key != "memory.timer"));
        locks
            .lock("memory.timer", Duration::ZERO)
            .await
            .unwrap_err();
        drop(locks.lock("memory.other", LONG).await.unwrap());
        error.to_string()
    };
    let switch = "call `enable_time` or `enable_all` on its `Builder`";
    for error in [
        without_timer.block_on(try_it()),
        on_many_threads.block_on(try_it()),
    ] {
        assert!(error.contains(switch), "{error}");
    }
    let error = futures::executor::block_on(try_it());
    assert!(error.contains("there is no runtime here"), "{error}");
}

/// A future that ended in an error leaves the queue then, and not when it is dropped.
#[test]
fn a_wait_that_failed_is_not_queued_while_its_future_lives() {
    let locks = MemoryLockManager::new();
    let options = AcquireOptions::new(LONG);
    let held = locks.try_acquire_unboxed("memory.failed", LockMode::Exclusive);
    let mut wait = std::pin::pin!(locks.acquire_unboxed("memory.failed", options));
    let mut cx = Context::from_waker(Waker::noop());
    // There is no runtime here, and so no timer.
    let Poll::Ready(Err(_)) = wait.as_mut().poll(&mut cx) else {
        panic!("it needs a timer");
    };
    drop(held);
    let free = locks.try_acquire_unboxed("memory.failed", LockMode::Exclusive);
    assert!(free.unwrap().is_some(), "nobody is in the way");
}

#[tokio::test]
async fn a_guard_is_shown_with_its_key_and_mode() {
    let locks = MemoryLockManager::new();
    let guard = locks.try_lock("memory.shown").await.unwrap();
    assert_eq!(format!("{guard:?}"), "LockGuard(memory.shown, exclusive)");
    drop(guard);
    let shared = locks.try_acquire("memory.shown", LockMode::Shared).await;
    let shared = shared.unwrap().unwrap();
    assert_eq!(format!("{shared:?}"), "LockGuard(memory.shown, shared)");
}

#[tokio::test]
async fn a_wait_for_a_loss_that_is_given_up_leaves_no_waker() {
    struct Unused;
    impl std::task::Wake for Unused {
        fn wake(self: Arc<Self>) {}
    }
    let waker = Arc::new(Unused);
    let guard = MemoryLockManager::new().try_lock("memory.loss").await;
    let guard = guard.unwrap();
    let mut lost = guard.lost();
    let polled = lost
        .as_mut()
        .poll(&mut Context::from_waker(&Arc::clone(&waker).into()));
    assert_eq!(polled, Poll::Pending);
    assert_eq!(Arc::strong_count(&waker), 2);
    drop(lost);
    assert_eq!(Arc::strong_count(&waker), 1);
}
