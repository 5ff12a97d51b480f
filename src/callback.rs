//! [`Callback`]: a function that JavaScript calls, and that wakes a task.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use js_sys::Function;
use wasm_bindgen::prelude::*;

/// Must be kept for as long as JavaScript may call its function.
pub(crate) struct Callback {
    function: Closure<dyn Fn()>,
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    called: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Callback {
    pub(crate) fn new() -> Self {
        let state = Rc::new(State::default());
        let function = Closure::new({
            let state = Rc::clone(&state);
            move || {
                state.called.set(true);
                if let Some(waker) = state.waker.take() {
                    waker.wake();
                }
            }
        });
        Self { function, state }
    }

    pub(crate) fn function(&self) -> &Function {
        self.function.as_ref().unchecked_ref()
    }

    /// Ready once the function was called.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.state.called.get() {
            return Poll::Ready(());
        }
        self.state.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}
