//! How a line comes to rest: who of those who wait has which lease, and what is asked of
//! the platform for the others.

use alloc::vec::Vec;

use slab::Slab;

use super::{
    Endings, IfHeld, KEPT, Lease, LeaseId, Line, LineSlot, List, LockMode, MILLIS, Order, Passing,
    Phase, Reason, Relay, Request, RequestSlot, State, TURNS,
};

impl<W, R: Clone + PartialEq> Relay<W, R> {
    /// Makes a line for the requests of one lock: a platform's, or a
    /// [local](Line::is_local) one.
    pub(crate) fn open(&mut self, is_local: bool) -> LineSlot {
        self.lines.insert(Line {
            is_local,
            waiting: List::default(),
            alone: List::default(),
            trying: List::default(),
            next: None,
            active: Vec::new(),
            ending: Endings::default(),
            withdrawn: 0,
            known_by: 0,
        })
    }

    /// Forgets a line if nobody uses it. Returns whether that is so.
    pub(crate) fn close(&mut self, line: LineSlot) -> bool {
        let is_unused = self.lines[line].known_by == 0;
        if is_unused {
            self.lines.remove(line);
            if self.lines.is_empty() && self.lines.capacity() > KEPT {
                self.lines = Slab::new();
            }
        }
        is_unused
    }

    /// One who knew `line` is gone. Returns it if that was the last one.
    pub(super) fn leave(&mut self, line: LineSlot) -> Option<LineSlot> {
        self.lines[line].known_by -= 1;
        if self.lines[line].known_by > 0 {
            return None;
        }
        self.lines[line].withdrawn = 0;
        Some(line)
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
                self.called_back(next, true, now);
            }
            return;
        }
        let mut active = self.lines[line].active.iter();
        let may_be_next =
            |&lease: &LeaseId| self.leases[lease].mode == mode && self.may_pass_on(lease, now);
        if !self.is_hidden && active.any(may_be_next) {
            if !core::mem::replace(&mut self.is_reminded, true) {
                self.orders.push(Order::Remind);
            }
            return;
        }
        let next = self.ask(line, mode, IfHeld::Queue, Passing::On, None);
        self.lines[line].next = Some(next);
    }

    /// An active lease that may be given to one more, as of now.
    fn lease_to_share(&self, line: LineSlot, mode: LockMode, now: f64) -> Option<LeaseId> {
        let mut active = self.lines[line].active.iter().copied();
        active.find(|&slot| {
            let lease = &self.leases[slot];
            let fits = lease.mode == mode && (mode == LockMode::Shared || lease.holders.is_empty());
            fits && (lease.turns == 0 || self.may_pass_on(slot, now))
        })
    }

    /// Whether a lease is young, and nobody's own.
    fn may_pass_on(&self, lease: LeaseId, now: f64) -> bool {
        let lease = &self.leases[lease];
        if self.lines[lease.line].is_local {
            return true;
        }
        let is_young = lease.turns < TURNS && now - lease.granted < MILLIS;
        is_young && lease.passing == Passing::On
    }

    fn idle_lease(&self, line: LineSlot) -> Option<LeaseId> {
        let mut active = self.lines[line].active.iter().copied();
        active.find(|&lease| self.leases[lease].holders.is_empty())
    }

    pub(super) fn hand_to(&mut self, request: RequestSlot, lease: LeaseId, now: f64) {
        let holders = &mut self.leases[lease].holders;
        holders.push_back(request, &mut self.requests);
        let turns = &mut self.leases[lease].turns;
        *turns = turns.saturating_add(1);
        self.requests[request].lease = Some(lease);
        self.change(request, State::Held(now));
    }

    pub(super) fn try_now(&mut self, slot: RequestSlot, now: f64) {
        let Some(slot) = self.try_here(slot, now) else {
            return;
        };
        if self.lines[self.requests[slot].line].ending.is_any() {
            // What we have let go of ourselves is free as far as our caller can know, but
            // the platform may not have heard of it.
            return self.park(slot);
        }
        self.ask_alone(slot, now);
    }

    /// What this context can say to a try itself. Returns it if it is for the platform to
    /// decide.
    fn try_here(&mut self, slot: RequestSlot, now: f64) -> Option<RequestSlot> {
        let Request {
            line,
            mode,
            passing,
            ..
        } = self.requests[slot];
        if self.conflicts(line, mode) {
            // The platform would say no more: it has our requests before this one.
            self.change(slot, State::Busy);
            return None;
        }
        let lease = (passing == Passing::On).then(|| self.lease_to_share(line, mode, now));
        match lease.flatten() {
            Some(lease) => {
                self.hand_to(slot, lease, now);
                None
            }
            None => Some(slot),
        }
    }

    fn park(&mut self, slot: RequestSlot) {
        let Line { trying, ending, .. } = &mut self.lines[self.requests[slot].line];
        if trying.is_empty() {
            ending.begin_batch();
        }
        // Those that began to end after the present batch came are in the way of this one.
        self.requests[slot].epoch = ending.epoch + u64::from(ending.new > 0);
        trying.push_back(slot, &mut self.requests);
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

    /// For the tries that waited for what we had let go of. They wait once: what was let go
    /// of since is as good a reason as any to refuse them.
    pub(super) fn try_again(&mut self, line: LineSlot, now: f64) {
        while self.lines[line].ending.old == 0
            && let Some(slot) = self.lines[line].trying.front()
        {
            let Line { trying, ending, .. } = &mut self.lines[line];
            if self.requests[slot].epoch > ending.epoch {
                ending.begin_batch();
                continue;
            }
            trying.unlink(slot, &mut self.requests);
            if let Some(slot) = self.try_here(slot, now) {
                self.ask_alone(slot, now);
            }
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
            self.called_back(lease, true, now);
        }
    }

    /// A request with a lease of its own is pending no more.
    pub(super) fn waits_no_longer(&mut self, slot: RequestSlot) {
        let request = &self.requests[slot];
        if (request.if_held, request.passing) == (IfHeld::Queue, Passing::Off) {
            let alone = &mut self.lines[request.line].alone;
            alone.unlink(slot, &mut self.requests);
        }
    }

    fn ask(
        &mut self,
        line: LineSlot,
        mode: LockMode,
        if_held: IfHeld,
        passing: Passing,
        request: Option<RequestSlot>,
    ) -> LeaseId {
        self.lines[line].known_by += 1;
        let lease = self.leases.insert(Lease {
            line,
            mode,
            phase: Phase::Asked,
            holders: List::default(),
            if_held,
            request,
            passing,
            turns: 0,
            granted: 0.0,
            is_granted: false,
            epoch: 0,
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
    pub(super) fn end(&mut self, slot: LeaseId) {
        let lease = &mut self.leases[slot];
        lease.phase = Phase::Ending;
        lease.request = None;
        let line = &mut self.lines[lease.line];
        line.active.retain(|&active| active != slot);
        if line.is_local {
            return self.forget(slot);
        }
        line.ending.new += 1;
        lease.epoch = line.ending.epoch;
        self.orders.push(Order::End(slot));
    }

    /// A lease is of no interest any more. Whoever causes that knows its line as well.
    fn forget(&mut self, lease: LeaseId) {
        let line = self.leases.remove(lease).line;
        let _ = self.leave(line);
    }

    /// Tells the holders of a lease that is active no more, and removes it.
    pub(super) fn lose(&mut self, lease: LeaseId, why: &Reason<R>) {
        while let Some(holder) = self.leases[lease].holders.front() {
            let holders = &mut self.leases[lease].holders;
            holders.unlink(holder, &mut self.requests);
            self.requests[holder].lease = None;
            self.change(holder, State::Lost(why.clone()));
        }
        self.forget(lease);
    }
}

impl Endings {
    fn is_any(&self) -> bool {
        self.old + self.new > 0
    }

    /// From now on, all that end are waited for, and none that will.
    fn begin_batch(&mut self) {
        self.epoch += 1;
        self.old += core::mem::take(&mut self.new);
    }
}
