//! Readers of several processes, and the writers beside them; here as managers of one.

use std::time::Duration;

use crosslock::{AcquireOptions, LockManager, LockMode};
use futures::poll;

use crate::between::managers;

const LONG: Duration = Duration::from_secs(60);

/// Longer than a process hands its ticket on while others wait.
const PASSED: Duration = Duration::from_millis(30);

/// A writer that goes on as a reader lets in the readers of other processes that stand behind it,
/// and no writer; neither is the key free in between.
#[tokio::test]
async fn a_downgrade_lets_in_the_readers_of_others() {
    let (_folder, [one, other, third]) = managers();
    let mut guard = one.lock("key", LONG).await.unwrap();
    let read = AcquireOptions::shared(LONG);
    let mut far = other.acquire("key", read);
    assert!(poll!(&mut far).is_pending());
    let mut near = one.acquire("key", read);
    assert!(poll!(&mut near).is_pending());
    let mut writer = third.lock("key", LONG);
    assert!(poll!(&mut writer).is_pending());
    tokio::time::sleep(PASSED).await;

    guard.downgrade().await.unwrap();
    assert_eq!(guard.mode(), LockMode::Shared);
    let (far, near) = (far.await.unwrap(), near.await.unwrap());
    assert!(poll!(&mut writer).is_pending());
    // Those that stood behind it are let in with it, and no others.
    let mut late = one.acquire("key", read);
    assert!(poll!(&mut late).is_pending());
    drop(late);
    drop(guard);
    drop(near);
    assert!(poll!(&mut writer).is_pending());
    drop(far);
    drop(writer.await.unwrap());

    // The next exclusive request of the process takes a ticket that excludes again.
    let mut guard = one.lock("key", LONG).await.unwrap();
    guard.downgrade().await.unwrap();
    let beside = other.try_acquire("key", LockMode::Shared).await.unwrap();
    assert!(beside.is_some());
    let mut next = one.lock("key", LONG);
    assert!(poll!(&mut next).is_pending());
    drop((guard, beside));
    let next = next.await.unwrap();
    assert!(
        other
            .try_acquire("key", LockMode::Shared)
            .await
            .unwrap()
            .is_none()
    );
    drop(next);
}

/// A reader does not overtake a writer that waits, neither by waiting nor by trying.
#[tokio::test]
async fn writers_do_not_starve() {
    let (_folder, [one, two, three]) = managers();
    let shared = AcquireOptions::shared(LONG);
    let reading = one.acquire("key", shared).await.unwrap();
    let mut writer = two.lock("key", LONG);
    assert!(poll!(&mut writer).is_pending());
    let mut late = three.acquire("key", shared);
    assert!(poll!(&mut late).is_pending());
    drop(reading);
    let writing = writer.await.unwrap();
    assert!(poll!(&mut late).is_pending());
    drop(writing);
    drop(late.await.unwrap());
}

/// Readers that follow each other in one process do not keep a writer of another one out.
#[tokio::test]
async fn readers_that_join_do_not_keep_others_out() {
    let (_folder, [one, other]) = managers();
    let shared = AcquireOptions::shared(LONG);
    let mut reading = one.acquire("key", shared).await.unwrap();
    let mut writer = other.lock("key", LONG);
    assert!(poll!(&mut writer).is_pending());
    let began = std::time::Instant::now();
    let writing = loop {
        // The next one begins before the last one has ended.
        let mut next = one.acquire("key", shared);
        tokio::select! {
            biased;
            granted = &mut writer => break granted.unwrap(),
            granted = &mut next => reading = granted.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(1)) => {
                // It waits behind the writer, so the last reader leaves.
                drop(reading);
                reading = tokio::select! {
                    biased;
                    granted = &mut writer => { drop(next); break granted.unwrap() }
                    granted = &mut next => granted.unwrap(),
                };
            }
        }
        assert!(began.elapsed() < LONG);
    };
    drop(writing);
}

/// Of two readers of one process one leaves: the other one still keeps a writer of another process out.
#[tokio::test]
async fn a_reader_that_leaves_frees_nothing_of_another_one() {
    let (_folder, [one, other]) = managers();
    let shared = AcquireOptions::shared(LONG);
    let leaves = one.acquire("key", shared).await.unwrap();
    let stays = one.acquire("key", shared).await.unwrap();
    let mut writer = other.lock("key", LONG);
    assert!(poll!(&mut writer).is_pending());
    tokio::time::sleep(PASSED).await;
    drop(leaves);
    assert!(other.try_lock("key").await.is_none());
    assert!(poll!(&mut writer).is_pending());
    drop(stays);
    drop(writer.await.unwrap());
}

/// Readers of several processes hold together, for however long, and more join each of them.
#[tokio::test]
async fn readers_join_beside_readers_of_others() {
    let (_folder, [one, other]) = managers();
    let shared = AcquireOptions::shared(LONG);
    let _reading = [
        one.acquire("key", shared).await.unwrap(),
        other.acquire("key", shared).await.unwrap(),
    ];
    tokio::time::sleep(PASSED).await;
    for manager in [&one, &other] {
        let more = manager.try_acquire("key", LockMode::Shared).await.unwrap();
        assert!(more.is_some());
        let mut wait = manager.acquire("key", shared);
        assert!(poll!(&mut wait).is_ready());
    }
    assert!(one.try_lock("key").await.is_none());
}

/// A reader that lets a writer of another process go first has not lost its place with the
/// readers of its own process, should the writer go without having written.
#[tokio::test]
async fn a_reader_joins_when_the_writer_before_it_is_gone() {
    let (_folder, [one, other, third]) = managers();
    let shared = AcquireOptions::shared(LONG);
    let _reading = one.acquire("key", shared).await.unwrap();
    let mut writers = [other.lock("key", LONG), third.lock("key", LONG)];
    for writer in &mut writers {
        assert!(poll!(writer).is_pending());
    }
    tokio::time::sleep(PASSED).await;
    let mut joins = one.acquire("key", shared);
    assert!(poll!(&mut joins).is_pending());
    let [first, second] = writers;
    drop(second);
    assert!(poll!(&mut joins).is_pending());
    drop(first);
    drop(joins.await.unwrap());
}
