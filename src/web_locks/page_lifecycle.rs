//! The page lifecycle: the back/forward cache, and pages that are hidden.
//!
//! A page that goes into the back/forward cache loses its locks. Browsers differ in what they
//! do with the locks of such a page: they do not keep the page, free the locks without a word,
//! or discard the page when somebody else wants one. A page that comes back cannot ask which.
//! So it is decided when the page goes in, where all browsers agree: when `pagehide` says that
//! the page may be kept, its locks are released and its guards are marked lost, before the page
//! is frozen and before any of its code runs again. Its waits end with an error, so that they
//! do not hold up other tabs from inside the cache.
//!
//! Workers get no such event, and browsers do not agree on a page whose *worker* holds
//! locks. Firefox (153) does not keep it. Chromium (156) keeps it until another tab wants
//! one of the locks, and then discards it. WebKit (2.50) keeps it, with the worker
//! frozen and its locks held, and others wait until they time out. Only the application
//! can do something about that: in the page's own `pagehide`, it ends the worker, or tells it
//! to release. (The worker may read a message too late, after the page was frozen. Ending the
//! worker is never too late.)
//!
//! Whether the page is hidden matters, too: the timers of a hidden page may come too late for
//! a [reminder](crate::core::handoff::HandOff::set_hidden).

use std::cell::Cell;

use wasm_bindgen::prelude::*;

use super::bindings::{Foreign, text, text_in};
use super::environment::global;
use super::events::PlatformEvents;

thread_local! {
    /// Of this page: with threads, each worker has an instance of the same memory.
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Begins to listen, where there is a document, and reports to `events`. It is called when the
/// first lock is asked for, and not before.
///
/// # Errors
///
/// Why the page cannot be listened to. A lock would be lost without anybody noticing.
pub(super) fn watch(events: impl PlatformEvents) -> Result<(), String> {
    if IS_WATCHED.get() {
        return Ok(());
    }
    let document = match global().document() {
        Ok(document) if document.is_object() => document,
        // A worker, or Node.
        _ => return Ok(()),
    };
    listen(&global(), "pagehide", move |event: Foreign| {
        let is_kept = event.persisted().is_ok_and(|kept| kept.is_truthy());
        if is_kept {
            events.page_cached();
        }
    })?;
    listen(&document, "visibilitychange", move |_| {
        report_visibility(events);
    })?;
    IS_WATCHED.set(true);
    report_visibility(events);
    Ok(())
}

fn listen(to: &Foreign, event: &str, listener: impl Fn(Foreign) + 'static) -> Result<(), String> {
    let listener = Closure::<dyn Fn(Foreign)>::new(listener).into_js_value();
    let added = to.add_event_listener(event, &listener);
    added.map(drop).map_err(|thrown| {
        let thrown = text(&thrown);
        format!("the page cannot be listened to: addEventListener(\"{event}\") threw {thrown}")
    })
}

fn report_visibility(events: impl PlatformEvents) {
    let document = global().document();
    let visibility = text_in(document.and_then(|document| document.visibility_state()));
    events.page_visibility(visibility.as_deref() == Some("hidden"));
}
