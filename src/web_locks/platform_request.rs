//! Platform requests: what there is in the browser for each grant of the
//! [rules](crate::core::handoff), from the call of `navigator.locks.request()` until its
//! release is commanded or its end reported.
//!
//! Nothing is decided here. Whatever the browser says is [reported](PlatformEvents), with the
//! number of the grant that it is about. That number is bound to each of the functions that
//! the browser calls. They are bound anew for each request but made once for each thread, so
//! the browser can call them at any time, however late.
//!
//! The place of a request is kept for the next grant in the same slot. The controller that
//! withdraws a request, and the name as a JavaScript string, cost as much to make as all the
//! rest.

use std::cell::{OnceCell, RefCell};

use js_sys::{Function, JsString};
use wasm_bindgen::prelude::*;

use super::bindings::{self, AbortController, Bindable, Foreign, Kind, when_settled};
use super::environment::{failed, is_node, lock_manager, rejected};
use super::events::PlatformEvents;
use super::node_wakeup;
use crate::core::handoff::{GrantId, IfHeld, Settled};
use crate::guard::LockMode;
use crate::tasks;

/// How many places are kept for other grants.
const KEPT: usize = 16;

thread_local! {
    static PLACES: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
    static LISTENERS: OnceCell<Listeners> = const { OnceCell::new() };
}

#[derive(Default)]
struct Place {
    request: Option<PlatformRequest>,
    /// The name that was last asked for, in Rust and in JavaScript.
    name: Option<(String, JsString)>,
    queueing: Option<Queueing>,
    /// The options of a request that does not queue, by its mode.
    trying: Option<(LockMode, Foreign)>,
}

struct PlatformRequest {
    serial: u32,
    /// Whether the request may be withdrawn.
    is_queued: bool,
    is_answered: bool,
    /// Resolves the promise on which the browser holds the lock.
    free: Option<Function>,
}

/// The options of a request that queues, with the signal of the controller.
struct Queueing {
    mode: LockMode,
    options: Foreign,
    /// Not in Node (24 to 26), where a signal is of no use: a request whose signal was aborted stays in the queue
    /// until its turn comes, and then one with a signal is in the way of others for longer than a round trip takes.
    /// One without is granted and freed within one step.
    controller: Option<AbortController>,
}

/// What the browser calls, with the number of a grant bound in front of the arguments.
struct Listeners {
    on_answer: Bindable,
    on_success: Bindable,
    on_failure: Bindable,
}

impl Listeners {
    fn new(events: impl PlatformEvents) -> Self {
        // Each may be called again while it runs, so none is `FnMut`.
        let on_answer: Closure<dyn Fn(u32, u32, JsValue) -> JsValue> =
            Closure::new(move |slot, serial, lock| {
                on_answer(GrantId { slot, serial }, &lock, events)
            });
        let on_success: Closure<dyn Fn(u32, u32)> = Closure::new(move |slot, serial| {
            on_settled(GrantId { slot, serial }, Settled::Resolved, events);
        });
        let on_failure: Closure<dyn Fn(u32, u32, JsValue)> =
            Closure::new(move |slot, serial, why: JsValue| {
                on_settled(GrantId { slot, serial }, rejected(&why), events);
            });
        Self {
            on_answer: on_answer.into_js_value().unchecked_into(),
            on_success: on_success.into_js_value().unchecked_into(),
            on_failure: on_failure.into_js_value().unchecked_into(),
        }
    }
}

/// Requests the lock `name` for `grant`, and reports to `events`, which are the same in every
/// call.
///
/// # Errors
///
/// Why it cannot be requested.
pub(super) fn send(
    grant: GrantId,
    name: &str,
    mode: LockMode,
    if_held: IfHeld,
    events: impl PlatformEvents,
) -> Result<(), String> {
    let sent = try_to_send(grant, name, mode, if_held, events);
    if sent.is_err() {
        // The request may have been made before something else failed. Nobody wants it.
        release(grant, events);
    }
    sent
}

fn try_to_send(
    grant: GrantId,
    name: &str,
    mode: LockMode,
    if_held: IfHeld,
    events: impl PlatformEvents,
) -> Result<(), String> {
    let locks = lock_manager()?;
    let thrown = |thrown| failed(&thrown);
    let bound = |function: &Bindable| {
        let bound = function.bind(&JsValue::UNDEFINED, grant.slot, grant.serial);
        bound.map_err(thrown)
    };
    let [on_answer, on_success, on_failure] = LISTENERS.with(|listeners| {
        let listeners = listeners.get_or_init(|| Listeners::new(events));
        Ok::<_, String>([
            bound(&listeners.on_answer)?,
            bound(&listeners.on_success)?,
            bound(&listeners.on_failure)?,
        ])
    })?;
    let options = options(grant, mode, if_held).map_err(thrown)?;
    let is_queued = if_held == IfHeld::Queue;
    let name = place(grant, |place| {
        place.request = Some(PlatformRequest {
            serial: grant.serial,
            is_queued,
            is_answered: !is_queued,
            free: None,
        });
        place.name(name)
    });
    if is_queued {
        node_wakeup::wait_began();
    }
    // Nothing of ours is borrowed: Node calls back at once where nothing is to be waited for.
    let sent = locks.request(&name, &options, &on_answer).map_err(thrown)?;
    // With both, a rejection is never reported as unhandled.
    when_settled("navigator.locks.request()", &sent, &on_success, &on_failure)
}

/// Withdraws the request, or frees the lock. What follows is reported to `events`, later.
pub(super) fn release(grant: GrantId, events: impl PlatformEvents) {
    match take(grant) {
        Some((
            PlatformRequest {
                free: Some(free), ..
            },
            _,
        )) => drop(free.call0(&JsValue::UNDEFINED)),
        // If that fails, the lock will be granted some day, and freed at once as nobody wants it.
        Some((_, Some(queueing))) => match queueing.controller {
            Some(controller) => drop(controller.abort()),
            None => tasks::spawn(async move { on_settled(grant, Settled::Aborted, events) }),
        },
        _ => {}
    }
}

/// Forgets a request of which nothing is left to be done.
pub(super) fn forget(grant: GrantId) {
    drop(take(grant));
}

/// Takes a request that is over out of its place. If it still waited for its lock, what
/// withdraws it comes along: another request must not share its signal, which may be aborted.
fn take(grant: GrantId) -> Option<(PlatformRequest, Option<Queueing>)> {
    let (request, queueing) = PLACES.with_borrow_mut(|places| {
        let place = places.get_mut(grant.slot as usize)?;
        let request = place
            .request
            .take_if(|request| request.serial == grant.serial)?;
        let is_waiting = request.is_queued && !request.is_answered;
        let queueing = is_waiting.then(|| place.queueing.take()).flatten();
        while places.len() > KEPT && places.last().is_some_and(|place| place.request.is_none()) {
            places.pop();
        }
        if places.len() <= KEPT && places.capacity() > 4 * KEPT {
            places.shrink_to(KEPT);
        }
        Some((request, queueing))
    })?;
    if !request.is_answered {
        node_wakeup::wait_ended();
    }
    Some((request, queueing))
}

/// The options of a request. Nothing is borrowed while they are made.
fn options(grant: GrantId, mode: LockMode, if_held: IfHeld) -> Result<Foreign, JsValue> {
    match if_held {
        IfHeld::Queue => {
            let kept = place(grant, |place| {
                let kept = place.queueing.as_ref().filter(|kept| kept.mode == mode);
                kept.map(|kept| kept.options.clone())
            });
            if let Some(options) = kept {
                return Ok(options);
            }
            let controller = match is_node() {
                true => None,
                false => Some(bindings::abort_controller()?),
            };
            let options = bindings::options(mode, Kind::Queue, controller.as_ref())?;
            let queueing = Some(Queueing {
                mode,
                options: options.clone(),
                controller,
            });
            drop(place(grant, |place| {
                std::mem::replace(&mut place.queueing, queueing)
            }));
            Ok(options)
        }
        // Without a signal: the specification does not allow one with `ifAvailable` or `steal`.
        IfHeld::Refuse => {
            let kept = place(grant, |place| {
                let kept = place.trying.as_ref().filter(|kept| kept.0 == mode);
                kept.map(|kept| kept.1.clone())
            });
            if let Some(options) = kept {
                return Ok(options);
            }
            let options = bindings::options(mode, Kind::IfAvailable, None)?;
            place(grant, |place| place.trying = Some((mode, options.clone())));
            Ok(options)
        }
        IfHeld::Steal => bindings::options(mode, Kind::Steal, None),
    }
}

impl Place {
    fn name(&mut self, name: &str) -> JsString {
        match &self.name {
            Some((known, in_js)) if known == name => in_js.clone(),
            _ => {
                let in_js = JsString::from(name);
                self.name = Some((name.to_owned(), in_js.clone()));
                in_js
            }
        }
    }
}

/// The callback that the browser runs. The browser keeps the lock for us until the promise
/// that is returned here is resolved. If none is returned, the lock is free again at once.
///
/// It must not throw: Node never frees a lock whose callback did.
fn on_answer(grant: GrantId, lock: &JsValue, events: impl PlatformEvents) -> JsValue {
    let was_answered = request_of(grant, |request| {
        std::mem::replace(&mut request.is_answered, true)
    });
    if was_answered == Some(false) {
        node_wakeup::wait_ended();
    }
    // `undefined` is nothing that a browser calls back with, and no lock.
    let has_lock = !lock.is_null() && !lock.is_undefined();
    let is_wanted = events.called_back(grant, has_lock);
    let held = is_wanted.then(|| hold(grant)).flatten();
    if is_wanted && held.is_none() {
        let why = String::from("the promise to hold the lock on could not be made");
        on_settled(grant, Settled::Failed(why), events);
    }
    // Now that what releases the lock is in its place: somebody might release it at once.
    events.apply_commands();
    held.unwrap_or(JsValue::UNDEFINED)
}

/// The promise on which the browser is to hold the lock of `grant`.
fn hold(grant: GrantId) -> Option<JsValue> {
    let (promise, free) = bindings::promise().ok()?;
    request_of(grant, |request| request.free = Some(free))?;
    Some(promise.into())
}

fn on_settled(grant: GrantId, how: Settled<String>, events: impl PlatformEvents) {
    forget(grant);
    events.settled(grant, how);
}

/// Nothing in `work` may run foreign code.
fn place<T>(grant: GrantId, work: impl FnOnce(&mut Place) -> T) -> T {
    let slot = grant.slot as usize;
    PLACES.with_borrow_mut(|places| {
        if places.len() <= slot {
            places.resize_with(slot + 1, Place::default);
        }
        work(&mut places[slot])
    })
}

/// `None` if there is no request for `grant` any more.
fn request_of<T>(grant: GrantId, work: impl FnOnce(&mut PlatformRequest) -> T) -> Option<T> {
    PLACES.with_borrow_mut(|places| {
        let request = places.get_mut(grant.slot as usize)?.request.as_mut();
        request
            .filter(|request| request.serial == grant.serial)
            .map(work)
    })
}
