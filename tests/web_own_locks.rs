//! What others see in the browser of an application that uses locks, asks who has them,
//! and times out behind itself: the locks that were asked for, and none of our own.
//!
//! In a file of its own, so in a page of its own: what there is to learn of a page, it
//! learns once.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

use std::time::Duration;

use crosslock::LockManager;
use crosslock::web_locks::WebLockManager;
use js_sys::{Array, Function};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

/// Has the page note the name of every request to the browser.
fn note_requests() -> Array {
    let code = "const names = [], { request } = navigator.locks;
        navigator.locks.request = (name, ...rest) => {
            names.push(name);
            return request.call(navigator.locks, name, ...rest);
        };
        return names;";
    let names = Function::new_no_args(code).call0(&JsValue::NULL);
    names.unwrap().unchecked_into()
}

/// The names that are no name of `crosslock:own:k`.
fn others(names: &Array) -> Vec<String> {
    let names = names.iter().filter_map(|name| name.as_string());
    names.filter(|name| name != "crosslock:own:k").collect()
}

#[wasm_bindgen_test]
async fn none_of_our_own_is_seen_beside_those_asked_for() {
    let names = note_requests();
    let locks = WebLockManager::with_namespace("own");
    let held = locks.lock("k", Duration::ZERO).await.unwrap();
    let client = locks.query().await.unwrap().held[0].client.clone();
    let client = client.expect("it is known");
    let wait = async {
        let timed_out = locks.lock("k", Duration::from_millis(20)).await;
        timed_out.unwrap_err().to_string()
    };
    let (error, seen) = futures::join!(wait, async { locks.query().await.unwrap() });
    assert!(
        error.contains(&format!("held by client {client}")),
        "{error}"
    );
    assert_eq!(seen.held[0].client, Some(client));
    held.release().await;
    assert_eq!(names.get(0).as_string().as_deref(), Some("crosslock:own:k"));

    // What is asked after a wait was given up is shared, free at once, and documented.
    let mut others = others(&names);
    others.retain(|name| name != "crosslock:round-trip");
    assert_eq!(others, [""; 0]);
    for manager in [
        WebLockManager::with_prefix(""),
        WebLockManager::with_prefix("crosslock"),
    ] {
        let seen = manager.query().await.unwrap();
        assert!(seen.held.is_empty() && seen.pending.is_empty(), "{seen:?}");
    }
}
