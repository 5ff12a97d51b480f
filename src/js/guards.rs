//! The locks that JavaScript holds. It knows each by a number, and each is held until
//! it is [released](release): what JavaScript forgets stays locked.

use std::cell::RefCell;
use std::rc::Rc;

use slab::Slab;
use wasm_bindgen::prelude::*;

use super::answer::Answer;
use super::values::failure;
use crate::error::LockError;
use crate::guard::LockGuard;
use crate::memory::MemoryLockGuard;
use crate::tasks::{self, TaskNumber};
use crate::web_locks::WebLockGuard;

/// Names a guard to JavaScript, until it is released.
pub(super) type GuardNumber = u32;

thread_local! {
    static GUARDS: RefCell<Slab<Held>> = const { RefCell::new(Slab::new()) };
}

/// A guard of one of the backends, or one that came by a method that has no unboxed form.
pub(super) enum Guard {
    Memory(MemoryLockGuard),
    Web(WebLockGuard),
    Boxed(Box<dyn LockGuard>),
}

struct Held {
    /// None if it was [discarded](discard).
    guard: Option<Rc<Guard>>,
    /// The task that watches it for its loss, and shares it while it waits.
    watch: Option<TaskNumber>,
}

pub(super) fn keep(guard: Guard) -> GuardNumber {
    let (guard, watch) = (Some(Rc::new(guard)), None);
    let place = GUARDS.with_borrow_mut(|guards| guards.insert(Held { guard, watch }));
    GuardNumber::try_from(place).expect("a pointer has 32 bits")
}

/// Frees the lock of a guard whose answer threw. JavaScript may have been given it all the
/// same: its number is never another's, and what it names is lost.
pub(super) fn discard(guard: GuardNumber) {
    let guard = GUARDS.with_borrow_mut(|guards| guards.get_mut(guard as usize)?.guard.take());
    // Outside: it wakes others.
    drop(guard);
}

fn get(guard: GuardNumber) -> Option<Rc<Guard>> {
    GUARDS.with_borrow(|guards| guards.get(guard as usize)?.guard.clone())
}

fn remove(guard: GuardNumber) -> Option<Held> {
    GUARDS.with_borrow_mut(|guards| {
        let held = guards.try_remove(guard as usize);
        if guards.is_empty() && guards.capacity() > KEPT {
            *guards = Slab::new();
        }
        held
    })
}

fn set_watch(guard: GuardNumber, watch: Option<TaskNumber>) {
    GUARDS.with_borrow_mut(|guards| {
        if let Some(held) = guards.get_mut(guard as usize) {
            held.watch = watch;
        }
    });
}

/// The key that a guard locks.
#[wasm_bindgen]
pub fn key(guard: GuardNumber) -> Option<String> {
    Some(get(guard)?.get().key().to_owned())
}

/// Why the lock was lost, `undefined` while it is held.
#[wasm_bindgen]
pub fn loss(guard: GuardNumber) -> JsValue {
    match get(guard) {
        Some(guard) => guard.why_lost(),
        None => failure(LockError::Lost {
            key: None,
            reason: String::from("the promise of its request threw as it was resolved"),
        }),
    }
}

/// Answers with why the lock was lost, when it is; never, if it is released before. To
/// be asked once.
#[wasm_bindgen]
pub fn lost(guard: GuardNumber, answer: Answer) {
    let Some(shared) = get(guard) else { return };
    let watch = tasks::start(async move {
        shared.get().lost().await;
        let loss = shared.why_lost();
        // Its number may be another task's from now on, and who is answered may release
        // the guard, which nobody shares by then.
        set_watch(guard, None);
        drop(shared);
        answer.value(Ok(loss));
    });
    if watch.is_some() {
        set_watch(guard, watch);
    }
}

/// Frees the lock, and answers when it *is* free. Returns why it was lost, if it was.
#[wasm_bindgen]
pub fn release(guard: GuardNumber, answer: Answer) -> JsValue {
    let Some(Held {
        guard: Some(guard),
        watch,
    }) = remove(guard)
    else {
        answer.done();
        return JsValue::UNDEFINED;
    };
    if let Some(watch) = watch {
        tasks::cancel(watch);
    }
    let loss = guard.why_lost();
    match Rc::into_inner(guard) {
        // To drop it frees it.
        Some(Guard::Memory(guard)) => {
            drop(guard);
            answer.done();
        }
        Some(Guard::Web(guard)) if guard.let_go() => answer.done(),
        Some(Guard::Web(guard)) => release_in_time(Box::new(guard), answer),
        Some(Guard::Boxed(guard)) => release_in_time(guard, answer),
        // The watch is being polled further down the stack, and drops it as it ends.
        None => answer.done(),
    }
    loss
}

/// More places than these are not kept for other guards.
const KEPT: usize = 64;

fn release_in_time(guard: Box<dyn LockGuard>, answer: Answer) {
    tasks::start(async move {
        guard.release().await;
        answer.done();
    });
}

impl Guard {
    fn get(&self) -> &dyn LockGuard {
        match self {
            Self::Memory(guard) => guard,
            Self::Web(guard) => guard,
            Self::Boxed(guard) => &**guard,
        }
    }

    fn why_lost(&self) -> JsValue {
        self.get().ensure_held().err().map(failure).into()
    }
}
