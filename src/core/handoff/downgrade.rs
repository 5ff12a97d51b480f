//! From exclusive to shared, without a moment in which the lock is free.

use super::{HandOff, LockMode, RequestSlot, State};

/// What came of [`HandOff::downgrade`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Downgraded {
    Shared,
    /// It is no longer held, or never was.
    NotHeld,
    /// The platform has the lock, and cannot do it.
    Unsupported,
}

impl<W, R: Clone + PartialEq> HandOff<W, R> {
    /// Has a request that holds its lock hold it in shared mode from now on.
    #[allow(dead_code, reason = "JavaScript's edge alone asks")]
    pub(crate) fn downgrade(&mut self, slot: RequestSlot, now: f64) -> Downgraded {
        let request = &mut self.requests[slot];
        let (State::Held(_), Some(grant)) = (&request.state, request.grant) else {
            return Downgraded::NotHeld;
        };
        if request.mode == LockMode::Shared {
            return Downgraded::Shared;
        }
        let queue = request.queue;
        if !self.queues[queue].is_local {
            return Downgraded::Unsupported;
        }
        request.mode = LockMode::Shared;
        // It has no other holder, as it was exclusive.
        self.grants[grant].mode = LockMode::Shared;
        // The readers at the head of the queue.
        self.reconcile(queue, now);
        Downgraded::Shared
    }
}
