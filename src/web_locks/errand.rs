//! Errands: what there is in the browser for each lease of the [relay](crate::core::handoff),
//! from the call of `navigator.locks.request()` until its promise is settled.
//!
//! An errand is kept for the next lease of the same number: the controller that
//! withdraws a request, and the functions that the browser calls, cost as much to make
//! as all the rest.

use std::cell::RefCell;

use js_sys::{Function, JsString, Object, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

use super::bindings::RequestOptions;
use super::context::Context;
use super::platform::{lock_manager, why_lost, why_turned_down};
use super::round_trip::round_trip;
use super::{ghosts, nudge};
use crate::core::handoff::{IfHeld, LeaseSlot};
use crate::guard::LockMode;

/// More than these are not kept for another lease.
const KEPT: usize = 16;

const LIVES: &str = "an errand lives until its promise is settled";

thread_local! {
    static ERRANDS: RefCell<Vec<Option<Errand>>> = const { RefCell::new(Vec::new()) };
}

struct Errand {
    on_answer: Closure<dyn FnMut(JsValue) -> JsValue>,
    on_success: Closure<dyn FnMut(JsValue)>,
    on_failure: Closure<dyn FnMut(JsValue)>,
    /// The name that was last asked for, here and there: to carry one over takes as long
    /// as all else that is done for a request.
    name: Option<(String, JsString)>,
    /// With its controller in it.
    queueing: Option<Queueing>,
    /// The options of a request that does not queue, by its mode.
    trying: Option<(LockMode, RequestOptions)>,
    /// Whether the request that is under way may be withdrawn.
    is_queued: bool,
    is_answered: bool,
    /// Resolves the promise on which the browser holds the lock.
    free: Option<Function>,
}

/// The options of a request that queues.
struct Queueing {
    mode: LockMode,
    options: RequestOptions,
    controller: AbortController,
}

/// Requests the lock `name` for `lease`. `Err` says why that cannot be.
pub(super) fn send(
    lease: LeaseSlot,
    name: &str,
    mode: LockMode,
    if_held: IfHeld,
) -> Result<(), String> {
    let locks = lock_manager()?;
    let (name_there, options, on_answer) = with(lease, |errand| {
        let errand = errand.get_or_insert_with(|| Errand::new(lease));
        let options = errand.options(mode, if_held)?;
        if if_held == IfHeld::Queue {
            errand.is_answered = false;
            nudge::waiting();
        }
        let name = errand.name(name);
        let on_answer: &Function = errand.on_answer.as_ref().unchecked_ref();
        Ok::<_, String>((name, options, on_answer.clone()))
    })?;
    // Outside: Node calls back at once where nothing is to be waited for.
    let sent = locks.request(&name_there, &options, &on_answer);
    with(lease, |errand| {
        let errand = errand.as_mut().expect(LIVES);
        match sent {
            // With both, a rejection is never reported as unhandled.
            Ok(promise) => {
                let _ = promise.then2(&errand.on_success, &errand.on_failure);
                Ok(())
            }
            Err(thrown) => {
                errand.answered();
                Err(why_turned_down(&thrown))
            }
        }
    })
}

/// Withdraws the request, or frees the lock.
pub(super) fn end(lease: LeaseSlot) {
    let (free, abort) = with(lease, |errand| {
        let Some(errand) = errand else {
            return (None, None);
        };
        errand.answered();
        let free = errand.free.take();
        let abort = (free.is_none() && errand.is_queued).then(|| errand.queueing.take());
        (free, abort.flatten())
    });
    // Outside: both may call back.
    if let Some(free) = free {
        let _ = free.call0(&JsValue::UNDEFINED);
    }
    if let Some(Queueing { controller, .. }) = abort {
        controller.abort();
    }
}

impl Errand {
    fn new(lease: LeaseSlot) -> Self {
        Self {
            on_answer: Closure::new(move |lock| on_answer(lease, &lock)),
            on_success: Closure::new(move |_| on_end(lease, None)),
            on_failure: Closure::new(move |why| on_end(lease, Some(why))),
            name: None,
            queueing: None,
            trying: None,
            is_queued: false,
            is_answered: true,
            free: None,
        }
    }

    /// Nobody waits for it any more.
    fn answered(&mut self) {
        if !std::mem::replace(&mut self.is_answered, true) {
            nudge::answered();
        }
    }

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

    fn options(&mut self, mode: LockMode, if_held: IfHeld) -> Result<RequestOptions, String> {
        self.is_queued = if_held == IfHeld::Queue;
        match if_held {
            IfHeld::Queue => self.queueing(mode),
            IfHeld::Refuse => Ok(self.trying(mode)),
            IfHeld::Steal => {
                let options = options(mode);
                options.set_steal(true);
                Ok(options)
            }
        }
    }

    fn queueing(&mut self, mode: LockMode) -> Result<RequestOptions, String> {
        if let Some(kept) = self.queueing.as_ref().filter(|kept| kept.mode == mode) {
            return Ok(kept.options.clone());
        }
        let controller = AbortController::new().map_err(|e| why_turned_down(&e))?;
        let options = options(mode);
        options.set_signal(&controller.signal());
        self.queueing = Some(Queueing {
            mode,
            options: options.clone(),
            controller,
        });
        Ok(options)
    }

    /// Without a signal, which the specification allows with neither of the other two.
    fn trying(&mut self, mode: LockMode) -> RequestOptions {
        if let Some((_, options)) = self.trying.as_ref().filter(|kept| kept.0 == mode) {
            return options.clone();
        }
        let options = options(mode);
        options.set_if_available(true);
        self.trying = Some((mode, options.clone()));
        options
    }
}

fn options(mode: LockMode) -> RequestOptions {
    let options: RequestOptions = Object::new().unchecked_into();
    options.set_mode(mode.as_str());
    options
}

/// The callback that the browser runs. The lock is ours until the promise that is
/// returned here is resolved.
///
/// It must not throw: Node never frees a lock whose callback did.
fn on_answer(lease: LeaseSlot, lock: &JsValue) -> JsValue {
    let granted = !lock.is_null();
    let mut free = None;
    let mut held = JsValue::UNDEFINED;
    if granted {
        held = Promise::new(&mut |resolve, _| free = Some(resolve)).into();
    }
    with(lease, |errand| {
        let errand = errand.as_mut().expect(LIVES);
        errand.answered();
        // Before anybody hears of the grant, who might let go of it at once.
        errand.free = free;
    });
    match Context::here().act(|relay, now| relay.answered(lease, granted, now)) {
        true => held,
        // Nobody wants it any more: it is free again at once.
        false => JsValue::UNDEFINED,
    }
}

/// The promise of the request is settled.
fn on_end(lease: LeaseSlot, rejection: Option<JsValue>) {
    enum Then {
        Finish,
        MakeSure,
        WaitForGhosts,
    }
    let then = Context::here().look(|relay| {
        let name = relay.name_of(lease);
        match relay.is_ending(lease) {
            true if rejection.is_some() => {
                ghosts::left_for(name);
                Then::MakeSure
            }
            true if ghosts::are_for(name) => Then::WaitForGhosts,
            _ => Then::Finish,
        }
    });
    match then {
        Then::Finish => finish(lease, rejection),
        // The promise of a request that was withdrawn is rejected here in the page. The
        // lock manager may not have heard of it, and may have granted the lock.
        Then::MakeSure => spawn_local(async move {
            if let Ok(locks) = lock_manager() {
                round_trip(&locks).await;
            }
            finish(lease, None);
        }),
        Then::WaitForGhosts => spawn_local(async move {
            ghosts::gone().await;
            finish(lease, None);
        }),
    }
}

fn finish(lease: LeaseSlot, rejection: Option<JsValue>) {
    with(lease, |place| {
        if let Some(errand) = place {
            errand.answered();
            errand.free = None;
        }
        if lease >= KEPT {
            *place = None;
        }
    });
    Context::here().act(|relay, now| {
        relay.ended(lease, now, |was_held| match (was_held, rejection) {
            (true, Some(why)) => why_lost(&why),
            (true, None) => String::from("the browser ended it"),
            (false, Some(why)) => why_turned_down(&why),
            (false, None) => String::from("navigator.locks.request() ended without calling back"),
        });
    });
}

/// The place of an errand. Nothing in `work` may call back into this module.
fn with<T>(lease: LeaseSlot, work: impl FnOnce(&mut Option<Errand>) -> T) -> T {
    ERRANDS.with_borrow_mut(|errands| {
        if errands.len() <= lease {
            errands.resize_with(lease + 1, || None);
        }
        work(&mut errands[lease])
    })
}
