//! [`Answer`]: where JavaScript waits for the result of a task.

use wasm_bindgen::prelude::*;

use super::guards::{self, Guard};
use super::values::failure;
use crate::error::LockError;

#[wasm_bindgen]
extern "C" {
    /// The two functions of a promise. They run none of the application's code, which
    /// comes after them, by JavaScript's own queue.
    pub type Answer;

    #[wasm_bindgen(method)]
    pub(super) fn resolve(this: &Answer, value: &JsValue);

    #[wasm_bindgen(method, js_name = resolve)]
    fn resolve_guard(this: &Answer, guard: guards::GuardNumber);

    #[wasm_bindgen(method)]
    fn reject(this: &Answer, failure: JsValue);
}

impl Answer {
    /// With the number of the guard, `undefined` if there is none, or a failure.
    pub(super) fn guard(&self, result: Result<Option<Guard>, LockError>) {
        match result {
            Ok(Some(guard)) => self.resolve_guard(guards::keep(guard)),
            Ok(None) => self.resolve(&JsValue::UNDEFINED),
            Err(error) => self.reject(failure(error)),
        }
    }

    pub(super) fn value(&self, result: Result<JsValue, LockError>) {
        match result {
            Ok(value) => self.resolve(&value),
            Err(error) => self.reject(failure(error)),
        }
    }
}
