//! How a line comes to rest: who of those who wait has which lease, and what is asked of
//! the platform for the others.

use alloc::vec::Vec;

use slab::Slab;

use super::{
    IfHeld, Lease, LeaseSlot, Line, LineSlot, List, LockMode, MILLIS, Order, Passing, Phase,
    Reason, Relay, Reminder, Request, RequestSlot, State, TURNS,
};

/// Below this many slots, giving memory back costs more than it saves.
const KEEP_CAPACITY: usize = 64;

impl<W, R: Reason> Relay<W, R> {
    /// Makes a line for the requests of one lock: a platform's, or a
    /// [local](Line::is_local) one.
    pub(crate) fn open(&mut self, is_local: bool) -> LineSlot {
        self.lines.insert(Line {
            is_local,
            waiting: List::default(),
            trying: List::default(),
            next: None,
            active: Vec::new(),
            ending: 0,
            known_by: 0,
        })
    }

    /// Forgets a line that nobody uses.
    pub(crate) fn close(&mut self, line: LineSlot) {
        debug_assert_eq!(self.lines[line].known_by, 0);
        self.lines.remove(line);
    }

    /// One who knew `line` is gone. Returns it if that was the last one.
    pub(super) fn leave(&mut self, line: LineSlot) -> Option<LineSlot> {
        self.lines[line].known_by -= 1;
        (self.lines[line].known_by == 0).then_some(line)
    }

    /// A slab can be cut only behind its last used slot, so each is given back when it is
    /// empty.
    pub(super) fn give_memory_back(&mut self) {
        if self.requests.is_empty() && self.requests.capacity() > KEEP_CAPACITY {
            self.requests = Slab::new();
        }
    }

    pub(super) fn change(&mut self, request: RequestSlot, state: State<R>) {
        let request = &mut self.requests[request];
        request.state = state;
        self.wakes.extend(request.waker.take());
    }

    /// Brings a line to rest: hands on what may be handed on, ends what nobody holds, and
    /// sees to it that the head has a request with the platform.
    pub(super) fn settle(&mut self, line: LineSlot, now: f64) {
        while let Some(head) = self.lines[line].waiting.front() {
            let Some(lease) = self.lease_to_share(line, self.requests[head].mode, now) else {
                break;
            };
            let waiting = &mut self.lines[line].waiting;
            waiting.unlink(head, &mut self.requests);
            self.hand_to(head, lease, now);
        }
        while let Some(idle) = self.idle_lease(line) {
            self.end(idle);
        }
        let Line { waiting, next, .. } = &self.lines[line];
        let wanted = waiting.front().map(|head| self.requests[head].mode);
        let asked = next.map(|next| self.leases[next].mode);
        if wanted == asked {
            return;
        }
        if let Some(next) = self.lines[line].next.take() {
            self.end(next);
        }
        let Some(mode) = wanted else {
            return;
        };
        if self.lines[line].is_local {
            if self.lines[line].active.is_empty() {
                let next = self.ask(line, mode, IfHeld::Queue, Passing::On, None);
                self.answered(next, true, now);
            }
            return;
        }
        let mut active = self.lines[line].active.iter();
        if active.any(|&lease| self.leases[lease].mode == mode && self.may_pass_on(lease, now)) {
            if self.reminder == Reminder::None {
                self.reminder = Reminder::Wanted;
            }
            return;
        }
        let next = self.ask(line, mode, IfHeld::Queue, Passing::On, None);
        self.lines[line].next = Some(next);
    }

    /// An active lease that may be given to one more, as of now.
    fn lease_to_share(&self, line: LineSlot, mode: LockMode, now: f64) -> Option<LeaseSlot> {
        let mut active = self.lines[line].active.iter().copied();
        active.find(|&slot| {
            let lease = &self.leases[slot];
            let fits = lease.mode == mode && (mode == LockMode::Shared || lease.holders.is_empty());
            fits && (lease.turns == 0 || self.may_pass_on(slot, now))
        })
    }

    /// Whether a lease is young, and nobody's own.
    fn may_pass_on(&self, lease: LeaseSlot, now: f64) -> bool {
        let lease = &self.leases[lease];
        if self.lines[lease.line].is_local {
            return true;
        }
        let is_young = lease.turns < TURNS && now - lease.granted < MILLIS;
        is_young && lease.passing == Passing::On
    }

    fn idle_lease(&self, line: LineSlot) -> Option<LeaseSlot> {
        let mut active = self.lines[line].active.iter().copied();
        active.find(|&lease| self.leases[lease].holders.is_empty())
    }

    pub(super) fn hand_to(&mut self, request: RequestSlot, lease: LeaseSlot, now: f64) {
        let holders = &mut self.leases[lease].holders;
        holders.push_back(request, &mut self.requests);
        let turns = &mut self.leases[lease].turns;
        *turns = turns.saturating_add(1);
        self.requests[request].lease = Some(lease);
        self.change(request, State::Held(now));
    }

    pub(super) fn try_now(&mut self, slot: RequestSlot, now: f64) {
        let Request {
            line,
            mode,
            passing,
            ..
        } = self.requests[slot];
        if self.conflicts(line, mode) {
            // The platform would say no more: it has our requests before this one.
            return self.change(slot, State::Busy);
        }
        let lease = (passing == Passing::On).then(|| self.lease_to_share(line, mode, now));
        if let Some(lease) = lease.flatten() {
            return self.hand_to(slot, lease, now);
        }
        if self.lines[line].ending > 0 {
            // What we have let go of ourselves is free as far as our caller can know, but
            // the platform may not have heard of it.
            let trying = &mut self.lines[line].trying;
            return trying.push_back(slot, &mut self.requests);
        }
        self.ask_alone(slot, now);
    }

    /// Whether somebody in `line` holds or waits for what leaves no room for `mode`.
    fn conflicts(&self, line: LineSlot, mode: LockMode) -> bool {
        let Line {
            waiting, active, ..
        } = &self.lines[line];
        let active = active.iter().map(|&lease| self.leases[lease].mode);
        let waiting = waiting.iter(&self.requests);
        let mut before = active.chain(waiting.map(|slot| self.requests[slot].mode));
        before.any(|other| [mode, other].contains(&LockMode::Exclusive))
    }

    /// For the tries that waited for what we had let go of.
    pub(super) fn try_again(&mut self, line: LineSlot, now: f64) {
        while let Some(slot) = self.lines[line].trying.front() {
            let trying = &mut self.lines[line].trying;
            trying.unlink(slot, &mut self.requests);
            self.try_now(slot, now);
        }
    }

    /// Asks for a lease that goes to this request alone.
    pub(super) fn ask_alone(&mut self, slot: RequestSlot, now: f64) {
        let Request {
            line,
            mode,
            if_held,
            passing,
            ..
        } = self.requests[slot];
        let lease = self.ask(line, mode, if_held, passing, Some(slot));
        self.requests[slot].lease = Some(lease);
        if self.lines[line].is_local {
            self.answered(lease, true, now);
        }
    }

    fn ask(
        &mut self,
        line: LineSlot,
        mode: LockMode,
        if_held: IfHeld,
        passing: Passing,
        request: Option<RequestSlot>,
    ) -> LeaseSlot {
        self.lines[line].known_by += 1;
        let lease = self.leases.insert(Lease {
            line,
            mode,
            phase: Phase::Asked,
            holders: List::default(),
            request,
            passing,
            turns: 0,
            granted: 0.0,
        });
        if !self.lines[line].is_local {
            self.orders.push(Order::Ask {
                lease,
                line,
                mode,
                if_held,
            });
        }
        lease
    }

    /// Withdraws or lets go of a lease that nobody holds.
    pub(super) fn end(&mut self, slot: LeaseSlot) {
        let lease = &mut self.leases[slot];
        lease.phase = Phase::Ending;
        lease.request = None;
        let line = &mut self.lines[lease.line];
        line.active.retain(|&active| active != slot);
        if line.is_local {
            return self.forget(slot);
        }
        line.ending += 1;
        self.orders.push(Order::End(slot));
    }

    /// There is nobody to say that a local lease has ended.
    pub(super) fn forget(&mut self, slot: LeaseSlot) {
        let Lease { line, .. } = self.leases.remove(slot);
        // Whoever caused this knows the line as well.
        let _ = self.leave(line);
    }

    /// Tells the holders of a lease that is active no more.
    pub(super) fn lose(&mut self, lease: LeaseSlot, why: &R) {
        self.leases[lease].phase = Phase::Forgotten;
        while let Some(holder) = self.leases[lease].holders.front() {
            let holders = &mut self.leases[lease].holders;
            holders.unlink(holder, &mut self.requests);
            self.requests[holder].lease = None;
            self.change(holder, State::Lost(why.clone()));
        }
    }
}
