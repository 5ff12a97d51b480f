//! Declarations of what we call in the browser. web-sys has the Web Locks types only under
//! `web_sys_unstable_apis`, a compiler flag that a library must not force on its users.
//!
//! Anything here may be missing, throw, or return any value: test suites mock these functions,
//! and libraries patch them. So every function has `catch`, and its caller checks what it
//! returns.

use js_sys::Function;
use wasm_bindgen::prelude::*;

use crate::guard::LockMode;

#[wasm_bindgen]
extern "C" {
    /// <https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/String/String>
    #[wasm_bindgen(js_name = String, catch)]
    fn to_string(value: &JsValue) -> Result<JsValue, JsValue>;

    /// Any JavaScript value. It may have the properties and methods below.
    #[derive(Clone)]
    pub(super) type Foreign;

    /// <https://developer.mozilla.org/docs/Web/API/Window/navigator>
    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn navigator(this: &Foreign) -> Result<Foreign, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/Navigator/userAgent>
    #[wasm_bindgen(method, getter, catch, js_name = userAgent)]
    pub(super) fn user_agent(this: &Foreign) -> Result<JsValue, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/Navigator/locks>
    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn locks(this: &Foreign) -> Result<Foreign, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/Window/isSecureContext>
    #[wasm_bindgen(method, getter, catch, js_name = isSecureContext)]
    pub(super) fn is_secure_context(this: &Foreign) -> Result<JsValue, JsValue>;

    /// Only windows have a document.
    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn document(this: &Foreign) -> Result<Foreign, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/Document/visibilityState>
    #[wasm_bindgen(method, getter, catch, js_name = visibilityState)]
    pub(super) fn visibility_state(this: &Foreign) -> Result<JsValue, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/PageTransitionEvent/persisted>
    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn persisted(this: &Foreign) -> Result<JsValue, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/EventTarget/addEventListener>
    #[wasm_bindgen(method, catch, js_name = addEventListener)]
    pub(super) fn add_event_listener(
        this: &Foreign,
        event: &str,
        listener: &JsValue,
    ) -> Result<JsValue, JsValue>;

    /// <https://nodejs.org/api/process.html>. Other runtimes imitate it.
    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn process(this: &Foreign) -> Result<Foreign, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn versions(this: &Foreign) -> Result<Foreign, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn node(this: &Foreign) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn bun(this: &Foreign) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn deno(this: &Foreign) -> Result<JsValue, JsValue>;

    /// <https://www.electronjs.org/docs/latest/api/process#processtype-readonly>
    #[wasm_bindgen(method, getter, catch, js_name = type)]
    pub(super) fn process_type(this: &Foreign) -> Result<JsValue, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/LockManager/request>
    #[wasm_bindgen(method, catch)]
    pub(super) fn request(
        this: &Foreign,
        name: &JsValue,
        options: &Foreign,
        callback: &Function,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, setter, catch)]
    fn set_mode(this: &Foreign, mode: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(method, setter, catch, js_name = ifAvailable)]
    fn set_if_available(this: &Foreign, if_available: bool) -> Result<(), JsValue>;

    #[wasm_bindgen(method, setter, catch, js_name = steal)]
    fn set_steal(this: &Foreign, steal: bool) -> Result<(), JsValue>;

    #[wasm_bindgen(method, setter, catch, js_name = signal)]
    fn set_signal(this: &Foreign, signal: &JsValue) -> Result<(), JsValue>;

    /// <https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Promise/then>
    #[wasm_bindgen(method, catch)]
    fn then(
        this: &Foreign,
        on_success: &Function,
        on_failure: &Function,
    ) -> Result<JsValue, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/LockManager/query>
    #[wasm_bindgen(method, catch)]
    pub(super) fn query(this: &Foreign) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn held(this: &Foreign) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn pending(this: &Foreign) -> Result<JsValue, JsValue>;

    /// The name of a lock, or of an error.
    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn name(this: &Foreign) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn mode(this: &Foreign) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, catch, js_name = clientId)]
    pub(super) fn client_id(this: &Foreign) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    pub(super) fn message(this: &Foreign) -> Result<JsValue, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/API/AbortController>
    pub(super) type AbortController;

    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<AbortController, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    fn signal(this: &AbortController) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(super) fn abort(this: &AbortController) -> Result<(), JsValue>;

    /// <https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Promise>
    #[wasm_bindgen(extends = js_sys::Promise)]
    pub(super) type Promise;

    #[wasm_bindgen(constructor, catch)]
    fn new(executor: &mut dyn FnMut(Function, Function)) -> Result<Promise, JsValue>;

    #[wasm_bindgen(static_method_of = Promise, catch)]
    fn resolve(value: &JsValue) -> Result<Promise, JsValue>;

    /// <https://developer.mozilla.org/docs/Web/JavaScript/Reference/Global_Objects/Function/bind>
    pub(super) type Bindable;

    #[wasm_bindgen(method, catch)]
    pub(super) fn bind(
        this: &Bindable,
        this_arg: &JsValue,
        slot: u32,
        serial: u32,
    ) -> Result<Function, JsValue>;
}

/// The options of a request.
/// <https://developer.mozilla.org/docs/Web/API/LockManager/request#options>
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Queue,
    IfAvailable,
    Steal,
}

pub(super) fn options(
    mode: LockMode,
    kind: Kind,
    controller: Option<&AbortController>,
) -> Result<Foreign, JsValue> {
    let options: Foreign = js_sys::Object::new().unchecked_into();
    options.set_mode(mode.as_str())?;
    match kind {
        Kind::Queue => {}
        Kind::IfAvailable => options.set_if_available(true)?,
        Kind::Steal => options.set_steal(true)?,
    }
    if let Some(controller) = controller {
        options.set_signal(&controller.signal()?)?;
    }
    Ok(options)
}

pub(super) fn abort_controller() -> Result<AbortController, JsValue> {
    AbortController::new()
}

/// A promise, and the function that resolves it.
pub(super) fn promise() -> Result<(Promise, Function), JsValue> {
    let mut resolve = None;
    let promise = Promise::new(&mut |resolver, _| resolve = Some(resolver))?;
    resolve
        .map(|resolve| (promise, resolve))
        .ok_or(JsValue::NULL)
}

/// Calls one of two functions when the promise that `call` returned is settled. (If it is no
/// promise of the platform's own, it may call both of them, at once, or twice.)
///
/// # Errors
///
/// If it is no promise: what it is instead.
pub(super) fn when_settled(
    call: &str,
    returned: &JsValue,
    on_success: &Function,
    on_failure: &Function,
) -> Result<(), String> {
    let returned: &Foreign = check_object(call, returned)?.unchecked_ref();
    let attached = returned.then(on_success, on_failure);
    attached.map(drop).map_err(|thrown| {
        let thrown = text(&thrown);
        format!("{call} returned no promise ({thrown})")
    })
}

/// A promise of the platform's own for the promise that `call` returned, which may be that of
/// a library.
///
/// # Errors
///
/// If it is no promise: what it is instead.
pub(super) fn promise_of(call: &str, returned: &JsValue) -> Result<Promise, String> {
    let promise = Promise::resolve(check_object(call, returned)?);
    promise.map_err(|thrown| text(&thrown))
}

fn check_object<'a>(call: &str, returned: &'a JsValue) -> Result<&'a JsValue, String> {
    match returned.is_object() {
        true => Ok(returned),
        false => Err(format!(
            "{call} returned {}, and no promise",
            text(returned)
        )),
    }
}

/// Any value as text.
pub(super) fn text(value: &JsValue) -> String {
    let text = to_string(value).ok().and_then(|text| text.as_string());
    text.unwrap_or_else(|| String::from("something that has no text"))
}

/// The text of a property, if it is a string.
pub(super) fn text_in(property: Result<JsValue, JsValue>) -> Option<String> {
    property.ok()?.as_string()
}
