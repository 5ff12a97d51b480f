//! What two processes see of each other, here as two managers.

use std::time::Duration;

use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{AcquireOptions, LockError, LockManager, LockMode};
use futures::poll;
use tempfile::TempDir;

use crate::folder;
use crate::runtime;

const LONG: Duration = Duration::from_secs(60);

pub(crate) fn managers<const N: usize>() -> (TempDir, [SharedDatadirLockManager; N]) {
    let folder = folder::new();
    let managers = [(); N].map(|()| SharedDatadirLockManager::new(folder.path()).unwrap());
    (folder, managers)
}

#[tokio::test]
async fn one_exclusive_holder_or_many_shared_ones() {
    let (_folder, [one, other]) = managers();
    let guard = one.try_lock("key").await.unwrap();
    for mode in [LockMode::Exclusive, LockMode::Shared] {
        assert!(other.try_acquire("key", mode).await.unwrap().is_none());
    }
    assert!(other.try_lock("another").await.is_some());
    guard.release().await;

    let reads = one
        .acquire("key", AcquireOptions::shared(LONG))
        .await
        .unwrap();
    let too = other
        .acquire("key", AcquireOptions::shared(LONG))
        .await
        .unwrap();
    assert!(one.try_lock("key").await.is_none());
    assert!(other.try_lock("key").await.is_none());
    drop(reads);
    assert!(one.try_lock("key").await.is_none());
    drop(too);
    assert!(one.try_lock("key").await.is_some());
}

/// First come, first served. What is granted to each is what its ticket says.
#[tokio::test]
async fn the_order_is_that_of_coming() {
    let (_folder, managers) = managers::<5>();
    let held = managers[0].try_lock("key").await.unwrap();
    let mut waits: Vec<_> = managers[1..]
        .iter()
        .map(|one| one.lock("key", LONG))
        .collect();
    for wait in &mut waits {
        assert!(poll!(wait).is_pending());
    }
    drop(held);
    while !waits.is_empty() {
        let guard = waits.remove(0).await.unwrap();
        assert!(managers[0].try_lock("key").await.is_none());
        for later in &mut waits {
            assert!(poll!(later).is_pending());
        }
        drop(guard);
    }
    assert!(managers[0].try_lock("key").await.is_some());
}

/// Two that want one key all the time take turns, and come upon each other at every step.
#[test]
fn two_that_alternate_are_never_stuck() {
    const TURNS: usize = 5000;
    let (_folder, managers) = managers::<2>();
    let both = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for manager in &managers {
            scope.spawn(|| {
                let runtime = runtime::new();
                both.wait();
                runtime.block_on(async {
                    for _ in 0..TURNS {
                        drop(manager.lock("key", LONG / 6).await.unwrap());
                    }
                });
            });
        }
    });
}

/// A wait that is dropped, or runs out of time, is in nobody's way, at once. The thread that
/// waited for it in the kernel may go on.
#[tokio::test]
async fn a_cancelled_wait_is_gone_at_once() {
    let (_folder, [one, two, three]) = managers();
    let shared = AcquireOptions::shared(LONG);
    let reading = one.acquire("key", shared).await.unwrap();
    for _ in 0..50 {
        let mut writer = two.lock("key", LONG);
        assert!(poll!(&mut writer).is_pending());
        assert!(
            three
                .try_acquire("key", LockMode::Shared)
                .await
                .unwrap()
                .is_none()
        );
        drop(writer);
        assert!(
            three
                .try_acquire("key", LockMode::Shared)
                .await
                .unwrap()
                .is_some()
        );
    }
    drop(reading);
    // Whoever comes next has nobody to wait for.
    drop(two.lock("key", LONG).await.unwrap());
}

/// However often one asks in vain, there is one thread for what is in the way.
#[cfg(target_os = "linux")]
#[test]
fn threads_are_bounded_by_what_is_in_the_way() {
    let folder = folder::new();
    crate::process::must_pass("between::asks_in_vain", folder.path());
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "a child process of the other tests"]
async fn asks_in_vain() {
    let Some(datadir) = crate::process::datadir() else {
        return;
    };
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(&datadir).unwrap());
    let _held = one.try_lock("key").await.unwrap();
    let before = threads();
    for _ in 0..100 {
        let timeout = Duration::from_millis(1);
        for options in [
            AcquireOptions::new(timeout),
            AcquireOptions::shared(timeout),
        ] {
            other.acquire("key", options).await.unwrap_err();
        }
    }
    assert!(
        threads() - before <= 2,
        "{} threads more",
        threads() - before
    );
}

/// A timeout says that it was another process, and for how long it was in the way.
#[tokio::test]
async fn a_timeout_says_what_it_waited_for() {
    let (_folder, [one, other]) = managers();
    let _held = one.try_lock("key").await.unwrap();
    let error = other
        .lock("key", Duration::from_millis(150))
        .await
        .unwrap_err();
    let text = error.to_string();
    let expected = "timed out acquiring lock \"key\" after 150ms: held by ";
    assert!(text.starts_with(expected), "{text}");
    let LockError::TimedOut { contention, .. } = error else {
        panic!("{text}");
    };
    let held_for = contention.unwrap().held_for.unwrap();
    assert!(held_for >= Duration::from_millis(150), "{text}");
}

/// One who is behind another task of its process, which waits for another process, is told of
/// that one: it is what is in the way.
#[tokio::test]
async fn a_timeout_in_the_queue_tells_of_the_other_process() {
    let (_folder, [one, other]) = managers();
    let _held = one.try_lock("key").await.unwrap();
    let mut first = other.lock("key", LONG);
    assert!(poll!(&mut first).is_pending());
    let error = other
        .lock("key", Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("process "), "{error}");
}

/// The place in the queue belongs to the process: if the one who took it gives up, the next in
/// this process has it.
#[tokio::test]
async fn a_place_in_the_queue_stays_with_the_process() {
    let (_folder, [one, two, three]) = managers();
    let held = one.try_lock("key").await.unwrap();
    let mut first = two.lock("key", LONG);
    assert!(poll!(&mut first).is_pending());
    let mut second = two.lock("key", LONG);
    assert!(poll!(&mut second).is_pending());
    let mut foreign = three.lock("key", LONG);
    assert!(poll!(&mut foreign).is_pending());
    drop(first);
    assert!(poll!(&mut second).is_pending());
    drop(held);
    let guard = second.await.unwrap();
    assert!(poll!(&mut foreign).is_pending());
    drop(guard);
    drop(foreign.await.unwrap());
}

/// A process hands its ticket on among its tasks while others wait, but not for ever.
#[tokio::test]
async fn others_get_their_turn() {
    // Whether it is handed on at all depends on the clock: this process may be kept from running
    // for 10 ms at any moment. But not every time.
    for _ in 0..100 {
        if turns_before_others().await > 1 {
            return;
        }
    }
    panic!("the ticket is never handed on");
}

/// How many tasks of one process get the key while another process waits.
async fn turns_before_others() -> usize {
    let (_folder, [one, other]) = managers();
    let mut turns = 0;
    let mut waiting = other.lock("key", LONG);
    let mut guard = one.try_lock("key").await.unwrap();
    assert!(poll!(&mut waiting).is_pending());
    loop {
        // There is always somebody in this process who waits.
        let mut next = one.lock("key", LONG);
        assert!(poll!(&mut next).is_pending());
        drop(guard);
        turns += 1;
        tokio::select! {
            biased;
            granted = &mut next => guard = granted.unwrap(),
            granted = &mut waiting => {
                drop(granted.unwrap());
                return turns;
            }
        }
        assert!(turns <= 1000, "the other process never gets its turn");
    }
}

/// What waits for another process is shown as pending, and what holds as held.
#[tokio::test]
async fn a_snapshot_tells_pending_from_held() {
    let (_folder, [one, other]) = managers();
    let guard = one.try_lock("key").await.unwrap();
    let mut waiting = other.lock("key", LONG);
    assert!(poll!(&mut waiting).is_pending());
    let shown = other.query().await.unwrap();
    // The other one is shown with what it holds.
    assert_eq!((shown.held.len(), shown.pending.len()), (1, 1), "{shown:?}");
    assert_eq!(shown.pending[0].client, None);
    assert!(shown.held[0].client.is_some());
    drop(guard);
    let guard = waiting.await.unwrap();
    let shown = other.query().await.unwrap();
    assert_eq!((shown.held.len(), shown.pending.len()), (1, 0), "{shown:?}");
    assert_eq!(shown.held[0].client, None);
    drop(guard);
}

#[tokio::test]
async fn nobody_can_steal() {
    let (_folder, [one]) = managers();
    let error = one.steal("key").await.unwrap_err();
    assert!(matches!(error, LockError::Unsupported { .. }));
    let error = one.steal("not a key").await.unwrap_err();
    assert!(matches!(error, LockError::InvalidKey(_)));
}
