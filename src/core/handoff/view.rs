//! What can be seen of a relay from outside, beside the [`State`] of a request.

use super::{
    IfHeld, Lease, LeaseSlot, LineSlot, LockMode, Passing, Phase, Reason, Relay, Request,
    RequestSlot, State,
};

/// Who of our own context is in the way of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ahead {
    /// Since when the holder has the lock.
    pub(crate) held_since: f64,
    /// How many wait in front, counted up to what was asked for; `None` for a request that
    /// queues with the platform, which alone knows its place.
    pub(crate) waiting: Option<usize>,
}

/// A request of which we know more than the platform.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hidden {
    pub(crate) line: LineSlot,
    pub(crate) mode: LockMode,
    pub(crate) is_held: bool,
    /// The head of a line, that the platform was asked for: it does not tell since when.
    pub(crate) is_asked_for: bool,
    /// Since when it is held, or waits.
    pub(crate) since: f64,
}

impl<W, R: Reason> Relay<W, R> {
    /// Who of this context stands in the way of a pending `request`; `None` if nobody
    /// does, as far as is known here. Looks no further than at `most` in front of it.
    pub(crate) fn ahead_of(&self, request: RequestSlot, most: usize) -> Option<Ahead> {
        let Request {
            line,
            mode,
            if_held,
            passing,
            ..
        } = self.requests[request];
        let line = &self.lines[line];
        let held = &self.leases[*line.active.first()?];
        let held_since = self.held_since(held.holders.front()?)?;
        let is_in_line = (if_held, passing) == (IfHeld::Queue, Passing::On);
        let most = if is_in_line { most } else { 0 };
        let in_front = || {
            let in_line = line.waiting.iter(&self.requests).take(most);
            in_line.take_while(|&slot| slot != request)
        };
        // Readers are in nobody's way but a writer's: it is another context that one who
        // waits behind readers alone has to wait for.
        let modes = in_front().map(|slot| self.requests[slot].mode);
        let mut modes = modes.chain([mode, held.mode]);
        modes.find(|&mode| mode == LockMode::Exclusive)?;
        Some(Ahead {
            held_since,
            waiting: is_in_line.then(|| in_front().count()),
        })
    }

    /// Since when this context holds the lock exclusively.
    pub(crate) fn held_exclusively_since(&self, line: LineSlot) -> Option<f64> {
        self.lines[line].active.iter().find_map(|&lease| {
            let Lease { mode, holders, .. } = &self.leases[lease];
            let holder = (*mode == LockMode::Exclusive).then(|| holders.front())?;
            self.held_since(holder?)
        })
    }

    /// Whether this context holds the lock in any mode.
    pub(crate) fn holds(&self, line: LineSlot) -> bool {
        !self.lines[line].active.is_empty()
    }

    /// Shows the requests that the platform does not know of, or not since when: those who
    /// share a lease with its first holder, and line by line those who wait.
    pub(crate) fn for_each_hidden(&self, mut show: impl FnMut(Hidden)) {
        for (at, line) in &self.lines {
            let active = line.active.iter();
            let holders = active.map(|&lease| self.leases[lease].holders.iter(&self.requests));
            let sharers = holders.flat_map(|holders| holders.skip(1));
            let asked_for = line.next.and_then(|_| line.waiting.front());
            for slot in sharers.chain(line.waiting.iter(&self.requests)) {
                let held_since = self.held_since(slot);
                let Request { mode, since, .. } = self.requests[slot];
                show(Hidden {
                    line: at,
                    mode,
                    is_held: held_since.is_some(),
                    is_asked_for: asked_for == Some(slot),
                    since: held_since.unwrap_or(since),
                });
            }
        }
    }

    /// What `lease` is, or was to be, a lock on.
    pub(crate) fn line_of(&self, lease: LeaseSlot) -> LineSlot {
        self.leases[lease].line
    }

    /// Whether the end of `lease` was [ordered](super::Order::End).
    pub(crate) fn is_ending(&self, lease: LeaseSlot) -> bool {
        self.leases[lease].phase == Phase::Ending
    }

    #[cfg(all(test, not(any(loom, target_family = "wasm"))))]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.iter().all(|(_, line)| line.known_by == 0)
            && self.requests.is_empty()
            && self.leases.is_empty()
    }

    fn held_since(&self, request: RequestSlot) -> Option<f64> {
        match self.requests[request].state {
            State::Held(since) => Some(since),
            _ => None,
        }
    }
}
