//! Whoever waits is woken. A test that polls a request itself, or awaits it, finds what came of it without that.

use std::future::Future;
use std::time::Duration;

use crosslock::{AcquireOptions, LockManager};
use futures::poll;
use futures::stream::{FuturesUnordered, StreamExt};

use crate::between::managers;
use crate::collisions::KEYS;

/// What a timeout would wake looks as well, so there is none. This is what a test waits for instead.
const LONG: Duration = Duration::from_secs(30);

/// A request that is polled only when it was woken, as by an executor.
pub(crate) struct Waiting<F: Future>(FuturesUnordered<F>);

impl<F: Future> Waiting<F> {
    /// Panics if it does not have to wait.
    pub(crate) async fn new(request: F) -> Self {
        let mut requests = FuturesUnordered::from_iter([request]);
        assert!(poll!(requests.next()).is_pending());
        Self(requests)
    }

    /// What came of it.
    pub(crate) async fn end(mut self) -> F::Output {
        let woken = tokio::time::timeout(LONG, self.0.next()).await;
        woken.expect("nobody woke it").expect("it has not ended")
    }
}

fn reading() -> AcquireOptions {
    AcquireOptions::shared(Duration::MAX)
}

#[tokio::test]
async fn all_readers_of_a_process_are_woken_when_another_one_is_through() {
    let (_folder, [one, other]) = managers();
    let held = one.try_lock("key").await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(Waiting::new(other.acquire("key", reading())).await);
    }
    drop(held);
    let mut guards = Vec::new();
    for reader in readers {
        guards.push(reader.end().await.unwrap());
    }
    assert!(one.try_lock("key").await.is_none());
}

/// A reader is granted with another one of its process, and gives up before it has noticed.
#[tokio::test]
async fn what_was_granted_in_vain_is_in_nobodys_way() {
    let (_folder, [one, other]) = managers();
    let held = one.try_lock("key").await.unwrap();
    let gives_up = Waiting::new(other.acquire("key", reading())).await;
    let reads = Waiting::new(other.acquire("key", reading())).await;
    let writes = Waiting::new(other.lock("key", Duration::MAX)).await;
    drop(held);
    let read = reads.end().await.unwrap();
    drop(gives_up);
    drop(read);
    drop(writes.end().await.unwrap());
    assert!(one.try_lock("key").await.is_some());
}

/// Two keys of one place, of which the second waits for the first in the process itself.
#[tokio::test]
async fn a_key_that_waits_for_another_one_of_its_place_is_woken() {
    let (_folder, [manager]) = managers();
    let read = manager.acquire(KEYS[0], reading()).await.unwrap();
    let waits = Waiting::new(manager.lock(KEYS[1], Duration::MAX)).await;
    drop(read);
    drop(waits.end().await.unwrap());
}
