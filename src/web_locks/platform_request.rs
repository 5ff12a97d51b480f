//! Errands: what there is in the browser for each grant of the [rules](crate::core::handoff),
//! from the call of `navigator.locks.request()` until its end is ordered or said.
//!
//! Nothing is decided here: what the browser says goes to the rules, with the number of
//! the grant that it is about, which is bound to each of the functions that it calls. They
//! are bound anew for each request, and made once for each thread, so there is always one
//! to call, however late.
//!
//! The place of an errand is kept for the next grant in the same slot: the controller that
//! withdraws a request, and the name as the browser knows it, cost as much to make as all
//! the rest.

use std::cell::RefCell;

use js_sys::{Function, JsString};
use wasm_bindgen::prelude::*;

use super::bindings::{self, AbortController, Bindable, Foreign, Kind, when_settled};
use super::context::Context;
use super::nudge;
use super::platform::{failed, lock_manager, rejected};
use crate::core::handoff::{GrantId, IfHeld, Settled};
use crate::guard::LockMode;

/// More places than these are not kept for other grants.
const KEPT: usize = 16;

thread_local! {
    static PLACES: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
    static LISTENERS: Listeners = Listeners::new();
}

#[derive(Default)]
struct Place {
    errand: Option<Errand>,
    /// The name that was last asked for, here and there.
    name: Option<(String, JsString)>,
    queueing: Option<Queueing>,
    /// The options of a request that does not queue, by its mode.
    trying: Option<(LockMode, Foreign)>,
}

struct Errand {
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
    controller: AbortController,
}

/// What the browser calls, with the number of a grant bound in front of the arguments.
struct Listeners {
    on_answer: Bindable,
    on_success: Bindable,
    on_failure: Bindable,
}

impl Listeners {
    fn new() -> Self {
        // Each may be called again while it runs, so none is `FnMut`.
        let on_answer: Closure<dyn Fn(u32, u32, JsValue) -> JsValue> =
            Closure::new(|slot, serial, lock| on_answer(GrantId { slot, serial }, &lock));
        let on_success: Closure<dyn Fn(u32, u32)> = Closure::new(|slot, serial| {
            on_settled(GrantId { slot, serial }, Settled::Resolved);
        });
        let on_failure: Closure<dyn Fn(u32, u32, JsValue)> =
            Closure::new(|slot, serial, why: JsValue| {
                on_settled(GrantId { slot, serial }, rejected(&why));
            });
        Self {
            on_answer: on_answer.into_js_value().unchecked_into(),
            on_success: on_success.into_js_value().unchecked_into(),
            on_failure: on_failure.into_js_value().unchecked_into(),
        }
    }
}

/// Requests the lock `name` for `grant`. `Err` says why that cannot be.
pub(super) fn send(
    grant: GrantId,
    name: &str,
    mode: LockMode,
    if_held: IfHeld,
) -> Result<(), String> {
    let sent = try_to_send(grant, name, mode, if_held);
    if sent.is_err() {
        // What was requested before it failed is not wanted any more.
        end(grant);
    }
    sent
}

fn try_to_send(grant: GrantId, name: &str, mode: LockMode, if_held: IfHeld) -> Result<(), String> {
    let locks = lock_manager()?;
    let thrown = |thrown| failed(&thrown);
    let bound = |function: &Bindable| {
        let bound = function.bind(&JsValue::UNDEFINED, grant.slot, grant.serial);
        bound.map_err(thrown)
    };
    let [on_answer, on_success, on_failure] = LISTENERS.with(|listeners| {
        Ok::<_, String>([
            bound(&listeners.on_answer)?,
            bound(&listeners.on_success)?,
            bound(&listeners.on_failure)?,
        ])
    })?;
    let options = options(grant, mode, if_held).map_err(thrown)?;
    let is_queued = if_held == IfHeld::Queue;
    let name = place(grant, |place| {
        place.errand = Some(Errand {
            serial: grant.serial,
            is_queued,
            is_answered: !is_queued,
            free: None,
        });
        place.name(name)
    });
    if is_queued {
        nudge::waiting();
    }
    // Nothing of ours is borrowed: Node calls back at once where nothing is to be waited for.
    let sent = locks.request(&name, &options, &on_answer).map_err(thrown)?;
    // With both, a rejection is never reported as unhandled.
    when_settled("navigator.locks.request()", &sent, &on_success, &on_failure)
}

/// Withdraws the request, or frees the lock.
pub(super) fn end(grant: GrantId) {
    match take(grant) {
        Some((
            Errand {
                free: Some(free), ..
            },
            _,
        )) => drop(free.call0(&JsValue::UNDEFINED)),
        // If that fails it will be granted some day, and freed as nobody wants it.
        Some((_, Some(queueing))) => drop(queueing.controller.abort()),
        _ => {}
    }
}

/// Forgets an errand of which nothing is left to be done.
pub(super) fn forget(grant: GrantId) {
    drop(take(grant));
}

/// An errand that is over; and if it still waited for its lock, what withdraws it: a signal
/// that was of no use, or is aborted, is for no other request.
fn take(grant: GrantId) -> Option<(Errand, Option<Queueing>)> {
    let (errand, queueing) = PLACES.with_borrow_mut(|places| {
        let place = places.get_mut(grant.slot as usize)?;
        let errand = place
            .errand
            .take_if(|errand| errand.serial == grant.serial)?;
        let is_waiting = errand.is_queued && !errand.is_answered;
        let queueing = is_waiting.then(|| place.queueing.take()).flatten();
        while places.len() > KEPT && places.last().is_some_and(|place| place.errand.is_none()) {
            places.pop();
        }
        if places.len() <= KEPT && places.capacity() > 4 * KEPT {
            places.shrink_to(KEPT);
        }
        Some((errand, queueing))
    })?;
    if !errand.is_answered {
        nudge::answered();
    }
    Some((errand, queueing))
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
            let controller = bindings::abort_controller()?;
            let options = bindings::options(mode, Kind::Queue, Some(&controller))?;
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
        // Without a signal, which the specification allows with neither of these two.
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
            Some((known, there)) if known == name => there.clone(),
            _ => {
                let there = JsString::from(name);
                self.name = Some((name.to_owned(), there.clone()));
                there
            }
        }
    }
}

/// The callback that the browser runs. The lock is ours until the promise that is
/// returned here is resolved; if none is, it is free again at once.
///
/// It must not throw: Node never frees a lock whose callback did.
fn on_answer(grant: GrantId, lock: &JsValue) -> JsValue {
    let was_answered = errand_of(grant, |errand| {
        std::mem::replace(&mut errand.is_answered, true)
    });
    if was_answered == Some(false) {
        nudge::answered();
    }
    // `undefined` is nothing that a browser calls back with, and no lock.
    let has_lock = !lock.is_null() && !lock.is_undefined();
    let context = Context::here();
    let is_wanted = context.step(|rules, now| rules.called_back(grant, has_lock, now));
    let held = is_wanted.then(|| hold(grant)).flatten();
    if is_wanted && held.is_none() {
        let why = String::from("the promise to hold the lock on could not be made");
        context.step(|rules, now| rules.settled(grant, Settled::Failed(why), now));
        forget(grant);
    }
    // Now that what holds it is in its place: somebody might let go of it at once.
    context.carry_out();
    held.unwrap_or(JsValue::UNDEFINED)
}

/// The promise on which the browser is to hold the lock of `grant`.
fn hold(grant: GrantId) -> Option<JsValue> {
    let (promise, free) = bindings::promise().ok()?;
    errand_of(grant, |errand| errand.free = Some(free))?;
    Some(promise.into())
}

/// The promise of the request is settled.
fn on_settled(grant: GrantId, how: Settled<String>) {
    forget(grant);
    Context::here().act(|rules, now| rules.settled(grant, how, now));
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

/// `None` if there is no errand for `grant` any more.
fn errand_of<T>(grant: GrantId, work: impl FnOnce(&mut Errand) -> T) -> Option<T> {
    PLACES.with_borrow_mut(|places| {
        let errand = places.get_mut(grant.slot as usize)?.errand.as_mut();
        errand
            .filter(|errand| errand.serial == grant.serial)
            .map(work)
    })
}
