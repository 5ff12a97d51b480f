//! [`Request`]: one call of `navigator.locks.request()`, from sending it to the
//! moment when the browser is done with it.

use std::sync::Arc;

use js_sys::{Object, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::AbortController;

use super::bindings::{LockManager, RequestOptions};
use super::guard::WebLockGuard;
use super::hold::{Hold, Phase};
use super::page;
use super::platform::{unavailable, why_lost, why_turned_down};
use super::round_trip::round_trip;
use crate::error::LockError;
use crate::guard::LockMode;
use crate::key::LockKey;
use crate::promise::promise;
use crate::time::Stamp;

/// What the browser shall do if the lock is not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IfHeld {
    Queue,
    Refuse,
    Steal,
}

/// A request that was sent. Dropping it withdraws it, and passes the lock on if
/// the browser grants it all the same.
#[derive(Debug)]
pub(super) struct Request {
    /// Lets go when it is dropped, granted or not. Dropped before `abort`, so that
    /// a callback which still comes finds that nobody wants the lock.
    claim: WebLockGuard,
    abort: AbortOnDrop,
}

impl Request {
    pub(super) fn send(
        locks: &LockManager,
        key: LockKey,
        name: String,
        mode: LockMode,
        if_held: IfHeld,
    ) -> Result<Self, LockError> {
        let options: RequestOptions = Object::new().unchecked_into();
        options.set_mode(mode.as_str());
        let mut abort = AbortOnDrop(None);
        match if_held {
            IfHeld::Queue => {
                let controller = AbortController::new().map_err(|e| turned_down(&e))?;
                options.set_signal(&controller.signal());
                abort.0 = Some(controller);
            }
            // The specification allows no signal with these two.
            IfHeld::Refuse => options.set_if_available(true),
            IfHeld::Steal => options.set_steal(true),
        }

        page::watch();
        let hold = Hold::register(name, mode);
        let callback = Closure::once({
            let hold = Arc::clone(&hold);
            move |lock: JsValue| on_answer(hold, &lock)
        });
        let sent = locks.request(&hold.name, &options, callback.as_ref().unchecked_ref());
        match sent {
            Ok(promise) => {
                let hold = Arc::clone(&hold);
                spawn_local(drive(locks.clone(), hold, promise, callback));
            }
            Err(thrown) => {
                hold.forget();
                return Err(turned_down(&thrown));
            }
        }
        let claim = WebLockGuard::new(key, hold);
        Ok(Self { claim, abort })
    }

    /// Waits for the browser's answer: granted or not. *Not* comes only where the
    /// request was not to [queue](IfHeld::Queue).
    pub(super) async fn answer(&self) -> Result<bool, LockError> {
        self.claim
            .hold()
            .until(|phase| match phase {
                Phase::Waiting => None,
                Phase::Held { .. } => Some(Ok(true)),
                Phase::Busy => Some(Ok(false)),
                Phase::TurnedDown(reason) => Some(Err(unavailable(reason.clone()))),
                // Granted, and taken away before anyone looked.
                Phase::Lost(reason) => Some(Err(self.claim.lost_because(reason))),
                Phase::Releasing | Phase::Freed => {
                    unreachable!("only dropping the request lets go of it")
                }
            })
            .await
    }

    /// Whether the browser has granted the request by now.
    pub(super) fn is_granted(&self) -> bool {
        matches!(self.claim.hold().phase(), Phase::Held { .. })
    }

    /// The guard of a request that was granted.
    pub(super) fn into_guard(self) -> WebLockGuard {
        let Self { claim, mut abort } = self;
        abort.0 = None;
        claim
    }
}

#[derive(Debug)]
struct AbortOnDrop(Option<AbortController>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(controller) = &self.0 {
            controller.abort();
        }
    }
}

fn turned_down(rejection: &JsValue) -> LockError {
    unavailable(why_turned_down(rejection))
}

/// The callback that the browser runs. The lock is ours until the promise that is
/// returned here is resolved.
///
/// It must not throw: Node never frees a lock whose callback did.
fn on_answer(hold: Arc<Hold>, lock: &JsValue) -> JsValue {
    let next = if lock.is_null() {
        Phase::Busy
    } else {
        Phase::Held {
            since: Stamp::now(),
        }
    };
    hold.advance(|phase| matches!(phase, Phase::Waiting).then_some(next));
    if !matches!(hold.phase(), Phase::Held { .. }) {
        // Nobody wants it any more: it is free again at once.
        return JsValue::UNDEFINED;
    }
    let let_go = async move {
        let still_held = |phase: &Phase| matches!(phase, Phase::Held { .. });
        hold.until(|phase| (!still_held(phase)).then_some(())).await;
        Ok(JsValue::UNDEFINED)
    };
    promise(let_go).into()
}

/// Stays with a request until the browser is done with it. Having awaited the
/// promise, it also keeps any rejection from being reported as unhandled.
///
/// `callback` lives here because the browser may call it until then.
async fn drive(
    locks: LockManager,
    hold: Arc<Hold>,
    promise: Promise,
    callback: Closure<dyn FnMut(JsValue) -> JsValue>,
) {
    let result = JsFuture::from(promise).await;
    if result.is_err() && matches!(hold.phase(), Phase::Releasing) {
        // The promise of a wait that was dropped is rejected here in the page. The
        // lock manager may not have heard of it, and may have granted the lock.
        round_trip(&locks).await;
    }
    drop(callback);
    hold.forget();
    hold.advance(|phase| match (phase, result) {
        (Phase::Releasing, _) => Some(Phase::Freed),
        (Phase::Held { .. }, Err(why)) => Some(Phase::Lost(why_lost(&why))),
        (Phase::Held { .. }, Ok(_)) => Some(Phase::Lost(String::from("the browser ended it"))),
        (Phase::Waiting, Err(why)) => Some(Phase::TurnedDown(why_turned_down(&why))),
        (Phase::Waiting, Ok(_)) => Some(Phase::TurnedDown(String::from(
            "navigator.locks.request() ended without calling back",
        ))),
        (Phase::Freed | Phase::Lost(_) | Phase::Busy | Phase::TurnedDown(_), _) => None,
    });
}
