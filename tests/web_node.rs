//! `WebLockManager` in Node, whose `navigator.locks` keeps in its queues what was withdrawn.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

use std::time::Duration;

use crosslock::LockManager;
use crosslock::web_locks::WebLockManager;
use futures::FutureExt;
use wasm_bindgen_test::wasm_bindgen_test;

const LONG: Duration = Duration::from_secs(60);

/// A signal would leave them in the queue, each for longer than a round trip takes.
#[wasm_bindgen_test]
async fn a_try_is_not_refused_for_waits_that_were_given_up() {
    let locks = WebLockManager::new().without_passing();
    let holder = locks.lock("given-up", LONG).await.unwrap();
    let mut waits: Vec<_> = (0..20).map(|_| locks.lock("given-up", LONG)).collect();
    for wait in &mut waits {
        assert!(wait.now_or_never().is_none());
    }
    // The answer comes behind the requests.
    locks.query().await.unwrap();
    drop(waits);
    drop(holder);
    let attempt = locks.try_lock("given-up").await;
    attempt.expect("nobody holds it").release().await;
}

#[wasm_bindgen_test]
async fn a_wait_that_is_given_up_is_granted_nothing() {
    let locks = WebLockManager::new();
    let holder = locks.lock("nothing", LONG).await.unwrap();
    let mut given_up = locks.lock("nothing", LONG);
    assert!((&mut given_up).now_or_never().is_none());
    drop(given_up);
    let mut waits = locks.lock("nothing", LONG);
    assert!((&mut waits).now_or_never().is_none());
    drop(holder);
    let guard = waits.await.unwrap();
    let seen = locks.query().await.unwrap();
    assert_eq!((seen.held.len(), seen.pending.len()), (1, 0));
    guard.release().await;
}
