//! Locks under the names that an application has shipped before it came to crosslock.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

use std::time::Duration;

use crosslock::web_locks::WebLockManager;
use crosslock::{KeyRule, LockError, LockManager};
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const LONG: Duration = Duration::from_secs(60);

async fn js(code: &str) -> JsValue {
    let started = Function::new_no_args(code).call0(&JsValue::NULL).unwrap();
    JsFuture::from(Promise::resolve(&started)).await.unwrap()
}

/// Whether an old tab, which asks the browser itself, gets the lock of this name.
async fn old_tab_gets(name: &str) -> bool {
    let code = format!(
        "return navigator.locks.request('{name}', {{ ifAvailable: true }}, (lock) => lock !== null)"
    );
    js(&code).await.is_truthy()
}

#[wasm_bindgen_test]
async fn old_tabs_and_new_ones_exclude_each_other() {
    let locks = WebLockManager::with_prefix("bark.01abcdef.");
    let guard = locks.lock("send", LONG).await.unwrap();
    assert!(!old_tab_gets("bark.01abcdef.send").await);
    assert!(old_tab_gets("bark.01abcdff.send").await);
    assert_eq!(locks.query().await.unwrap().held[0].key, "send");
    guard.release().await;
    assert!(old_tab_gets("bark.01abcdef.send").await);
}

#[wasm_bindgen_test]
async fn prefixes_that_do_not_begin_each_other_are_apart() {
    let one = WebLockManager::with_prefix("bark.aa.");
    let two = WebLockManager::with_prefix("bark.bb.");
    let namespace = WebLockManager::with_namespace("bark.aa");
    let _one = one.lock("k", LONG).await.unwrap();
    let _two = two.lock("k", Duration::ZERO).await.unwrap();
    let _namespace = namespace.lock("k", Duration::ZERO).await.unwrap();
    // One that does shares a lock, and so excludes more, not less.
    let shorter = WebLockManager::with_prefix("bark.");
    assert!(shorter.try_lock("aa.k").await.is_none());
    assert!(shorter.try_lock("k").await.is_some());
}

#[wasm_bindgen_test]
async fn a_prefix_that_could_meet_a_namespace_is_refused() {
    for prefix in [
        "crosslock:",
        "crosslock::",
        "crosslock:wallet:",
        "-",
        "-bark.",
    ] {
        let locks = WebLockManager::with_prefix(prefix);
        let error = locks.lock("k", LONG).await.unwrap_err();
        let LockError::InvalidNamespace { rule, .. } = &error else {
            panic!("{prefix}: {error:?}");
        };
        assert_eq!(*rule, KeyRule::Prefix, "{error}");
        assert!(locks.check_available().is_err());
    }
    // The start of a namespace's name is none: no key goes on like it.
    let near = WebLockManager::with_prefix("crosslock");
    let _near = near.lock("k", LONG).await.unwrap();
}
