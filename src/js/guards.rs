//! The locks that JavaScript holds. It knows each by a number, and each is held until
//! it is [released](release): what JavaScript forgets stays locked.

use std::cell::RefCell;
use std::rc::Rc;

use slab::Slab;
use wasm_bindgen::prelude::*;

use super::answer::Answer;
use super::values::failure;
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
    guard: Rc<Guard>,
    /// The task that watches it for its loss, and shares it.
    watch: Option<TaskNumber>,
}

pub(super) fn keep(guard: Guard) -> GuardNumber {
    let (guard, watch) = (Rc::new(guard), None);
    let place = GUARDS.with_borrow_mut(|guards| guards.insert(Held { guard, watch }));
    GuardNumber::try_from(place).expect("a pointer has 32 bits")
}

/// The key that a guard locks.
#[wasm_bindgen]
pub fn key(guard: GuardNumber) -> String {
    GUARDS.with_borrow(|guards| guards[guard as usize].guard.get().key().to_owned())
}

/// Why the lock was lost, `undefined` while it is held.
#[wasm_bindgen]
pub fn loss(guard: GuardNumber) -> JsValue {
    GUARDS.with_borrow(|guards| guards[guard as usize].guard.why_lost())
}

/// Answers with why the lock was lost, when it is; never, if it is released before. To
/// be asked once.
#[wasm_bindgen]
pub fn lost(guard: GuardNumber, answer: Answer) {
    let shared = GUARDS.with_borrow(|guards| Rc::clone(&guards[guard as usize].guard));
    let watch = tasks::start(async move {
        shared.get().lost().await;
        // Its number may be another task's from now on.
        GUARDS.with_borrow_mut(|guards| guards[guard as usize].watch = None);
        answer.resolve(&shared.why_lost());
    });
    GUARDS.with_borrow_mut(|guards| guards[guard as usize].watch = watch);
}

/// Frees the lock, and answers when it *is* free. Returns why it was lost, if it was.
#[wasm_bindgen]
pub fn release(guard: GuardNumber, answer: Answer) -> JsValue {
    let held = GUARDS.with_borrow_mut(|guards| {
        let held = guards.remove(guard as usize);
        if guards.is_empty() && guards.capacity() > KEPT {
            *guards = Slab::new();
        }
        held
    });
    let Held { guard, watch } = held;
    if let Some(watch) = watch {
        tasks::cancel(watch);
    }
    let loss = guard.why_lost();
    let guard = Rc::into_inner(guard).expect("only the cancelled watch shared it");
    match guard {
        // To drop it frees it.
        Guard::Memory(guard) => {
            drop(guard);
            answer.resolve(&JsValue::UNDEFINED);
        }
        Guard::Web(guard) if guard.let_go() => answer.resolve(&JsValue::UNDEFINED),
        Guard::Web(guard) => release_in_time(Box::new(guard), answer),
        Guard::Boxed(guard) => release_in_time(guard, answer),
    }
    loss
}

/// More places than these are not kept for other guards.
const KEPT: usize = 64;

fn release_in_time(guard: Box<dyn LockGuard>, answer: Answer) {
    tasks::start(async move {
        guard.release().await;
        answer.resolve(&JsValue::UNDEFINED);
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
