//! [`Guard`]: a lock that JavaScript holds.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use js_sys::Promise;
use wasm_bindgen::prelude::*;

use super::values::failure;
use crate::guard::LockGuard;
use crate::promise::promise;

#[expect(missing_debug_implementations, reason = "JavaScript prints it")]
#[wasm_bindgen]
pub struct Guard {
    guard: Rc<Box<dyn LockGuard>>,
    watch: Watch,
}

impl Guard {
    pub(super) fn new(guard: Box<dyn LockGuard>) -> Self {
        Self {
            guard: Rc::new(guard),
            watch: Watch::default(),
        }
    }
}

#[wasm_bindgen]
impl Guard {
    #[wasm_bindgen(getter)]
    pub fn key(&self) -> String {
        self.guard.key().to_owned()
    }

    /// Why the lock was lost, `undefined` while it is held.
    pub fn loss(&self) -> JsValue {
        loss(&**self.guard)
    }

    /// A promise of why the lock was lost; of `undefined` once it is released.
    pub fn lost(&self) -> Promise {
        let guard = Rc::clone(&self.guard);
        let lost = self.watch.start(async move {
            guard.lost().await;
            loss(&**guard)
        });
        promise(async { Ok(lost.await.into()) })
    }

    /// Frees the lock. The promise is resolved when it *is* free.
    ///
    /// It takes the guard out of JavaScript's hands, and with it the guard's slot in
    /// wasm's memory: there is nothing left to `free()`.
    pub fn release(self) -> Promise {
        self.watch.stop();
        let guard = Rc::into_inner(self.guard).expect("only the stopped watch shared it");
        promise(async move {
            guard.release().await;
            Ok(JsValue::UNDEFINED)
        })
    }
}

fn loss(guard: &dyn LockGuard) -> JsValue {
    guard.ensure_held().err().map(failure).into()
}

/// A future that can be dropped from outside the task that polls it: what watches a
/// guard borrows it, and has to let go at once when the guard is released.
#[derive(Default)]
struct Watch(Rc<RefCell<Watched>>);

#[derive(Default)]
struct Watched {
    future: Option<Pin<Box<dyn Future<Output = JsValue>>>>,
    waker: Option<Waker>,
}

impl Watch {
    /// The output of `future`, `None` if it was stopped before. One at a time.
    fn start(
        &self,
        future: impl Future<Output = JsValue> + 'static,
    ) -> impl Future<Output = Option<JsValue>> + 'static {
        self.0.borrow_mut().future = Some(Box::pin(future));
        let watched = Rc::clone(&self.0);
        poll_fn(move |cx| {
            let mut watched = watched.borrow_mut();
            let Some(future) = &mut watched.future else {
                return Poll::Ready(None);
            };
            let output = future.as_mut().poll(cx).map(Some);
            if output.is_ready() {
                watched.future = None;
            } else {
                watched.waker = Some(cx.waker().clone());
            }
            output
        })
    }

    fn stop(&self) {
        let watched = self.0.take();
        drop(watched.future);
        if let Some(waker) = watched.waker {
            waker.wake();
        }
    }
}
