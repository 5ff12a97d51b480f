//! [`Answer`]: where JavaScript waits for the result of a task.

use js_sys::Array;
use wasm_bindgen::prelude::*;

use super::guards::{self, Guard, GuardNumber};
use super::values::failure;
use crate::error::LockError;

#[wasm_bindgen]
extern "C" {
    /// The two functions of a promise. They run none of the application's code, which
    /// comes after them, by JavaScript's own queue. That is how the TypeScript layer
    /// makes them; a page may have replaced `Promise`, so what they throw is caught, or
    /// it would unwind nothing of what is on the stack here.
    pub type Answer;

    #[wasm_bindgen(method, catch)]
    fn resolve(this: &Answer, value: &JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch, js_name = resolve)]
    fn resolve_guard(this: &Answer, guard: GuardNumber) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn reject(this: &Answer, failure: JsValue) -> Result<(), JsValue>;
}

impl Answer {
    /// With the number of the guard, `undefined` if there is none, or a failure.
    pub(super) fn guard(&self, result: Result<Option<Guard>, LockError>) {
        match result {
            Ok(Some(guard)) => {
                let number = guards::keep(guard);
                if self.resolve_guard(number).is_err() {
                    guards::discard(number);
                }
            }
            Ok(None) => self.value(Ok(JsValue::UNDEFINED)),
            Err(error) => self.value(Err(error)),
        }
    }

    /// With an array of the numbers of the guards, or a failure.
    pub(super) fn guards(&self, result: Result<Vec<Guard>, LockError>) {
        let guards = match result {
            Ok(guards) => guards,
            Err(error) => return self.value(Err(error)),
        };
        let numbers: Vec<GuardNumber> = guards.into_iter().map(guards::keep).collect();
        let array: Array = numbers.iter().copied().map(JsValue::from).collect();
        if self.resolve(&array).is_err() {
            numbers.into_iter().for_each(guards::discard);
        }
    }

    /// With the value, or a failure. Who cannot be told has nothing to lose by it.
    pub(super) fn value(&self, result: Result<JsValue, LockError>) {
        let _ = match result {
            Ok(value) => self.resolve(&value),
            Err(error) => self.reject(failure(error)),
        };
    }

    /// With nothing but that it is done.
    pub(super) fn done(&self) {
        self.value(Ok(JsValue::UNDEFINED));
    }
}
