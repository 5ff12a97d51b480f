//! `Arc<M>`, `Box<M>` and `&M` are lock managers that forward every method to `M`.
#![cfg(not(target_family = "wasm"))]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use crosslock::memory::MemoryLockManager;
use crosslock::{
    AcquireOptions, LockError, LockGuard, LockManager, LockMode, LockScope, LockSnapshot,
};

/// Notes which methods are called, and grants nothing.
#[derive(Debug, Default)]
struct Recorder(Mutex<Vec<&'static str>>);

impl Recorder {
    fn note<T>(&self, method: &'static str) -> Result<T, LockError> {
        self.0.lock().unwrap().push(method);
        Err(LockError::unsupported(method))
    }
}

#[async_trait]
impl LockManager for Recorder {
    async fn try_lock(&self, _: &str) -> Option<Box<dyn LockGuard>> {
        self.note("try_lock").ok()
    }

    async fn lock(&self, _: &str, _: Duration) -> Result<Box<dyn LockGuard>, LockError> {
        self.note("lock")
    }

    async fn try_acquire(
        &self,
        _: &str,
        _: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        self.note("try_acquire")
    }

    async fn acquire(&self, _: &str, _: AcquireOptions) -> Result<Box<dyn LockGuard>, LockError> {
        self.note("acquire")
    }

    async fn lock_many(
        &self,
        _: &[&str],
        _: Duration,
    ) -> Result<Vec<Box<dyn LockGuard>>, LockError> {
        self.note("lock_many")
    }

    async fn steal(&self, _: &str) -> Result<Box<dyn LockGuard>, LockError> {
        self.note("steal")
    }

    async fn query(&self) -> Result<LockSnapshot, LockError> {
        self.note("query")
    }

    fn scope(&self) -> LockScope {
        drop(self.note::<()>("scope"));
        LockScope::Origin
    }
}

/// Calls every method of `locks` once, through nothing but the trait.
async fn call_all<M: LockManager>(locks: M) {
    let timeout = Duration::ZERO;
    assert!(locks.try_lock("k").await.is_none());
    let errors = [
        locks.lock("k", timeout).await.err(),
        locks.try_acquire("k", LockMode::Shared).await.err(),
        locks.acquire("k", AcquireOptions::new(timeout)).await.err(),
        locks.lock_many(&["k"], timeout).await.err(),
        locks.steal("k").await.err(),
        locks.query().await.err(),
    ];
    for error in errors {
        let error = error.expect("the recorder grants nothing");
        assert!(matches!(error, LockError::Unsupported { .. }), "{error}");
    }
    assert_eq!(locks.scope(), LockScope::Origin);
}

/// The methods of the trait, by its source: a new one must be forwarded, too.
fn methods() -> Vec<&'static str> {
    let source = include_str!("../src/manager.rs");
    let (_, body) = source
        .split_once("pub trait LockManager")
        .expect("the trait");
    let (body, _) = body.split_once("\n}\n").expect("its end");
    let names = body.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        let rest = line
            .strip_prefix("async fn ")
            .or(line.strip_prefix("fn "))?;
        rest.split('(').next()
    });
    names.collect()
}

#[tokio::test]
async fn every_method_reaches_the_manager() {
    let recorder = Arc::new(Recorder::default());
    let unsized_arc: Arc<dyn LockManager> = recorder.clone();
    let boxed: Box<dyn LockManager> = Box::new(recorder.clone());
    let expected = methods();
    assert!(
        expected.contains(&"lock") && expected.len() >= 8,
        "{expected:?}"
    );

    let check = |pointer: &str| {
        let called = std::mem::take(&mut *recorder.0.lock().unwrap());
        assert_eq!(called, expected, "through {pointer}");
    };
    call_all(recorder.clone()).await;
    check("Arc<Recorder>");
    call_all(&*recorder).await;
    check("&Recorder");
    call_all(Box::new(&*recorder)).await;
    check("Box<&Recorder>");
    call_all(&*unsized_arc).await;
    check("&dyn LockManager");
    call_all(unsized_arc).await;
    check("Arc<dyn LockManager>");
    call_all(&boxed).await;
    check("&Box<dyn LockManager>");
    call_all(boxed).await;
    check("Box<dyn LockManager>");
}

/// As an application holds its locks: by a type parameter, and behind a pointer of its choice.
#[tokio::test]
async fn a_generic_wallet_takes_any_of_them() {
    #[derive(Debug)]
    struct Wallet<M>(M);

    impl<M: LockManager> Wallet<M> {
        async fn send(&self) -> bool {
            self.0.try_lock("pointers.send").await.is_some()
        }
    }

    let locks = Arc::new(MemoryLockManager::new());
    let held = locks.lock("pointers.send", Duration::ZERO).await.unwrap();
    let shared: Arc<dyn LockManager> = locks.clone();
    assert!(!Wallet(locks.clone()).send().await);
    assert!(!Wallet(&*locks).send().await);
    assert!(!Wallet(shared).send().await);
    drop(held);
    assert!(Wallet(Box::new(locks) as Box<dyn LockManager>).send().await);
}
