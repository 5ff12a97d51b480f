//! The platform's lock manager, as its specification describes it: one queue for each
//! name, and nothing granted before what was asked for earlier. And as Node has it, which
//! leaves in its queues what was withdrawn until that comes its turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::IfHeld;
use crate::guard::LockMode;

/// Names a request of the platform, in all contexts and for ever.
pub(in crate::core::handoff) type Serial = usize;

/// What the platform has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core::handoff) enum Event {
    Granted(Serial),
    /// It was not to wait, and something was in the way.
    Refused(Serial),
    /// Taken away while it was held.
    Stolen(Serial),
    /// Turned down before it could be granted.
    Rejected(Serial),
    /// Over by the wish of whoever asked.
    Ended(Serial),
    /// The page itself has rejected it, as it was withdrawn.
    Aborted(Serial),
    /// The last round trip is over.
    Confirmed(Serial),
}

impl Event {
    pub(in crate::core::handoff) fn serial(self) -> Serial {
        let (Self::Granted(serial)
        | Self::Refused(serial)
        | Self::Stolen(serial)
        | Self::Rejected(serial)
        | Self::Ended(serial)
        | Self::Aborted(serial)
        | Self::Confirmed(serial)) = self;
        serial
    }
}

#[derive(Debug, Default)]
pub(in crate::core::handoff) struct Platform {
    queues: BTreeMap<&'static str, Queue>,
    events: Vec<Event>,
    keeps_withdrawn: bool,
    /// Withdrawn, and still in a queue.
    withdrawn: BTreeSet<Serial>,
}

#[derive(Debug, Default)]
struct Queue {
    held: Vec<(Serial, LockMode)>,
    waiting: VecDeque<(Serial, LockMode)>,
}

impl Queue {
    fn has_room_for(&self, mode: LockMode) -> bool {
        let shared = LockMode::Shared;
        self.held.is_empty() || mode == shared && self.held.iter().all(|held| held.1 == shared)
    }
}

impl Platform {
    pub(in crate::core::handoff) fn of_node() -> Self {
        Self {
            keeps_withdrawn: true,
            ..Self::default()
        }
    }

    /// What there is to say since this was last called, in order.
    pub(in crate::core::handoff) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(in crate::core::handoff) fn request(
        &mut self,
        serial: Serial,
        name: &'static str,
        mode: LockMode,
        if_held: IfHeld,
    ) {
        let queue = self.queues.entry(name).or_default();
        match if_held {
            IfHeld::Queue => queue.waiting.push_back((serial, mode)),
            IfHeld::Refuse if queue.waiting.is_empty() && queue.has_room_for(mode) => {
                queue.waiting.push_back((serial, mode));
            }
            IfHeld::Refuse => self
                .events
                .extend([Event::Refused(serial), Event::Ended(serial)]),
            IfHeld::Steal => {
                let victims = std::mem::take(&mut queue.held).into_iter();
                self.events
                    .extend(victims.map(|(victim, _)| Event::Stolen(victim)));
                queue.waiting.push_front((serial, mode));
            }
        }
        self.process(name);
    }

    /// As of a document that may not have locks.
    pub(in crate::core::handoff) fn reject(&mut self, serial: Serial) {
        self.events.push(Event::Rejected(serial));
    }

    /// Withdraws a request. If it was granted in the meantime, nobody was called back.
    pub(in crate::core::handoff) fn withdraw(&mut self, serial: Serial) {
        let mut queues = self.queues.values().map(|queue| &queue.waiting);
        let waits = queues.any(|waiting| waiting.iter().any(|other| other.0 == serial));
        match waits && self.keeps_withdrawn {
            true => drop(self.withdrawn.insert(serial)),
            false => drop(self.remove(serial)),
        }
    }

    /// Releases a lock. Of no effect on what was stolen or turned down.
    pub(in crate::core::handoff) fn end(&mut self, serial: Serial) {
        if self.remove(serial) {
            self.events.push(Event::Ended(serial));
        }
    }

    /// Whether one that was withdrawn is behind a holder.
    pub(in crate::core::handoff) fn is_withdrawn_behind(&self, name: &str) -> bool {
        self.queues.get(name).is_some_and(|queue| {
            let mut waiting = queue.waiting.iter();
            !queue.held.is_empty() && waiting.any(|(waiting, _)| self.withdrawn.contains(waiting))
        })
    }

    fn remove(&mut self, serial: Serial) -> bool {
        let mut is_removed = false;
        let names: Vec<&'static str> = self.queues.keys().copied().collect();
        for name in names {
            let queue = self.queues.get_mut(name).expect("it was listed");
            let before = queue.held.len() + queue.waiting.len();
            queue.held.retain(|&(held, _)| held != serial);
            queue.waiting.retain(|&(waiting, _)| waiting != serial);
            if queue.held.len() + queue.waiting.len() < before {
                is_removed = true;
                self.process(name);
            }
        }
        is_removed
    }

    pub(in crate::core::handoff) fn holders(&self, name: &str) -> impl Iterator<Item = Serial> {
        let queue = self.queues.get(name).into_iter();
        queue.flat_map(|queue| queue.held.iter().map(|&(serial, _)| serial))
    }

    pub(in crate::core::handoff) fn is_held(&self, serial: Serial) -> bool {
        let mut held = self.queues.values().flat_map(|queue| &queue.held);
        held.any(|&(held, _)| held == serial)
    }

    /// Whether it is held, or waits.
    pub(in crate::core::handoff) fn knows(&self, serial: Serial) -> bool {
        let mut queues = self.queues.values();
        queues.any(|queue| {
            let mut all = queue.held.iter().chain(&queue.waiting);
            all.any(|&(known, _)| known == serial)
        })
    }

    pub(in crate::core::handoff) fn is_empty(&self) -> bool {
        let mut queues = self.queues.values();
        queues.all(|queue| queue.held.is_empty() && queue.waiting.is_empty())
    }

    fn process(&mut self, name: &'static str) {
        let queue = self.queues.get_mut(name).expect("it was asked for");
        while let Some(&(serial, mode)) = queue.waiting.front() {
            if !queue.has_room_for(mode) {
                return;
            }
            queue.waiting.pop_front();
            if self.withdrawn.remove(&serial) {
                // It is granted, and freed before anything else happens.
                continue;
            }
            queue.held.push((serial, mode));
            self.events.push(Event::Granted(serial));
        }
    }
}
