//! Reconciles a queue: which waiter gets which grant, and what the platform is asked for on
//! behalf of the others.

use alloc::vec::Vec;

use slab::Slab;

use super::{
    Command, Endings, Grant, GrantId, HandOff, IfHeld, KEPT, List, LockMode, MILLIS, Passing,
    Phase, Queue, QueueSlot, Reason, Request, RequestSlot, State, TURNS,
};

impl<W, R: Clone + PartialEq> HandOff<W, R> {
    /// Makes a queue for the requests of one lock: a platform's, or a
    /// [local](Queue::is_local) one.
    pub(crate) fn open(&mut self, is_local: bool) -> QueueSlot {
        self.queues.insert(Queue {
            is_local,
            waiting: List::default(),
            alone: List::default(),
            deferred: List::default(),
            next: None,
            active: Vec::new(),
            ending: Endings::default(),
            references: 0,
        })
    }

    /// Forgets a queue if nobody uses it. Returns whether that is so.
    pub(crate) fn close(&mut self, queue: QueueSlot) -> bool {
        let is_unused = self.queues[queue].references == 0;
        if is_unused {
            self.queues.remove(queue);
            if self.queues.is_empty() && self.queues.capacity() > KEPT {
                self.queues = Slab::new();
            }
        }
        is_unused
    }

    /// Drops a reference to `queue`. Returns the queue if that was the last one.
    pub(super) fn leave(&mut self, queue: QueueSlot) -> Option<QueueSlot> {
        self.queues[queue].references -= 1;
        if self.queues[queue].references > 0 {
            return None;
        }
        Some(queue)
    }

    pub(super) fn change(&mut self, request: RequestSlot, state: State<R>) {
        let request = &mut self.requests[request];
        request.state = state;
        self.wakes.extend(request.waker.take());
    }

    /// Hands on what may be handed on, ends what nobody holds, and makes sure that the
    /// platform is asked for the head.
    pub(super) fn reconcile(&mut self, queue: QueueSlot, now: f64) {
        while let Some(head) = self.queues[queue].waiting.front() {
            let Some(grant) = self.grant_to_share(queue, self.requests[head].mode, now) else {
                break;
            };
            let waiting = &mut self.queues[queue].waiting;
            waiting.unlink(head, &mut self.requests);
            self.hand_to(head, grant, now);
        }
        while let Some(idle) = self.idle_grant(queue) {
            self.end(idle);
        }
        let Queue { waiting, next, .. } = &self.queues[queue];
        let wanted = waiting.front().map(|head| self.requests[head].mode);
        let asked = next.map(|next| self.grants[next].mode);
        if wanted == asked {
            return;
        }
        if let Some(next) = self.queues[queue].next.take() {
            self.end(next);
        }
        let Some(mode) = wanted else {
            return;
        };
        if self.queues[queue].is_local {
            if self.queues[queue].active.is_empty() {
                let next = self.ask(queue, mode, IfHeld::Queue, Passing::On, None);
                self.called_back(next, true, now);
            }
            return;
        }
        let mut active = self.queues[queue].active.iter();
        let may_be_next =
            |&grant: &GrantId| self.grants[grant].mode == mode && self.may_pass_on(grant, now);
        if !self.is_hidden && active.any(may_be_next) {
            if !core::mem::replace(&mut self.is_reminded, true) {
                self.commands.push(Command::Remind);
            }
            return;
        }
        let next = self.ask(queue, mode, IfHeld::Queue, Passing::On, None);
        self.queues[queue].next = Some(next);
    }

    /// An active grant that may be given to one more, as of now.
    fn grant_to_share(&self, queue: QueueSlot, mode: LockMode, now: f64) -> Option<GrantId> {
        let mut active = self.queues[queue].active.iter().copied();
        active.find(|&slot| {
            let grant = &self.grants[slot];
            let fits = grant.mode == mode && (mode == LockMode::Shared || grant.holders.is_empty());
            fits && (grant.turns == 0 || self.may_pass_on(slot, now))
        })
    }

    /// Whether a grant is young, and nobody's own.
    fn may_pass_on(&self, grant: GrantId, now: f64) -> bool {
        let grant = &self.grants[grant];
        if self.queues[grant.queue].is_local {
            return true;
        }
        let is_young = grant.turns < TURNS && now - grant.granted < MILLIS;
        is_young && grant.passing == Passing::On
    }

    fn idle_grant(&self, queue: QueueSlot) -> Option<GrantId> {
        let mut active = self.queues[queue].active.iter().copied();
        active.find(|&grant| self.grants[grant].holders.is_empty())
    }

    pub(super) fn hand_to(&mut self, request: RequestSlot, grant: GrantId, now: f64) {
        let holders = &mut self.grants[grant].holders;
        holders.push_back(request, &mut self.requests);
        let turns = &mut self.grants[grant].turns;
        *turns = turns.saturating_add(1);
        self.requests[request].grant = Some(grant);
        self.change(request, State::Held(now));
    }

    pub(super) fn try_now(&mut self, slot: RequestSlot, now: f64) {
        let Some(slot) = self.try_here(slot, now) else {
            return;
        };
        if self.queues[self.requests[slot].queue].ending.is_any() {
            // Our own releases are done as far as our caller can know, but the platform may
            // not have heard of them.
            return self.defer(slot);
        }
        self.ask_alone(slot, now);
    }

    /// Answers a try from what this context knows. Returns it if only the platform can.
    fn try_here(&mut self, slot: RequestSlot, now: f64) -> Option<RequestSlot> {
        let Request {
            queue,
            mode,
            passing,
            ..
        } = self.requests[slot];
        if self.conflicts(queue, mode) {
            // The platform would say no more: it has our requests before this one.
            self.change(slot, State::Busy);
            return None;
        }
        let grant = (passing == Passing::On).then(|| self.grant_to_share(queue, mode, now));
        match grant.flatten() {
            Some(grant) => {
                self.hand_to(slot, grant, now);
                None
            }
            None => Some(slot),
        }
    }

    fn defer(&mut self, slot: RequestSlot) {
        let Queue {
            deferred, ending, ..
        } = &mut self.queues[self.requests[slot].queue];
        if deferred.is_empty() {
            ending.begin_batch();
        }
        // Those that began to end after the present batch came are in the way of this one.
        self.requests[slot].epoch = ending.epoch + u64::from(ending.new > 0);
        deferred.push_back(slot, &mut self.requests);
    }

    /// Whether somebody in `queue` holds or waits for what leaves no room for `mode`.
    fn conflicts(&self, queue: QueueSlot, mode: LockMode) -> bool {
        let Queue {
            waiting, active, ..
        } = &self.queues[queue];
        let active = active.iter().map(|&grant| self.grants[grant].mode);
        let waiting = waiting.iter(&self.requests);
        let mut before = active.chain(waiting.map(|slot| self.requests[slot].mode));
        before.any(|other| [mode, other].contains(&LockMode::Exclusive))
    }

    /// Answers the tries that waited for our releases. They wait once: what was released
    /// since is as good a reason as any to refuse them.
    pub(super) fn try_again(&mut self, queue: QueueSlot, now: f64) {
        while self.queues[queue].ending.old == 0
            && let Some(slot) = self.queues[queue].deferred.front()
        {
            let Queue {
                deferred, ending, ..
            } = &mut self.queues[queue];
            if self.requests[slot].epoch > ending.epoch {
                ending.begin_batch();
                continue;
            }
            deferred.unlink(slot, &mut self.requests);
            if let Some(slot) = self.try_here(slot, now) {
                self.ask_alone(slot, now);
            }
        }
    }

    /// Asks for a grant that goes to this request alone.
    pub(super) fn ask_alone(&mut self, slot: RequestSlot, now: f64) {
        let Request {
            queue,
            mode,
            if_held,
            passing,
            ..
        } = self.requests[slot];
        let grant = self.ask(queue, mode, if_held, passing, Some(slot));
        self.requests[slot].grant = Some(grant);
        if self.queues[queue].is_local {
            self.called_back(grant, true, now);
        }
    }

    /// Takes a request with a grant of its own off the list of those that are pending.
    pub(super) fn waits_no_longer(&mut self, slot: RequestSlot) {
        let request = &self.requests[slot];
        if (request.if_held, request.passing) == (IfHeld::Queue, Passing::Off) {
            let alone = &mut self.queues[request.queue].alone;
            alone.unlink(slot, &mut self.requests);
        }
    }

    fn ask(
        &mut self,
        queue: QueueSlot,
        mode: LockMode,
        if_held: IfHeld,
        passing: Passing,
        request: Option<RequestSlot>,
    ) -> GrantId {
        self.queues[queue].references += 1;
        let grant = self.grants.insert(Grant {
            queue,
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
        if !self.queues[queue].is_local {
            self.commands.push(Command::Request {
                grant,
                queue,
                mode,
                if_held,
            });
        }
        grant
    }

    /// Withdraws or releases a grant that nobody holds.
    pub(super) fn end(&mut self, slot: GrantId) {
        let grant = &mut self.grants[slot];
        grant.phase = Phase::Ending;
        grant.request = None;
        let queue = &mut self.queues[grant.queue];
        queue.active.retain(|&active| active != slot);
        if queue.is_local {
            return self.forget(slot);
        }
        queue.ending.new += 1;
        grant.epoch = queue.ending.epoch;
        self.commands.push(Command::Release(slot));
    }

    /// Removes a grant. The caller has a reference to its queue as well.
    fn forget(&mut self, grant: GrantId) {
        let queue = self.grants.remove(grant).queue;
        let _ = self.leave(queue);
    }

    /// Tells the holders of a grant that is active no more, and removes it.
    pub(super) fn lose(&mut self, grant: GrantId, why: &Reason<R>) {
        while let Some(holder) = self.grants[grant].holders.front() {
            let holders = &mut self.grants[grant].holders;
            holders.unlink(holder, &mut self.requests);
            self.requests[holder].grant = None;
            self.change(holder, State::Lost(why.clone()));
        }
        self.forget(grant);
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
