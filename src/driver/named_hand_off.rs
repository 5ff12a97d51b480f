//! [`NamedHandOff`]: the [rules](HandOff), which know a lock by the number of its queue,
//! together with the names of the locks.

use std::collections::HashMap;
use std::ops::{Deref, DerefMut};

use super::waker_set::WakerSet;
use crate::core::handoff::{
    Asked, GrantId, HandOff, IfHeld, Own, Passing, QueueSlot, Reason, RequestSlot, Settled,
};
use crate::guard::LockMode;
use crate::hash::BuildHasher;

#[derive(Debug)]
pub(crate) struct NamedHandOff {
    rules: HandOff<WakerSet, String>,
    queues: HashMap<String, QueueSlot, BuildHasher>,
    /// By the numbers of their queues.
    names: Vec<String>,
}

impl NamedHandOff {
    pub(crate) fn new() -> Self {
        Self {
            rules: HandOff::new(),
            queues: HashMap::default(),
            names: Vec::new(),
        }
    }

    pub(crate) fn name_of(&self, queue: QueueSlot) -> &str {
        &self.names[queue]
    }

    pub(crate) fn request(
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

    pub(crate) fn remove(&mut self, request: RequestSlot, now: f64) -> Option<WakerSet> {
        let (wakers, unused) = self.rules.remove(request, now);
        self.close(unused);
        wakers
    }

    pub(crate) fn settled(&mut self, grant: GrantId, how: Settled<String>, now: f64) {
        let unused = self.rules.settled(grant, how, now);
        self.close(unused);
    }

    pub(crate) fn confirmed(&mut self, grant: GrantId, now: f64) {
        let unused = self.rules.confirmed(grant, now);
        self.close(unused);
    }

    pub(crate) fn lose_all(&mut self) {
        let unused = self.rules.lose_all(&Reason::Cached);
        self.close(unused);
    }

    pub(crate) fn holds(&self, name: &str) -> bool {
        let queue = self.queues.get(name);
        queue.is_some_and(|&queue| self.rules.holds(queue))
    }

    /// Calls `show` with every request of this client that holds or waits, and its name.
    pub(crate) fn for_each_own(&self, mut show: impl FnMut(&str, Own)) {
        self.rules
            .for_each_own(|own| show(&self.names[own.queue], own));
    }

    /// Calls `show` with everything that the platform may show of this client, and its name.
    pub(crate) fn for_each_asked(&self, mut show: impl FnMut(&str, Asked)) {
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

/// Room for more names than these is given back once no lock is in use.
const KEPT: usize = 64;

/// For what needs no name.
impl Deref for NamedHandOff {
    type Target = HandOff<WakerSet, String>;

    fn deref(&self) -> &Self::Target {
        &self.rules
    }
}

impl DerefMut for NamedHandOff {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.rules
    }
}
