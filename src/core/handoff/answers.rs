//! What the platform says, and what becomes of it, in whatever order it comes.
//!
//! By the specification a request is called back once, and then its promise is settled,
//! once; or it is rejected without a callback. WebKit (2.50) rejects a request that is
//! stolen while its grant is on the way, and then calls back all the same. So nothing is
//! taken for granted here: a lease that has had its say is removed, and whatever is said
//! of it later is about nobody.

use alloc::vec::Vec;
use core::mem;

use super::{
    IfHeld, Lease, LeaseId, LineSlot, List, Order, Phase, Reason, Relay, RequestSlot, State,
};

/// How the promise of a request was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled<R> {
    Resolved,
    /// Rejected with an `AbortError`. The specification has that for a signal and for a
    /// steal, and for nothing else; it does not tell a lock that was stolen from one
    /// whose grant was still on the way.
    Aborted,
    /// Rejected with something else, or never made: why.
    Failed(R),
}

impl<R> Settled<R> {
    /// What this says to one who waited.
    fn while_pending(self) -> State<R> {
        match self {
            Self::Resolved => State::TurnedDown(Reason::NotCalledBack),
            Self::Aborted => State::Lost(Reason::Stolen),
            Self::Failed(why) => State::TurnedDown(Reason::Failed(why)),
        }
    }

    /// What this says to one who held.
    fn while_held(self) -> Reason<R> {
        match self {
            Self::Resolved => Reason::Ended,
            Self::Aborted => Reason::Stolen,
            Self::Failed(why) => Reason::TakenAway(why),
        }
    }
}

impl<W, R: Clone + PartialEq> Relay<W, R> {
    /// The platform has called back, with a lock or without. Returns whether to keep the
    /// lock: it may come too late, or for nobody.
    pub(crate) fn called_back(&mut self, id: LeaseId, has_lock: bool, now: f64) -> bool {
        let Some(lease) = self.leases.get(id) else {
            return false;
        };
        let (line, phase) = (lease.line, lease.phase);
        if phase != Phase::Asked {
            return false;
        }
        if !has_lock {
            self.turn_down(id, now, |lease| match lease.if_held {
                IfHeld::Refuse => State::Busy,
                IfHeld::Queue | IfHeld::Steal => State::TurnedDown(Reason::NoLock),
            });
            return false;
        }
        self.leases[id].phase = Phase::Active;
        self.leases[id].is_granted = true;
        self.leases[id].granted = now;
        if self.leases[id].if_held == IfHeld::Steal {
            // The platform will say so as well, but by then a victim might have handed on
            // what it no longer had.
            for victim in mem::take(&mut self.lines[line].active) {
                if !self.lines[line].is_local {
                    self.orders.push(Order::Forget(victim));
                }
                self.lose(victim, &Reason::Stolen);
            }
        }
        self.lines[line].active.push(id);
        match self.leases[id].request.take() {
            Some(request) => {
                self.waits_no_longer(request);
                self.hand_to(request, id, now);
            }
            None => self.lines[line].next = None,
        }
        self.settle(line, now);
        true
    }

    /// The promise of a request is settled, or there was none.
    /// Returns the line if nobody uses that any more, as do the following.
    pub(crate) fn settled(&mut self, id: LeaseId, how: Settled<R>, now: f64) -> Option<LineSlot> {
        let &Lease {
            line,
            phase,
            is_granted,
            ..
        } = self.leases.get(id)?;
        match phase {
            Phase::Asked => return self.turn_down(id, now, |_| how.while_pending()),
            Phase::Active => {
                self.lines[line].active.retain(|&active| active != id);
                self.lose(id, &how.while_held());
                self.settle(line, now);
            }
            Phase::Ending => {
                let round_trips = match (how, is_granted) {
                    (Settled::Resolved, _) => self.withdrawn_before(line),
                    // It was stolen before the platform heard of the release.
                    (_, true) => 0,
                    // It was withdrawn, and the promise is rejected here, by the signal. The
                    // lock manager may not have heard of that, and may have granted the lock.
                    (_, false) => {
                        let queues_withdrawn = self.quirks.queues_withdrawn;
                        let line = &mut self.lines[line];
                        line.withdrawn += u32::from(queues_withdrawn);
                        1
                    }
                };
                if round_trips == 0 {
                    return self.over(id, now);
                }
                self.leases[id].phase = Phase::Confirming;
                self.orders.push(Order::Confirm {
                    lease: id,
                    round_trips,
                });
            }
            Phase::Confirming => {}
        }
        None
    }

    /// What was [ordered](Order::Confirm) is done.
    pub(crate) fn confirmed(&mut self, id: LeaseId, now: f64) -> Option<LineSlot> {
        let lease = self.leases.get(id);
        match lease.is_some_and(|lease| lease.phase == Phase::Confirming) {
            true => self.over(id, now),
            false => None,
        }
    }

    /// This context loses all that it has and waits for of the platform, at once. Returns
    /// the lines that nobody uses any more.
    pub(crate) fn freeze(&mut self, why: &Reason<R>) -> Vec<LineSlot> {
        let mut unused = Vec::new();
        for id in self.leases.ids() {
            let Lease { line, phase, .. } = self.leases[id];
            if self.lines[line].is_local {
                continue;
            }
            if matches!(phase, Phase::Asked | Phase::Active) {
                self.orders.push(Order::End(id));
            }
            self.leases.remove(id);
            unused.extend(self.leave(line));
        }
        for (_, line) in self.lines.iter_mut().filter(|(_, line)| !line.is_local) {
            line.waiting = List::default();
            line.alone = List::default();
            line.trying = List::default();
            line.next = None;
            line.active.clear();
            line.ending = Default::default();
        }
        for (_, request) in &mut self.requests {
            if self.lines[request.line].is_local {
                continue;
            }
            request.lease = None;
            request.state = match request.state {
                State::Pending | State::Held(_) => State::Lost(why.clone()),
                // The promise that would say so may never be settled, and nobody is to
                // wait for it for ever.
                State::Releasing => State::Freed,
                _ => continue,
            };
            self.wakes.extend(request.waker.take());
        }
        unused
    }

    /// A request was not granted, and will not be. `state` is what becomes of the task that
    /// it was made for.
    fn turn_down(
        &mut self,
        id: LeaseId,
        now: f64,
        state: impl FnOnce(&Lease) -> State<R>,
    ) -> Option<LineSlot> {
        let lease = self.leases.remove(id);
        let line = lease.line;
        let own = lease.request;
        own.into_iter().for_each(|own| self.waits_no_longer(own));
        if let Some(request) = own.or_else(|| self.take_head(line)) {
            self.requests[request].lease = None;
            self.change(request, state(&lease));
        }
        self.settle(line, now);
        self.leave(line)
    }

    /// The head of a line whose `next` lease will not be granted.
    fn take_head(&mut self, line: LineSlot) -> Option<RequestSlot> {
        let line = &mut self.lines[line];
        line.next = None;
        let head = line.waiting.front()?;
        line.waiting.unlink(head, &mut self.requests);
        Some(head)
    }

    /// How many that were withdrawn the platform may come across, before what is released
    /// in `line` is free.
    fn withdrawn_before(&mut self, line: LineSlot) -> u32 {
        let line = &mut self.lines[line];
        match line.active.is_empty() {
            true => mem::take(&mut line.withdrawn),
            // They stay where they are until the last holder releases.
            false => 0,
        }
    }

    /// The platform is done with a lease that was ended.
    fn over(&mut self, id: LeaseId, now: f64) -> Option<LineSlot> {
        let Lease {
            line,
            request,
            epoch,
            ..
        } = self.leases.remove(id);
        if let Some(request) = request {
            self.requests[request].lease = None;
            self.change(request, State::Freed);
        }
        let ending = &mut self.lines[line].ending;
        match epoch == ending.epoch {
            true => ending.new -= 1,
            false => ending.old -= 1,
        }
        self.try_again(line, now);
        self.settle(line, now);
        self.leave(line)
    }
}
