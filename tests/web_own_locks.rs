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

#[wasm_bindgen_test]
async fn none_of_our_own_is_seen_beside_those_asked_for() {
    let names = note_requests();
    let locks = WebLockManager::with_namespace("own");
    let held = locks.lock("k", Duration::ZERO).await.unwrap();
    let timed_out = locks.lock("k", Duration::from_millis(20)).await;
    let error = timed_out.unwrap_err().to_string();
    assert!(error.contains("held by client "), "{error}");

    let seen = locks.query().await.unwrap().held;
    let client = seen[0].client.clone().expect("it is known");
    assert!(error.contains(&client), "{error}: {client}");
    held.release().await;

    let names: Vec<String> = names.iter().filter_map(|name| name.as_string()).collect();
    assert!(!names.is_empty());
    assert!(
        names.iter().all(|name| name == "crosslock:own:k"),
        "{names:?}"
    );
}
