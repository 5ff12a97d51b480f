//! What the rules show, beside the [`State`] of a request: for snapshots and error messages.

use super::{HandOff, IfHeld, LockMode, Passing, QueueSlot, Request, RequestSlot, State};

/// What in this context is in the way of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ahead {
    pub(crate) holder: RequestSlot,
    /// Since when the holder has the lock.
    pub(crate) held_since: f64,
    /// How many wait in front, counted up to what was asked for; `None` for a request that
    /// queues with the platform, which alone knows its place.
    pub(crate) waiting: Option<usize>,
}

/// A request of this context that holds or waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Own {
    pub(crate) request: RequestSlot,
    pub(crate) queue: QueueSlot,
    pub(crate) mode: LockMode,
    pub(crate) is_held: bool,
    /// Of those who wait: whether the platform was asked for this one itself, and not for
    /// one in front of it.
    pub(crate) is_asked_for: bool,
    /// Since when it is held, or waits.
    pub(crate) since: f64,
}

/// What the platform may show of this context.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Asked {
    pub(crate) queue: QueueSlot,
    pub(crate) mode: LockMode,
    /// Whether it is a lock that was granted, and not a request.
    pub(crate) is_granted: bool,
}

impl<W, R: Clone + PartialEq> HandOff<W, R> {
    /// Who of this context stands in the way of a pending `request`; `None` if nobody
    /// does, as far as is known here. Looks no further than at `most` in front of it.
    pub(crate) fn ahead_of(&self, request: RequestSlot, most: usize) -> Option<Ahead> {
        let Request {
            queue,
            mode,
            if_held,
            passing,
            ..
        } = self.requests[request];
        let queue = &self.queues[queue];
        let held = &self.grants[*queue.active.first()?];
        let holder = held.holders.front()?;
        let held_since = self.held_since(holder)?;
        let is_in_queue = (if_held, passing) == (IfHeld::Queue, Passing::On);
        let most = if is_in_queue { most } else { 0 };
        let in_front = || {
            let in_queue = queue.waiting.iter(&self.requests).take(most);
            in_queue.take_while(|&slot| slot != request)
        };
        // Readers are only in a writer's way. A reader that waits behind readers alone waits
        // for another context.
        let modes = in_front().map(|slot| self.requests[slot].mode);
        let mut modes = modes.chain([mode, held.mode]);
        modes.find(|&mode| mode == LockMode::Exclusive)?;
        Some(Ahead {
            holder,
            held_since,
            waiting: is_in_queue.then(|| in_front().count()),
        })
    }

    /// Whether anybody of this context waits for the lock that `request` is for.
    pub(crate) fn has_waiters(&self, request: RequestSlot) -> bool {
        let queue = &self.queues[self.requests[request].queue];
        !(queue.waiting.is_empty() && queue.deferred.is_empty())
    }

    /// Whether `request` is for a lock that this context alone knows.
    #[allow(dead_code, reason = "JavaScript's edge alone asks")]
    pub(crate) fn is_local(&self, request: RequestSlot) -> bool {
        self.queues[self.requests[request].queue].is_local
    }

    /// Whether this context holds the lock of `queue` in any mode.
    pub(crate) fn holds(&self, queue: QueueSlot) -> bool {
        !self.queues[queue].active.is_empty()
    }

    /// Shows all that this context holds and waits for, as of now: those who wait for one
    /// lock in the order in which they came. Tries and steals do not wait, and are not shown.
    pub(crate) fn for_each_own(&self, mut show: impl FnMut(Own)) {
        let mut show = |slot: RequestSlot, is_asked_for| {
            let held_since = self.held_since(slot);
            let Request {
                queue, mode, since, ..
            } = self.requests[slot];
            show(Own {
                request: slot,
                queue,
                mode,
                is_held: held_since.is_some(),
                is_asked_for,
                since: held_since.unwrap_or(since),
            });
        };
        for (_, queue) in &self.queues {
            for &grant in &queue.active {
                let holders = self.grants[grant].holders.iter(&self.requests);
                holders.for_each(|slot| show(slot, false));
            }
            let head = queue.next.and_then(|_| queue.waiting.front());
            let mut alone = queue.alone.iter(&self.requests).peekable();
            for slot in queue.waiting.iter(&self.requests) {
                let since = self.requests[slot].since;
                while let Some(slot) = alone.next_if(|&alone| self.requests[alone].since < since) {
                    show(slot, true);
                }
                show(slot, head == Some(slot));
            }
            alone.for_each(|slot| show(slot, true));
        }
    }

    /// Shows what the platform may have to show of this context, as of now.
    pub(crate) fn for_each_asked(&self, mut show: impl FnMut(Asked)) {
        for grant in self.grants.iter() {
            show(Asked {
                queue: grant.queue,
                mode: grant.mode,
                is_granted: grant.is_granted,
            });
        }
    }

    fn held_since(&self, request: RequestSlot) -> Option<f64> {
        match self.requests[request].state {
            State::Held(since) => Some(since),
            _ => None,
        }
    }
}
