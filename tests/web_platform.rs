//! What an application calls on every target, as it is on the web.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

use std::time::Duration;

use crosslock::web_locks::WebLockManager;
use crosslock::{
    LockError, LockManager, LockScope, PidLockError, PlatformError, PlatformOptions,
    platform_default_with,
};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// As in tests/replacement.rs, to the letter: nothing in it is `cfg`.
fn open(datadir: Option<&std::path::Path>) -> Result<Box<dyn LockManager>, PlatformError> {
    let mut options = PlatformOptions::new()
        .with_namespace("01abcdef")
        .with_label("daemon");
    options.datadir = datadir.map(Into::into);
    platform_default_with(options)
}

#[wasm_bindgen_test]
async fn the_namespace_is_taken_and_the_datadir_ignored() {
    let in_namespace = WebLockManager::with_namespace("01abcdef");
    for datadir in [None, Some("/ignored".as_ref())] {
        let locks = open(datadir).unwrap();
        assert_eq!(locks.scope(), LockScope::Origin);
        let guard = locks.lock("platform", Duration::ZERO).await.unwrap();
        assert!(in_namespace.try_lock("platform").await.is_none());
        assert!(WebLockManager::new().try_lock("platform").await.is_some());
        guard.release().await;
    }
}

#[wasm_bindgen_test]
fn a_bad_namespace_fails_at_once_with_the_one_type_of_error() {
    let options = PlatformOptions::new().with_namespace("no/namespace");
    let failed = || -> anyhow::Result<()> {
        platform_default_with(options)?;
        Ok(())
    };
    let error = failed().unwrap_err();
    let Some(PidLockError::Unusable(LockError::InvalidNamespace { .. })) = error.downcast_ref()
    else {
        panic!("{error:?}");
    };
    assert_eq!(format!("{error:#}").matches("no/namespace").count(), 1);
}

#[wasm_bindgen_test]
async fn a_prefix_takes_the_place_of_the_namespace() {
    let options = PlatformOptions::new()
        .with_namespace("01abcdef")
        .with_prefix("bark.01abcdef.");
    let locks = platform_default_with(options).unwrap();
    let _guard = locks.lock("k", Duration::ZERO).await.unwrap();
    let same = WebLockManager::with_prefix("bark.");
    assert!(same.try_lock("01abcdef.k").await.is_none());
}
