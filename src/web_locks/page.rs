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
//! Workers get no such event, and browsers do not agree on a page whose *worker* holds
//! locks. Firefox (153) does not keep it. Chromium (156) keeps it until another tab wants
//! one of the locks, and then throws it away. WebKit (2.50) keeps it, with the worker
//! frozen and its locks held, and others wait until they time out. Only the application
//! can do something about that: in the page's own `pagehide`, end the worker, or tell it
//! to release. (A message may be read too late, after the page was frozen; ending the worker is not.)
//!
//! A hidden page is listened for as well: its timers are no [reminders](HandOff::set_hidden).

use std::cell::Cell;

use wasm_bindgen::prelude::*;

use super::bindings::{Foreign, text, text_in};
use super::context::Context;
use super::named::describe;
use super::platform::global;
#[expect(unused_imports, reason = "the documentation refers to it")]
use crate::core::handoff::HandOff;
use crate::core::handoff::Reason;

thread_local! {
    /// Of this page: with threads, each worker has an instance of the same memory.
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Begins to listen, where there is a document, and not before the first lock is asked for.
///
/// # Errors
///
/// Why that cannot be. A lock would be lost without anybody noticing.
pub(super) fn watch() -> Result<(), String> {
    if IS_WATCHED.get() {
        return Ok(());
    }
    let document = match global().document() {
        Ok(document) if document.is_object() => document,
        // A worker, or Node.
        _ => return Ok(()),
    };
    listen(&global(), "pagehide", |event: Foreign| {
        let is_kept = event.persisted().is_ok_and(|kept| kept.is_truthy());
        if is_kept {
            lose_all();
        }
    })?;
    listen(&document, "visibilitychange", |_| look())?;
    IS_WATCHED.set(true);
    look();
    Ok(())
}

fn lose_all() {
    // Asked first: in the npm package nothing is ever logged, nor is the code for it there.
    let is_told = log::log_enabled!(target: "crosslock", log::Level::Warn);
    let mut held = 0;
    Context::here().act(|rules, _| {
        if is_told {
            rules.for_each_own(|_, own| held += usize::from(own.is_held));
        }
        rules.lose_all();
    });
    if held > 0 {
        let reason = describe(&Reason::Cached);
        log::warn!(target: "crosslock", "{reason}: {held} locks are lost");
    }
}

fn listen(to: &Foreign, event: &str, listener: impl Fn(Foreign) + 'static) -> Result<(), String> {
    let listener = Closure::<dyn Fn(Foreign)>::new(listener).into_js_value();
    let added = to.add_event_listener(event, &listener);
    added.map(drop).map_err(|thrown| {
        let thrown = text(&thrown);
        format!("the page cannot be listened to: addEventListener(\"{event}\") threw {thrown}")
    })
}

/// Tells the rules whether the page is hidden.
fn look() {
    let document = global().document();
    let visibility = text_in(document.and_then(|document| document.visibility_state()));
    let is_hidden = visibility.as_deref() == Some("hidden");
    Context::here().act(|rules, now| rules.set_hidden(is_hidden, now));
}
