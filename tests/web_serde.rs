//! `examples/snapshot.rs` on the web: what JavaScript gets of a snapshot.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

use std::time::Duration;

use crosslock::web_locks::WebLockManager;
use crosslock::{LockManager, LockMode, LockSnapshot};
use js_sys::{Array, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

#[path = "../examples/snapshot.rs"]
#[expect(dead_code, reason = "the example is a program")]
mod example;

wasm_bindgen_test_configure!(run_in_browser);

fn get(object: &JsValue, property: &str) -> JsValue {
    Reflect::get(object, &property.into()).expect("an object")
}

#[wasm_bindgen_test]
async fn javascript_gets_a_snapshot_as_plain_objects() {
    let locks = WebLockManager::new();
    let guard = locks.lock("serde.web", Duration::from_secs(60)).await;
    let guard = guard.expect("it is free");

    let snapshot = example::web::locks_in_use().await;
    let snapshot = snapshot.expect("Chromium can be asked");
    assert!(Array::is_array(&get(&snapshot, "pending")));
    let held: Array = get(&snapshot, "held").unchecked_into();
    let info = held.iter().find(|info| get(info, "key") == "serde.web");
    let info = info.expect("it is held");
    assert_eq!(get(&info, "mode"), "exclusive");
    assert!(get(&info, "age").as_f64().expect("milliseconds") >= 0.0);
    assert!(get(&info, "client").is_string());

    let read: LockSnapshot = serde_wasm_bindgen::from_value(snapshot).expect("what was written");
    let read = read.held.iter().find(|info| info.key == "serde.web");
    assert_eq!(read.expect("it is held").mode, LockMode::Exclusive);
    guard.release().await;
}
