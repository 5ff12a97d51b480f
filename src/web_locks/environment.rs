//! The environment: whether there is a lock manager here, and if not, why not.

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use super::bindings::{Foreign, text, text_in};
use crate::core::handoff::Settled;

pub(super) fn global() -> Foreign {
    js_sys::global().unchecked_into()
}

/// `navigator.locks`. It is looked up at every use, as it may be added or replaced later.
///
/// # Errors
///
/// Why there is none.
pub(super) fn lock_manager() -> Result<Foreign, String> {
    let navigator = global().navigator().map_err(|thrown| failed(&thrown))?;
    if !navigator.is_object() {
        return Err(why_missing());
    }
    let locks = navigator.locks().map_err(|thrown| failed(&thrown))?;
    match locks.is_object() {
        true => Ok(locks),
        false => Err(why_missing()),
    }
}

fn why_missing() -> String {
    match runtime() {
        Some(("Node", version)) => {
            return format!(
                "this Node ({version}) has no navigator.locks; it came with Node 24.5, \
                 and jsdom hides it; MemoryLockManager works within one thread"
            );
        }
        Some((name, version)) => {
            return format!(
                "{name} ({version}) has no navigator.locks; \
                 MemoryLockManager works within one thread"
            );
        }
        None => {}
    }
    let is_secure = global().is_secure_context();
    if is_secure.is_ok_and(|is_secure| is_secure.as_bool() == Some(false)) {
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

/// The runtime and its version, if it is no browser. The other runtimes also claim to be Node,
/// so they are looked for first.
fn runtime() -> Option<(&'static str, String)> {
    let navigator = global().navigator();
    let agent = navigator.and_then(|navigator| navigator.user_agent());
    if let Some(agent) = text_in(agent).filter(|agent| agent == "Cloudflare-Workers") {
        return Some(("workerd", agent));
    }
    let versions = global().process().ok()?.versions().ok()?;
    let bun = text_in(versions.bun()).map(|version| ("Bun", version));
    let deno = || text_in(versions.deno()).map(|version| ("Deno", version));
    let node = || text_in(versions.node()).map(|version| ("Node", version));
    bun.or_else(deno).or_else(node)
}

/// Whether this is Node, which differs in some points. Its `navigator.locks` reaches the
/// threads of one process. That of a browser reaches all tabs of an origin.
pub(super) fn is_node() -> bool {
    thread_local! {
        static IS_NODE: bool = runtime().is_some() && !is_page_of_electron();
    }
    IS_NODE.with(|is_node| *is_node)
}

/// Electron can give its pages and their workers Node's `process`. Their `navigator` is that
/// of Chromium nevertheless.
fn is_page_of_electron() -> bool {
    let kind = global()
        .process()
        .and_then(|process| process.process_type());
    let pages = ["renderer", "worker", "service-worker"];
    text_in(kind).is_some_and(|kind| pages.contains(&kind.as_str()))
}

/// What a rejected promise of a request means.
pub(super) fn rejected(rejection: &JsValue) -> Settled<String> {
    match describe(rejection).0.as_str() {
        "AbortError" => Settled::Aborted,
        _ => Settled::Failed(failed(rejection)),
    }
}

/// Says why `navigator.locks` threw, or rejected a promise.
pub(super) fn failed(rejection: &JsValue) -> String {
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

/// The name and the message of anything that was thrown.
fn describe(rejection: &JsValue) -> (String, String) {
    let a_non_error = || (String::from("a non-error"), text(rejection));
    if !rejection.is_object() {
        return a_non_error();
    }
    let error: &Foreign = rejection.unchecked_ref();
    match (text_in(error.name()), text_in(error.message())) {
        (Some(name), message) => (name, message.unwrap_or_default()),
        (None, _) => a_non_error(),
    }
}
