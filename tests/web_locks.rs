//! `WebLockManager` beyond the conformance suite, in a real browser. What takes
//! several tabs, workers or a crash is in `tests/tabs`.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

use std::time::Duration;

use crosslock::web_locks::WebLockManager;
use crosslock::{
    AcquireOptions, LockError, LockManager, LockScope, PlatformError, platform_default,
};
use futures::poll;
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

/// The browser's own view, not ours: `held` and `pending` of one name.
async fn raw_query(name: &str) -> String {
    let code = format!(
        "return navigator.locks.query().then(({{ held, pending }}) => \
         [held, pending].map((all) => all.filter((l) => l.name === '{name}').length).join())"
    );
    js(&code).await.as_string().unwrap()
}

#[wasm_bindgen_test]
async fn a_dropped_wait_leaves_nothing_in_the_browser() {
    let locks = WebLockManager::new();
    let held = locks.lock("web.dropped", LONG).await.unwrap();
    let mut wait = locks.lock("web.dropped", LONG);
    assert!(poll!(&mut wait).is_pending());
    // Not before the grant is too old to be handed on.
    while raw_query("crosslock::web.dropped").await != "1,1" {}
    drop(wait);
    assert_eq!(raw_query("crosslock::web.dropped").await, "1,0");
    held.release().await;
    assert_eq!(raw_query("crosslock::web.dropped").await, "0,0");
}

#[wasm_bindgen_test]
async fn namespaces_are_apart_and_named_in_the_browser() {
    let one = WebLockManager::with_namespace("one");
    let two = WebLockManager::with_namespace("two");
    let _one = one.lock("k", LONG).await.unwrap();
    let _two = two.lock("k", Duration::ZERO).await.unwrap();
    assert_eq!(raw_query("crosslock:one:k").await, "1,0");
    assert_eq!(one.query().await.unwrap().held.len(), 1);

    let again = WebLockManager::with_namespace("one");
    assert!(again.try_lock("k").await.is_none());
}

#[wasm_bindgen_test]
async fn a_bad_namespace_is_an_error_of_every_operation() {
    let locks = WebLockManager::with_namespace("a:b");
    assert!(locks.try_lock("k").await.is_none());
    let error = locks.lock("k", Duration::MAX).await.unwrap_err();
    assert!(
        matches!(error, LockError::InvalidNamespace { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("a:b"), "{error}");
    assert!(locks.query().await.is_err());
}

/// Someone who uses the browser's API directly steals from us.
#[wasm_bindgen_test]
async fn a_steal_from_outside_loses_the_guard() {
    js("globalThis.unhandled = []; \
        addEventListener('unhandledrejection', (event) => unhandled.push(event.reason))")
    .await;
    let locks = WebLockManager::new();
    let guard = locks.lock("web.stolen", LONG).await.unwrap();
    js("navigator.locks.request('crosslock::web.stolen', { steal: true }, () => {})").await;
    guard.lost().await;
    let error = guard.ensure_held().unwrap_err();
    assert!(error.to_string().contains("stolen"), "{error}");
    guard.release().await;
    drop(locks.lock("web.stolen", LONG).await.unwrap());

    // The browser rejects the promise of a stolen lock; that is not for its console.
    // It reports after the microtasks, so a task has to go by first.
    js("return new Promise((resolve) => setTimeout(resolve, 0))").await;
    assert_eq!(js("return unhandled.length").await, 0);
}

/// A browser without the API cannot be had here, so the getter is shadowed.
#[wasm_bindgen_test]
async fn a_missing_api_is_unavailable_and_nothing_else() {
    js("Object.defineProperty(navigator, 'locks', { value: undefined, configurable: true })").await;
    let locks = WebLockManager::new();
    let errors = [
        locks.check_available().unwrap_err(),
        locks.lock("k", Duration::MAX).await.unwrap_err(),
        locks
            .try_acquire("k", Default::default())
            .await
            .unwrap_err(),
        locks.query().await.unwrap_err(),
        match platform_default("ignored").unwrap_err() {
            PlatformError::Unusable(error) => error,
            other => panic!("{other}"),
        },
    ];
    js("delete navigator.locks").await;
    for error in errors {
        assert!(matches!(error, LockError::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains("navigator.locks"), "{error}");
    }
    locks.check_available().unwrap();
}

#[wasm_bindgen_test]
async fn the_platform_default_reaches_the_origin() {
    let locks = platform_default("ignored").unwrap();
    assert_eq!(locks.scope(), LockScope::Origin);
    let _guard = locks.lock("web.default", LONG).await.unwrap();
    assert!(
        WebLockManager::new()
            .try_lock("web.default")
            .await
            .is_none()
    );
}

/// The browser has granted it once, and takes them for one.
#[wasm_bindgen_test]
async fn a_query_shows_all_readers_of_its_own_page() {
    let locks = WebLockManager::new();
    let shared = AcquireOptions::shared(LONG);
    // At once: who asks later shares a grant only while it is young.
    let ask = || locks.acquire("web.readers", shared);
    let (one, two) = futures::join!(ask(), ask());
    let _guards = [one.unwrap(), two.unwrap()];
    assert_eq!(raw_query("crosslock::web.readers").await, "1,0");

    let held = locks.query().await.unwrap().held;
    let held = held.iter().filter(|info| info.key == "web.readers");
    assert_eq!(held.clone().count(), 2);
    let clients = held.map(|info| (info.mode, info.client.as_deref()));
    let clients: Vec<_> = clients.collect();
    assert_eq!(clients[0], clients[1]);
}

/// `setTimeout` with more than 2^31-1 ms fires at once.
#[wasm_bindgen_test]
async fn waiting_ends_by_the_clock() {
    let locks = WebLockManager::new();
    let _held = locks.lock("web.clock", LONG).await.unwrap();
    let error = locks
        .lock("web.clock", Duration::from_micros(500))
        .await
        .unwrap_err();
    let expected = "timed out acquiring lock \"web.clock\" after 500µs: held by client ";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[wasm_bindgen_test]
async fn a_release_frees_the_lock_although_nobody_waits_for_it() {
    let locks = WebLockManager::new();
    // Not even begun,
    drop(locks.lock("web.release", LONG).await.unwrap().release());
    // and begun.
    let guard = locks.lock("web.release", LONG).await.unwrap();
    let mut release = guard.release();
    assert!(poll!(&mut release).is_pending());
    drop(release);
    while raw_query("crosslock::web.release").await != "0,0" {}
    drop(locks.lock("web.release", Duration::ZERO).await.unwrap());
}

#[wasm_bindgen_test]
async fn a_loss_may_be_awaited_again_and_by_many() {
    let locks = WebLockManager::new();
    let guard = locks.lock("web.lost", LONG).await.unwrap();
    for _ in 0..3 {
        let mut lost = guard.lost();
        assert!(poll!(&mut lost).is_pending());
    }
    let (one, mut other) = (guard.lost(), guard.lost());
    assert!(poll!(&mut other).is_pending());
    js("navigator.locks.request('crosslock::web.lost', { steal: true }, () => {})").await;
    futures::join!(one, other);
    guard.lost().await;
    assert!(guard.is_lost());
}

/// Counted in pages of the module's memory, which never shrinks. (More of each: js/tests/web.test.mjs,
/// in Node, where they take less time.)
#[wasm_bindgen_test]
async fn waits_and_watches_leave_nothing_behind() {
    let locks = WebLockManager::new();
    let guard = locks.lock("web.left", LONG).await.unwrap();
    let pages = || core::arch::wasm32::memory_size::<0>();
    let mut before = 0;
    for round in 0..40 {
        for _ in 0..500 {
            let mut lost = guard.lost();
            assert!(poll!(&mut lost).is_pending());
        }
        for _ in 0..50 {
            let mut wait = locks.lock("web.left", Duration::MAX);
            assert!(poll!(&mut wait).is_pending());
        }
        // The browser has to hear of the waits that were given up.
        while raw_query("crosslock::web.left").await != "1,0" {}
        if round == 4 {
            before = pages();
        }
    }
    assert!(pages() - before <= 1, "{} pages more", pages() - before);
}

/// As `tests/left_behind.rs` does for memory. In the browser each takes its time.
#[wasm_bindgen_test]
async fn keys_that_are_used_once_leave_nothing_behind() {
    let locks = WebLockManager::new();
    let pages = || core::arch::wasm32::memory_size::<0>();
    let use_keys = async |round: usize| {
        let keys = (0..1_000).map(|key| format!("web.once.{round}.{key}"));
        let keys: Vec<String> = keys.collect();
        let guards = keys.iter().map(|key| locks.lock(key, LONG));
        let guards = futures::future::join_all(guards).await;
        let waits = keys.iter().map(|key| locks.try_lock(key));
        let waits = futures::future::join_all(waits).await;
        assert!(guards.iter().all(|guard| guard.is_ok()));
        assert!(waits.iter().all(|wait| wait.is_none()));
    };
    use_keys(0).await;
    use_keys(1).await;
    let before = pages();
    for round in 2..12 {
        use_keys(round).await;
    }
    assert!(pages() - before <= 2, "{} pages more", pages() - before);
}
