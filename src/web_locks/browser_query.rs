//! What `navigator.locks.query()` answers.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::bindings::{Foreign, promise_of, text_in};
use super::environment::{failed, lock_manager};
use super::names;
use crate::error::LockError;
use crate::guard::LockMode;
use crate::snapshot::{LockInfo, LockSnapshot};

/// Asks the browser. It answers as of now.
pub(super) fn ask() -> Result<JsValue, LockError> {
    let asked = lock_manager().map_err(LockError::unavailable)?.query();
    asked.map_err(|why| LockError::unavailable(failed(&why)))
}

/// What the browser answers of the locks whose names begin with `prefix`.
pub(super) async fn answer(asked: JsValue, prefix: &str) -> Result<LockSnapshot, LockError> {
    let promise = promise_of("navigator.locks.query()", &asked).map_err(LockError::unavailable)?;
    let answer = JsFuture::from(js_sys::Promise::from(promise)).await;
    let answer: Foreign = answer
        .map_err(|why| LockError::unavailable(failed(&why)))?
        .unchecked_into();
    let all = |list: Result<JsValue, JsValue>| {
        let list = list.ok().filter(Array::is_array).ok_or_else(|| {
            LockError::unavailable(
                "navigator.locks.query() answered without the arrays held and pending",
            )
        })?;
        let list: Array = list.unchecked_into();
        let infos = list.iter();
        let ours = infos.filter_map(|info| describe(prefix, info.unchecked_ref()));
        Ok::<_, LockError>(ours.collect::<Vec<LockInfo>>())
    };
    // A primitive has neither of them, which is an error like any other answer without them.
    Ok(LockSnapshot::new(
        all(answer.held())?,
        all(answer.pending())?,
    ))
}

/// An entry of the browser's snapshot, if its name begins with `prefix`.
fn describe(prefix: &str, info: &Foreign) -> Option<LockInfo> {
    let name = text_in(info.name())?;
    let key = names::key_of(prefix, &name)?;
    let mode = match text_in(info.mode())?.as_str() {
        "shared" => LockMode::Shared,
        _ => LockMode::Exclusive,
    };
    Some(LockInfo {
        client: text_in(info.client_id()),
        ..LockInfo::new(key, mode)
    })
}
