//! What is called in the browser, and nothing else. web-sys has the Web Locks
//! types only under `web_sys_unstable_apis`, a compiler flag that a library must
//! not force on those who use it.

use js_sys::{Array, Function, JsString, Promise};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

#[wasm_bindgen]
extern "C" {
    /// <https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/String/String>
    #[wasm_bindgen(js_name = String)]
    pub(super) fn text(value: &JsValue) -> String;

    /// `globalThis` of a window, a worker or Node: workers have no `window`.
    pub(super) type Global;

    /// <https://developer.mozilla.org/docs/Web/API/Window/navigator>
    #[wasm_bindgen(method, getter)]
    pub(super) fn navigator(this: &Global) -> Option<Navigator>;

    /// <https://developer.mozilla.org/docs/Web/API/Window/isSecureContext>
    #[wasm_bindgen(method, getter, js_name = isSecureContext)]
    pub(super) fn is_secure_context(this: &Global) -> Option<bool>;

    /// There are documents in windows only.
    #[wasm_bindgen(method, getter)]
    pub(super) fn document(this: &Global) -> JsValue;

    /// <https://nodejs.org/api/process.html>; other runtimes imitate it.
    #[wasm_bindgen(method, getter)]
    pub(super) fn process(this: &Global) -> Option<Process>;

    /// <https://developer.mozilla.org/docs/Web/API/EventTarget/addEventListener>
    #[wasm_bindgen(method, js_name = addEventListener)]
    pub(super) fn add_event_listener(this: &Global, event: &str, listener: &Function);

    pub(super) type Process;

    #[wasm_bindgen(method, getter)]
    pub(super) fn versions(this: &Process) -> Option<ProcessVersions>;

    pub(super) type ProcessVersions;

    #[wasm_bindgen(method, getter)]
    pub(super) fn node(this: &ProcessVersions) -> Option<String>;

    pub(super) type Navigator;

    /// <https://developer.mozilla.org/docs/Web/API/Navigator/locks>
    #[wasm_bindgen(method, getter)]
    pub(super) fn locks(this: &Navigator) -> Option<LockManager>;

    /// <https://developer.mozilla.org/docs/Web/API/LockManager>
    #[derive(Clone)]
    pub(super) type LockManager;

    /// <https://developer.mozilla.org/docs/Web/API/LockManager/request>
    #[wasm_bindgen(method, catch)]
    pub(super) fn request(
        this: &LockManager,
        name: &JsString,
        options: &RequestOptions,
        callback: &Function,
    ) -> Result<Promise, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/LockManager/query>
    #[wasm_bindgen(method, catch)]
    pub(super) fn query(this: &LockManager) -> Result<Promise, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/LockManager/request#options>
    #[derive(Clone)]
    pub(super) type RequestOptions;

    #[wasm_bindgen(method, setter)]
    pub(super) fn set_mode(this: &RequestOptions, mode: &str);

    #[wasm_bindgen(method, setter, js_name = ifAvailable)]
    pub(super) fn set_if_available(this: &RequestOptions, if_available: bool);

    #[wasm_bindgen(method, setter)]
    pub(super) fn set_steal(this: &RequestOptions, steal: bool);

    #[wasm_bindgen(method, setter)]
    pub(super) fn set_signal(this: &RequestOptions, signal: &AbortSignal);

    /// <https://developer.mozilla.org/docs/Web/API/LockManager/query#return_value>
    pub(super) type Snapshot;

    #[wasm_bindgen(method, getter)]
    pub(super) fn held(this: &Snapshot) -> Array;

    #[wasm_bindgen(method, getter)]
    pub(super) fn pending(this: &Snapshot) -> Array;

    pub(super) type Info;

    #[wasm_bindgen(method, getter)]
    pub(super) fn name(this: &Info) -> String;

    #[wasm_bindgen(method, getter)]
    pub(super) fn mode(this: &Info) -> String;

    #[wasm_bindgen(method, getter, js_name = clientId)]
    pub(super) fn client_id(this: &Info) -> Option<String>;

    /// What a promise of the browser was rejected with: a `DOMException` in all
    /// cases that the specification knows.
    pub(super) type Rejection;

    #[wasm_bindgen(method, getter, js_name = name)]
    pub(super) fn error_name(this: &Rejection) -> Option<String>;

    #[wasm_bindgen(method, getter)]
    pub(super) fn message(this: &Rejection) -> Option<String>;
}
