//! A backend that someone else wrote, with `try_lock` alone, and an application
//! that holds it as it would hold one of ours.
#![cfg(not(target_family = "wasm"))]

use std::time::Duration;

use async_trait::async_trait;
use crosslock::memory::MemoryLockManager;
use crosslock::{
    AcquireOptions, Contention, LockError, LockGuard, LockManager, LockMode, LockScope,
    PidLockError,
};

#[derive(Debug, Default)]
struct Plain(MemoryLockManager);

#[derive(Debug)]
struct PlainGuard(#[expect(dead_code, reason = "held for its drop")] Box<dyn LockGuard>);

impl LockGuard for PlainGuard {}

#[async_trait]
impl LockManager for Plain {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        let guard = self.0.try_lock(key).await?;
        Some(Box::new(PlainGuard(guard)))
    }
}

struct Wallet {
    locks: Box<dyn LockManager>,
}

impl Wallet {
    async fn send(&self, key: &str) -> anyhow::Result<()> {
        let _guard = self.locks.lock(key, Duration::from_millis(20)).await?;
        Ok(())
    }
}

#[tokio::test]
async fn an_application_uses_it_through_the_trait() {
    let locks: Box<dyn LockManager> = Box::new(Plain::default());
    let wallet = Wallet { locks };
    wallet.send("third.app").await.unwrap();

    let held = wallet.locks.try_lock("third.app").await.unwrap();
    let error = wallet.send("third.app").await.unwrap_err();
    let expected = "timed out acquiring lock \"third.app\" after 20ms";
    assert_eq!(error.to_string(), expected);
    assert!(error.downcast_ref::<LockError>().is_some());
    held.release().await;
    wallet.send("third.app").await.unwrap();
}

#[tokio::test]
async fn the_default_lock_waits_for_a_release() {
    let locks = Plain::default();
    let held = locks.try_lock("third.wait").await.unwrap();
    let mut wait = locks.lock("third.wait", Duration::MAX);
    assert!(futures::poll!(&mut wait).is_pending());
    drop(held);
    drop(wait.await.unwrap());
}

#[tokio::test]
async fn the_defaults_say_what_they_cannot_do() {
    let locks = Plain::default();
    let options = AcquireOptions::shared(Duration::ZERO);
    let unsupported = [
        locks.try_acquire("k", LockMode::Shared).await.err(),
        locks.acquire("k", options).await.err(),
        locks.steal("k").await.err(),
        locks.query().await.err(),
    ];
    for error in unsupported {
        let error = error.expect("unsupported");
        assert!(matches!(error, LockError::Unsupported { .. }), "{error}");
    }
    assert_eq!(locks.scope(), LockScope::Unspecified);

    let error = locks.lock("a/b", Duration::MAX).await.unwrap_err();
    assert!(matches!(error, LockError::InvalidKey(_)), "{error}");
    let guard = locks.try_acquire("third.k", LockMode::Exclusive).await;
    let guard = guard.unwrap().unwrap();
    assert_eq!((guard.key(), guard.is_lost()), ("", false));
    let keys = ["third.b", "third.a"];
    let many = locks.lock_many(&keys, Duration::ZERO).await.unwrap();
    assert_eq!(many.len(), 2);
}

/// A backend on a database of its own. It fails in its own ways, and says so in ours.
#[derive(Debug)]
struct OnDatabase;

#[derive(Debug, thiserror::Error)]
#[error("the connection was closed")]
struct ConnectionClosed;

#[async_trait]
impl LockManager for OnDatabase {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        self.try_acquire(key, LockMode::Exclusive).await.ok()?
    }

    async fn lock(&self, key: &str, timeout: Duration) -> Result<Box<dyn LockGuard>, LockError> {
        let mut contention = Contention::default();
        contention.holder = Some("the other server".into());
        Err(LockError::timed_out(key, timeout, Some(contention)))
    }

    async fn try_acquire(
        &self,
        key: &str,
        _mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        let context = format!("cannot ask for lock \"{key}\"");
        Err(LockError::backend(context, ConnectionClosed))
    }
}

#[tokio::test]
async fn a_backend_fails_with_an_error_of_its_own() {
    let locks = OnDatabase;
    let error = locks.try_acquire("third.db", LockMode::Exclusive).await;
    let error = error.expect_err("the database is away");
    assert!(matches!(error, LockError::Backend { .. }), "{error:?}");
    assert_eq!(error.to_string(), "cannot ask for lock \"third.db\"");

    // An application finds the cause, and its type, behind what `?` made of it.
    let error = anyhow::Error::from(error);
    let printed = format!("{error:#}");
    assert_eq!(
        printed,
        "cannot ask for lock \"third.db\": the connection was closed"
    );
    let cause = error.chain().nth(1).expect("its source");
    assert!(cause.is::<ConnectionClosed>());
    let error = PidLockError::from(
        locks
            .try_acquire("third.db", LockMode::Shared)
            .await
            .unwrap_err(),
    );
    assert_eq!(error.to_string(), "cannot ask for lock \"third.db\"");
}

#[tokio::test]
async fn a_backend_makes_the_errors_of_the_contract() {
    let timed_out = OnDatabase
        .lock("k", Duration::from_millis(150))
        .await
        .unwrap_err();
    let texts = [
        (
            timed_out,
            "timed out acquiring lock \"k\" after 150ms: held by the other server",
        ),
        (
            LockError::unavailable("no server is configured"),
            "locks are unavailable: no server is configured",
        ),
        (
            LockError::lost("k", "the session ended"),
            "lock \"k\" lost: the session ended",
        ),
        (
            LockError::manager_lost("the server is gone"),
            "lock manager lost: the server is gone",
        ),
        (
            LockError::unsupported("steal"),
            "this lock manager does not support steal",
        ),
    ];
    for (error, text) in texts {
        assert_eq!(error.to_string(), text);
    }
}

/// As applications ask today whether another instance is running.
#[test]
fn already_held_is_found_behind_anyhow() {
    fn open() -> anyhow::Result<()> {
        Err(PidLockError::AlreadyHeld {
            datadir: "/data".into(),
            pid: Some(42),
        })?
    }
    let error = open().unwrap_err();
    match error.downcast_ref::<PidLockError>() {
        Some(PidLockError::AlreadyHeld { pid, .. }) => assert_eq!(*pid, Some(42)),
        other => panic!("{other:?}"),
    }
    let message = "another process is already using datadir /data (holder PID: 42)";
    assert_eq!(error.to_string(), message);
}

/// Without tokio, what needs no timer works, and what needs one says so.
#[test]
fn waiting_without_a_runtime_is_an_error_not_a_panic() {
    use futures::FutureExt;

    let locks = MemoryLockManager::new();
    let held = futures::executor::block_on(locks.lock("third.bare", Duration::from_secs(1)));
    let held = held.expect("a free lock needs no timer");
    let wait = locks.lock("third.bare", Duration::from_secs(1));
    let error = wait.now_or_never().unwrap().unwrap_err();
    assert!(matches!(error, LockError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("tokio"), "{error}");
    drop(held);
}
