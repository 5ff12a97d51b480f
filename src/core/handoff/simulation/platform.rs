//! The platform's lock manager, as its specification describes it: one queue for each
//! name, and nothing granted before what was asked for earlier.

use std::collections::{BTreeMap, VecDeque};

use super::super::IfHeld;
use crate::guard::LockMode;

/// Names a request of the platform, in all contexts and for ever.
pub(in crate::core::handoff) type Serial = usize;

/// What the platform has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core::handoff) enum News {
    Granted(Serial),
    /// It was not to wait, and something was in the way.
    Refused(Serial),
    /// Taken away while it was held.
    Stolen(Serial),
    /// Turned down before it could be granted.
    Rejected(Serial),
    /// Over by the wish of whoever asked.
    Ended(Serial),
}

impl News {
    pub(in crate::core::handoff) fn serial(self) -> Serial {
        let (Self::Granted(serial)
        | Self::Refused(serial)
        | Self::Stolen(serial)
        | Self::Rejected(serial)
        | Self::Ended(serial)) = self;
        serial
    }
}

#[derive(Debug, Default)]
pub(in crate::core::handoff) struct Platform {
    queues: BTreeMap<&'static str, Queue>,
    news: Vec<News>,
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
    /// What there is to say since this was last called, in order.
    pub(in crate::core::handoff) fn news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
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
                .news
                .extend([News::Refused(serial), News::Ended(serial)]),
            IfHeld::Steal => {
                let victims = std::mem::take(&mut queue.held).into_iter();
                self.news
                    .extend(victims.map(|(victim, _)| News::Stolen(victim)));
                queue.waiting.push_front((serial, mode));
            }
        }
        self.process(name);
    }

    /// As of a document that may not have locks.
    pub(in crate::core::handoff) fn reject(&mut self, serial: Serial) {
        self.news.push(News::Rejected(serial));
    }

    /// Withdraws a request, or releases a lock. Of no effect on what was stolen or turned
    /// down.
    pub(in crate::core::handoff) fn end(&mut self, serial: Serial) {
        let names: Vec<&'static str> = self.queues.keys().copied().collect();
        for name in names {
            let queue = self.queues.get_mut(name).expect("it was listed");
            let before = queue.held.len() + queue.waiting.len();
            queue.held.retain(|&(held, _)| held != serial);
            queue.waiting.retain(|&(waiting, _)| waiting != serial);
            if queue.held.len() + queue.waiting.len() < before {
                self.news.push(News::Ended(serial));
                self.process(name);
            }
        }
    }

    pub(in crate::core::handoff) fn holders(&self, name: &str) -> impl Iterator<Item = Serial> {
        let queue = self.queues.get(name).into_iter();
        queue.flat_map(|queue| queue.held.iter().map(|&(serial, _)| serial))
    }

    pub(in crate::core::handoff) fn is_held(&self, serial: Serial) -> bool {
        let mut held = self.queues.values().flat_map(|queue| &queue.held);
        held.any(|&(held, _)| held == serial)
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
            queue.held.push((serial, mode));
            self.news.push(News::Granted(serial));
        }
    }
}
