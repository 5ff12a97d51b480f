//! The plain objects that cross over. The TypeScript layer makes of them what its
//! users see.

use js_sys::{Array, Object};
use wasm_bindgen::prelude::*;

use crate::error::LockError;
use crate::snapshot::{LockInfo, LockSnapshot};

#[wasm_bindgen]
extern "C" {
    /// A [`LockError`].
    pub(super) type Failure;

    #[wasm_bindgen(method, setter)]
    fn set_code(this: &Failure, code: &str);

    #[wasm_bindgen(method, setter)]
    fn set_message(this: &Failure, message: &str);

    #[wasm_bindgen(method, setter)]
    fn set_key(this: &Failure, key: Option<&str>);

    /// A [`LockInfo`].
    type Request;

    #[wasm_bindgen(method, setter, js_name = key)]
    fn set_request_key(this: &Request, key: &str);

    #[wasm_bindgen(method, setter)]
    fn set_mode(this: &Request, mode: &str);

    /// In milliseconds.
    #[wasm_bindgen(method, setter)]
    fn set_age(this: &Request, age: Option<f64>);

    #[wasm_bindgen(method, setter)]
    fn set_client(this: &Request, client: Option<&str>);

    /// A [`LockSnapshot`].
    type Snapshot;

    #[wasm_bindgen(method, setter)]
    fn set_held(this: &Snapshot, held: Array);

    #[wasm_bindgen(method, setter)]
    fn set_pending(this: &Snapshot, pending: Array);
}

/// An object that inherits no setters, which would be code of the application's.
fn plain() -> Object {
    Object::create(JsValue::NULL.unchecked_ref())
}

pub(super) fn failure(error: LockError) -> JsValue {
    let (code, key) = match &error {
        LockError::InvalidKey(invalid) => ("INVALID_KEY", Some(invalid.key())),
        LockError::InvalidNamespace { .. } => ("INVALID_NAMESPACE", None),
        LockError::TimedOut { key, .. } => ("TIMED_OUT", Some(key.as_str())),
        LockError::Unavailable { .. } => ("UNAVAILABLE", None),
        LockError::Lost { key, .. } => ("LOST", key.as_deref()),
        LockError::Unsupported { .. } => ("UNSUPPORTED", None),
        LockError::Io { .. } => ("IO", None),
    };
    let object: Failure = plain().unchecked_into();
    object.set_code(code);
    object.set_message(&error.to_string());
    object.set_key(key);
    object.into()
}

pub(super) fn snapshot(snapshot: LockSnapshot) -> JsValue {
    let all = |requests: Vec<LockInfo>| requests.iter().map(request).collect();
    let object: Snapshot = plain().unchecked_into();
    object.set_held(all(snapshot.held));
    object.set_pending(all(snapshot.pending));
    object.into()
}

fn request(info: &LockInfo) -> JsValue {
    let object: Request = plain().unchecked_into();
    object.set_request_key(&info.key);
    object.set_mode(info.mode.as_str());
    object.set_age(info.age.map(|age| age.as_secs_f64() * 1000.0));
    object.set_client(info.client.as_deref());
    object.into()
}
