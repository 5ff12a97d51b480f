//! The back/forward cache: a page that goes into it loses its locks.
//!
//! Browsers differ in what they do with the locks of a page that is put aside
//! (refuse to put it aside, free the locks without a word, or throw the page away
//! when somebody else wants one), and a page that comes back cannot ask which. So
//! it is settled on the way in, where all agree: when `pagehide` says that the page
//! may be kept, its locks are let go and its guards marked lost, before the page is
//! frozen and before anything of it can run again. Waits end with an error rather
//! than hold up other tabs from inside the cache.
//!
//! Workers get no such event; a page whose workers hold locks is not kept by any
//! browser we know.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use wasm_bindgen::prelude::*;

use super::context::Context;
use super::platform::global;

#[wasm_bindgen]
extern "C" {
    /// <https://developer.mozilla.org/docs/Web/API/PageTransitionEvent>
    type PageTransitionEvent;

    #[wasm_bindgen(method, getter)]
    fn persisted(this: &PageTransitionEvent) -> bool;
}

static WATCHING: AtomicBool = AtomicBool::new(false);

/// Begins to listen, once, and not before the first lock is asked for.
pub(super) fn watch() {
    if WATCHING.swap(true, Relaxed) || global().document().is_undefined() {
        return;
    }
    let listener = Closure::<dyn Fn(PageTransitionEvent)>::new(|event: PageTransitionEvent| {
        if event.persisted() {
            Context::here().act(|relay, _| {
                relay.freeze("the page went into the back/forward cache");
            });
        }
    });
    global().add_event_listener("pagehide", listener.as_ref().unchecked_ref());
    // The page keeps the listener for as long as it lives, and so must we.
    listener.forget();
}
