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

use super::hold::{self, Phase};
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
            let_go_of_everything();
        }
    });
    global().add_event_listener("pagehide", listener.as_ref().unchecked_ref());
    // The page keeps the listener for as long as it lives, and so must we.
    listener.forget();
}

fn let_go_of_everything() {
    let why = "the page went into the back/forward cache";
    for hold in hold::all() {
        hold.advance(|phase| match phase {
            Phase::Held { .. } => Some(Phase::Lost(why.to_owned())),
            Phase::Waiting => Some(Phase::TurnedDown(why.to_owned())),
            // The promise that would say so may never be settled once we are frozen,
            // and nobody is to wait for it for ever.
            Phase::Releasing => Some(Phase::Freed),
            _ => None,
        });
    }
}
