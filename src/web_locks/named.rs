//! [`Named`]: the rules, which know a lock by a number, and the names of the locks.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

use super::wakers::Wakers;
use crate::core::handoff::{
    Asked, IfHeld, LeaseId, LineSlot, Own, Passing, Quirks, Reason, Relay, RequestSlot, Settled,
};
use crate::guard::LockMode;
use crate::hash::BuildHasher;

#[derive(Debug)]
pub(super) struct Named {
    relay: Relay<Wakers, String>,
    lines: HashMap<String, LineSlot, BuildHasher>,
    /// By their lines.
    names: HashMap<LineSlot, String, BuildHasher>,
}

impl Named {
    pub(super) fn new(quirks: Quirks) -> Self {
        Self {
            relay: Relay::new(quirks),
            lines: HashMap::default(),
            names: HashMap::default(),
        }
    }

    pub(super) fn name_of(&self, line: LineSlot) -> &str {
        &self.names[&line]
    }

    pub(super) fn request(
        &mut self,
        name: &str,
        mode: LockMode,
        if_held: IfHeld,
        passing: Passing,
        now: f64,
    ) -> RequestSlot {
        let line = match self.lines.get(name) {
            Some(&line) => line,
            None => {
                let line = self.relay.open(false);
                self.lines.insert(name.to_owned(), line);
                self.names.insert(line, name.to_owned());
                line
            }
        };
        self.relay.request(line, mode, if_held, passing, now)
    }

    pub(super) fn remove(&mut self, request: RequestSlot, now: f64) -> Option<Wakers> {
        let (wakers, unused) = self.relay.remove(request, now);
        self.close(unused);
        wakers
    }

    pub(super) fn settled(&mut self, lease: LeaseId, how: Settled<String>, now: f64) {
        let unused = self.relay.settled(lease, how, now);
        self.close(unused);
    }

    pub(super) fn confirmed(&mut self, lease: LeaseId, now: f64) {
        let unused = self.relay.confirmed(lease, now);
        self.close(unused);
    }

    pub(super) fn freeze(&mut self) {
        let unused = self.relay.freeze(&Reason::Cached);
        self.close(unused);
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        let line = self.lines.get(name);
        line.is_some_and(|&line| self.relay.holds(line))
    }

    /// Shows all that this context holds and waits for, with its name.
    pub(super) fn for_each_own(&self, mut show: impl FnMut(&str, Own)) {
        self.relay
            .for_each_own(|own| show(&self.names[&own.line], own));
    }

    /// Shows what the platform may have to show of this context, with its name.
    pub(super) fn for_each_asked(&self, mut show: impl FnMut(&str, Asked)) {
        self.relay
            .for_each_asked(|asked| show(&self.names[&asked.line], asked));
    }

    fn close(&mut self, unused: impl IntoIterator<Item = LineSlot>) {
        for line in unused {
            if self.relay.close(line)
                && let Some(name) = self.names.remove(&line)
            {
                self.lines.remove(&name);
            }
        }
        if self.lines.is_empty() && self.lines.capacity() > KEPT {
            self.lines = HashMap::default();
            self.names = HashMap::default();
        }
    }
}

/// More room than for these is not kept for other names.
const KEPT: usize = 64;

/// For all that needs no name.
impl Deref for Named {
    type Target = Relay<Wakers, String>;

    fn deref(&self) -> &Self::Target {
        &self.relay
    }
}

impl DerefMut for Named {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.relay
    }
}

/// What happened, in words.
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
