//! [`Named`]: the rules, which know a lock by a number, and the names of the locks.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

use super::wakers::Wakers;
use crate::core::handoff::{
    Asked, GrantId, HandOff, IfHeld, Own, Passing, QueueSlot, Quirks, Reason, RequestSlot, Settled,
};
use crate::guard::LockMode;
use crate::hash::BuildHasher;

#[derive(Debug)]
pub(super) struct Named {
    rules: HandOff<Wakers, String>,
    queues: HashMap<String, QueueSlot, BuildHasher>,
    /// By their queues.
    names: Vec<String>,
}

impl Named {
    pub(super) fn new(quirks: Quirks) -> Self {
        Self {
            rules: HandOff::new(quirks),
            queues: HashMap::default(),
            names: Vec::new(),
        }
    }

    pub(super) fn name_of(&self, queue: QueueSlot) -> &str {
        &self.names[queue]
    }

    pub(super) fn request(
        &mut self,
        name: &str,
        mode: LockMode,
        if_held: IfHeld,
        passing: Passing,
        now: f64,
    ) -> RequestSlot {
        let queue = match self.queues.get(name) {
            Some(&queue) => queue,
            None => {
                let queue = self.rules.open(false);
                self.queues.insert(name.to_owned(), queue);
                if self.names.len() <= queue {
                    self.names.resize_with(queue + 1, String::new);
                }
                self.names[queue] = name.to_owned();
                queue
            }
        };
        self.rules.request(queue, mode, if_held, passing, now)
    }

    pub(super) fn remove(&mut self, request: RequestSlot, now: f64) -> Option<Wakers> {
        let (wakers, unused) = self.rules.remove(request, now);
        self.close(unused);
        wakers
    }

    pub(super) fn settled(&mut self, grant: GrantId, how: Settled<String>, now: f64) {
        let unused = self.rules.settled(grant, how, now);
        self.close(unused);
    }

    pub(super) fn confirmed(&mut self, grant: GrantId, now: f64) {
        let unused = self.rules.confirmed(grant, now);
        self.close(unused);
    }

    pub(super) fn lose_all(&mut self) {
        let unused = self.rules.lose_all(&Reason::Cached);
        self.close(unused);
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        let queue = self.queues.get(name);
        queue.is_some_and(|&queue| self.rules.holds(queue))
    }

    /// Shows all that this context holds and waits for, with its name.
    pub(super) fn for_each_own(&self, mut show: impl FnMut(&str, Own)) {
        self.rules
            .for_each_own(|own| show(&self.names[own.queue], own));
    }

    /// Shows what the platform may have to show of this context, with its name.
    pub(super) fn for_each_asked(&self, mut show: impl FnMut(&str, Asked)) {
        self.rules
            .for_each_asked(|asked| show(&self.names[asked.queue], asked));
    }

    fn close(&mut self, unused: impl IntoIterator<Item = QueueSlot>) {
        for queue in unused {
            if self.rules.close(queue) {
                self.queues.remove(&std::mem::take(&mut self.names[queue]));
            }
        }
        if self.queues.is_empty() && self.queues.capacity() > KEPT {
            self.queues = HashMap::default();
            self.names = Vec::new();
        }
    }
}

/// More room than for these is not kept for other names.
const KEPT: usize = 64;

/// For all that needs no name.
impl Deref for Named {
    type Target = HandOff<Wakers, String>;

    fn deref(&self) -> &Self::Target {
        &self.rules
    }
}

impl DerefMut for Named {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.rules
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
