//! A way round another fault of Node: a request that was withdrawn stays in its queue.
//! When its turn comes it is granted and freed at once, but that takes a few turns of
//! the microtask queue, in which nobody else can have the lock. So after such a
//! withdrawal the next release of the same lock takes until they are over.

use std::cell::RefCell;

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::platform::is_node;

#[wasm_bindgen]
extern "C" {
    /// <https://nodejs.org/api/timers.html#setimmediatecallback-args>
    #[wasm_bindgen(js_name = setImmediate)]
    fn set_immediate(callback: &Function);
}

thread_local! {
    /// The names of the locks that may have ghosts of ours.
    static HAUNTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A request for `name` was withdrawn.
pub(super) fn left_for(name: &str) {
    if !is_node() {
        return;
    }
    HAUNTED.with_borrow_mut(|haunted| {
        if !haunted.iter().any(|known| known == name) {
            haunted.push(name.to_owned());
        }
    });
}

/// Whether a release of `name` has to wait until they are [`gone`].
pub(super) fn are_for(name: &str) -> bool {
    HAUNTED.with_borrow_mut(|haunted| {
        let place = haunted.iter().position(|known| known == name);
        place.map(|place| haunted.swap_remove(place)).is_some()
    })
}

/// Ready when all that Node had to do at once is done.
pub(super) async fn gone() {
    let done = Promise::new(&mut |resolve, _| set_immediate(&resolve));
    let _ = JsFuture::from(done).await;
}
