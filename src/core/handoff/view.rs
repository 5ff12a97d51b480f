//! What can be seen of a relay from outside, beside the [`State`] of a request.

use super::{IfHeld, LineSlot, LockMode, Passing, Relay, Request, RequestSlot, State};

/// Who of our own context is in the way of a request.
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
    pub(crate) line: LineSlot,
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
    pub(crate) line: LineSlot,
    pub(crate) mode: LockMode,
    /// Whether it is a lock that was granted, and not a request.
    pub(crate) is_granted: bool,
}

impl<W, R: Clone + PartialEq> Relay<W, R> {
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
        let holder = held.holders.front()?;
        let held_since = self.held_since(holder)?;
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
            holder,
            held_since,
            waiting: is_in_line.then(|| in_front().count()),
        })
    }

    /// Whether anybody of this context waits for the lock that `request` is for.
    pub(crate) fn has_waiters(&self, request: RequestSlot) -> bool {
        let line = &self.lines[self.requests[request].line];
        !(line.waiting.is_empty() && line.trying.is_empty())
    }

    /// Whether this context holds the lock of `line` in any mode.
    pub(crate) fn holds(&self, line: LineSlot) -> bool {
        !self.lines[line].active.is_empty()
    }

    /// Shows all that this context holds and waits for, as of now: those who wait for one
    /// lock in the order in which they came. Not what is not to wait.
    pub(crate) fn for_each_own(&self, mut show: impl FnMut(Own)) {
        let mut show = |slot: RequestSlot, is_asked_for| {
            let held_since = self.held_since(slot);
            let Request {
                line, mode, since, ..
            } = self.requests[slot];
            show(Own {
                request: slot,
                line,
                mode,
                is_held: held_since.is_some(),
                is_asked_for,
                since: held_since.unwrap_or(since),
            });
        };
        for (_, line) in &self.lines {
            for &lease in &line.active {
                let holders = self.leases[lease].holders.iter(&self.requests);
                holders.for_each(|slot| show(slot, false));
            }
            let head = line.next.and_then(|_| line.waiting.front());
            let mut alone = line.alone.iter(&self.requests).peekable();
            for slot in line.waiting.iter(&self.requests) {
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
        for lease in self.leases.iter() {
            show(Asked {
                line: lease.line,
                mode: lease.mode,
                is_granted: lease.is_granted,
            });
        }
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
