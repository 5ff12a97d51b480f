//! A [`Reason`] in words. `js/src/messages.ts` has the same words, and `tests/messages.json`
//! keeps both alike.

use crate::core::handoff::Reason;

/// Says why a request failed, or a lock was lost.
pub(super) fn describe(reason: &Reason<String>) -> String {
    match reason {
        Reason::Stolen => String::from("it was stolen"),
        Reason::Cached => String::from("the page went into the back/forward cache"),
        Reason::Ended => String::from("the browser ended it"),
        Reason::TakenAway(why) => format!("the browser took it away: {why}"),
        Reason::Failed(why) => why.clone(),
        Reason::NotCalledBack => {
            String::from("navigator.locks.request() ended without calling back")
        }
        Reason::NoLock => String::from("navigator.locks.request() called back without a lock"),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;
    use crate::error::LockError;

    /// See the test of that name in `src/error.rs`.
    #[wasm_bindgen_test]
    fn messages_are_the_same_in_both_languages() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/messages.json")).unwrap();
        let reason = |name: &serde_json::Value| {
            let because = String::from("because");
            let reason = match name.as_str() {
                Some("stolen") => Reason::Stolen,
                Some("cached") => Reason::Cached,
                Some("ended") => Reason::Ended,
                Some("takenAway") => Reason::TakenAway(because),
                Some("failed") => Reason::Failed(because),
                Some("notCalledBack") => Reason::NotCalledBack,
                Some("noLock") => Reason::NoLock,
                _ => panic!("{name} is no reason"),
            };
            describe(&reason)
        };
        for case in all["lost"].as_array().unwrap() {
            let (key, reason) = (Some(String::from("k")), reason(&case[0]));
            assert_eq!(LockError::Lost { key, reason }.to_string(), case[1]);
        }
        for case in all["unavailable"].as_array().unwrap() {
            let reason = reason(&case[0]);
            assert_eq!(LockError::Unavailable { reason }.to_string(), case[1]);
        }
    }
}
