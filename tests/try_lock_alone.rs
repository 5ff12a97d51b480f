//! The backend of `docs/writing-a-backend.md`, with `try_lock` alone, passes the suite.
#![cfg(not(target_family = "wasm"))]

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use crosslock::{LockGuard, LockKey, LockManager};

type Keys = Arc<Mutex<HashSet<String>>>;

#[derive(Debug, Default)]
struct SetLockManager {
    held: Keys,
}

#[derive(Debug)]
struct SetGuard {
    held: Keys,
    key: String,
}

#[async_trait]
impl LockManager for SetLockManager {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        LockKey::new(key).ok()?;
        let is_new = self.held.lock().unwrap().insert(key.to_owned());
        let held = self.held.clone();
        let key = key.to_owned();
        is_new.then(|| Box::new(SetGuard { held, key }) as _)
    }
}

impl LockGuard for SetGuard {
    fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for SetGuard {
    fn drop(&mut self) {
        self.held.lock().unwrap().remove(&self.key);
    }
}

crosslock::conformance! {
    test: #[tokio::test],
    manager: SetLockManager::default(),
    scope: Unspecified,
    absent: [Query, Steal, Downgrade, Shared, Order, Contention],
}

/// What the documentation shows is what was tested.
#[test]
fn the_documentation_has_this_backend() {
    let page = include_str!("../docs/writing-a-backend.md");
    let this = include_str!("try_lock_alone.rs");
    let start = this.find("use std::collections").unwrap();
    let end = this.find("\ncrosslock::conformance!").unwrap();
    assert!(page.contains(&this[start..end]), "the backend differs");
}
