//! Where we run: is there a lock manager, and if not, why not.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::bindings::{Global, LockManager, Rejection, text};
use crate::error::LockError;

pub(super) fn global() -> Global {
    js_sys::global().unchecked_into()
}

/// `navigator.locks`. Looked up at every use: a page that was loaded into a
/// place without it must not be told once and for all.
///
/// # Errors
///
/// Why there is none.
pub(super) fn lock_manager() -> Result<LockManager, String> {
    let global = global();
    let locks = global.navigator().and_then(|navigator| navigator.locks());
    locks.ok_or_else(|| why_missing(&global))
}

fn why_missing(global: &Global) -> String {
    if let Some(version) = node_version() {
        return format!(
            "this Node ({version}) has no navigator.locks; it came with Node 24.5, \
             and jsdom hides it; MemoryLockManager works within one thread"
        );
    }
    if global.is_secure_context() == Some(false) {
        return String::from(
            "navigator.locks exists in secure contexts only; \
             serve the page over https or from localhost",
        );
    }
    String::from(
        "there is no navigator.locks here; it needs Chrome 69, Firefox 96 or Safari 15.4, \
         and a document with an origin of its own (not about:blank or data:)",
    )
}

/// Whether this is Node, which does some things otherwise.
pub(super) fn is_node() -> bool {
    thread_local! {
        static IS_NODE: bool = node_version().is_some();
    }
    IS_NODE.with(|is_node| *is_node)
}

/// Node's version, if this is Node. Its `navigator.locks` reaches the threads of
/// one process, a browser's all tabs of an origin.
pub(super) fn node_version() -> Option<String> {
    global().process()?.versions()?.node()
}

/// Why the browser rejected a request or a query.
pub(super) fn why_turned_down(rejection: &JsValue) -> String {
    let (name, message) = describe(rejection);
    match name.as_str() {
        "SecurityError" => format!(
            "the browser allows no locks here, as in a sandboxed iframe \
             without allow-same-origin or with storage blocked ({message})"
        ),
        "InvalidStateError" => format!("the document is not active ({message})"),
        _ => format!("navigator.locks failed with {name}: {message}"),
    }
}

/// Why the browser rejected the promise of a lock that was held.
pub(super) fn why_lost(rejection: &JsValue) -> String {
    let (name, message) = describe(rejection);
    match name.as_str() {
        // The specification has this for steal alone once a lock is granted.
        "AbortError" => String::from("it was stolen"),
        _ => format!("the browser took it away with {name}: {message}"),
    }
}

pub(super) fn unavailable(reason: String) -> LockError {
    LockError::Unavailable { reason }
}

/// Name and message of anything that was thrown.
fn describe(rejection: &JsValue) -> (String, String) {
    if !rejection.is_object() {
        return (String::from("a non-error"), text(rejection));
    }
    let error: &Rejection = rejection.unchecked_ref();
    (
        error.error_name().unwrap_or_default(),
        error.message().unwrap_or_default(),
    )
}
