//! The platform's answers, in whatever order they come, and what follows from each.
//!
//! By the specification a request is called back once, and then its promise is settled,
//! once; or it is rejected without a callback. WebKit (2.50) rejects a request that is
//! stolen while its grant is on the way, and then calls back all the same. So nothing is
//! taken for granted here: a grant is removed when it is answered, and a later answer for
//! it is ignored.

use alloc::vec::Vec;
use core::mem;

use super::{
    Command, Grant, GrantId, HandOff, IfHeld, List, LockMode, Phase, QueueSlot, Reason,
    RequestSlot, State,
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
    /// What this means for a request that waited.
    fn while_pending(self) -> State<R> {
        match self {
            Self::Resolved => State::Rejected(Reason::NotCalledBack),
            Self::Aborted => State::Lost(Reason::Stolen),
            Self::Failed(why) => State::Rejected(Reason::Failed(why)),
        }
    }

    /// What this means for a request that held the lock.
    fn while_held(self) -> Reason<R> {
        match self {
            Self::Resolved => Reason::Ended,
            Self::Aborted => Reason::Stolen,
            Self::Failed(why) => Reason::TakenAway(why),
        }
    }
}

impl<W, R: Clone + PartialEq> HandOff<W, R> {
    /// The platform has called back, with a lock or without. Returns whether to keep the
    /// lock: it may come too late, or for nobody.
    pub(crate) fn called_back(&mut self, id: GrantId, has_lock: bool, now: f64) -> bool {
        let Some(grant) = self.grants.get(id) else {
            return false;
        };
        let (queue, phase) = (grant.queue, grant.phase);
        if phase != Phase::Asked {
            return false;
        }
        if !has_lock {
            self.reject(id, now, |grant| match grant.if_held {
                IfHeld::Refuse => State::Busy,
                IfHeld::Queue | IfHeld::Steal => State::Rejected(Reason::NoLock),
            });
            return false;
        }
        self.grants[id].phase = Phase::Active;
        self.grants[id].is_granted = true;
        self.grants[id].granted = now;
        // It was stolen from those whom it excludes. The platform will say so as well, but by then a victim
        // might have handed on what it no longer had, or the thief be gone and the next one hold.
        if self.excludes_a_holder(id) {
            for victim in mem::take(&mut self.queues[queue].active) {
                if !self.queues[queue].is_local {
                    self.commands.push(Command::Forget(victim));
                }
                self.lose(victim, &Reason::Stolen);
            }
        }
        self.queues[queue].active.push(id);
        match self.grants[id].request.take() {
            Some(request) => {
                self.waits_no_longer(request);
                self.hand_to(request, id, now);
            }
            None => self.queues[queue].next = None,
        }
        self.reconcile(queue, now);
        true
    }

    fn excludes_a_holder(&self, id: GrantId) -> bool {
        let Grant { queue, mode, .. } = self.grants[id];
        let exclusive = LockMode::Exclusive;
        let mut active = self.queues[queue].active.iter();
        active.any(|&active| mode == exclusive || self.grants[active].mode == exclusive)
    }

    /// The promise of a request is settled, or there was none.
    /// Returns the queue if nobody uses that any more, as do the following.
    pub(crate) fn settled(&mut self, id: GrantId, how: Settled<R>, now: f64) -> Option<QueueSlot> {
        let &Grant {
            queue,
            phase,
            is_granted,
            ..
        } = self.grants.get(id)?;
        match phase {
            Phase::Asked => return self.reject(id, now, |_| how.while_pending()),
            Phase::Active => {
                self.queues[queue].active.retain(|&active| active != id);
                self.lose(id, &how.while_held());
                self.reconcile(queue, now);
            }
            Phase::Ending => {
                // By a request that was withdrawn, the promise is rejected here, by the signal. The lock
                // manager may not have heard of that, and may have granted the lock. One that was
                // granted is over: released, or stolen before the platform heard of that.
                if matches!(how, Settled::Resolved) || is_granted {
                    return self.over(id, now);
                }
                self.grants[id].phase = Phase::Confirming;
                self.commands.push(Command::Confirm(id));
            }
            Phase::Confirming => {}
        }
        None
    }

    /// The [command](Command::Confirm) has been carried out.
    pub(crate) fn confirmed(&mut self, id: GrantId, now: f64) -> Option<QueueSlot> {
        let grant = self.grants.get(id);
        match grant.is_some_and(|grant| grant.phase == Phase::Confirming) {
            true => self.over(id, now),
            false => None,
        }
    }

    /// This context loses all that it holds and waits for of the platform, at once. Returns
    /// the queues that nobody uses any more.
    pub(crate) fn lose_all(&mut self, why: &Reason<R>) -> Vec<QueueSlot> {
        let mut unused = Vec::new();
        // What was not sent yet never is: this may be called in the middle of the commands, and the
        // queue of such a request may be closed before its turn comes. The edge has nothing to forget
        // of what it never sent.
        for command in &mut self.commands {
            if let Command::Request { grant, .. } = *command {
                *command = Command::Forget(grant);
            }
        }
        for id in self.grants.ids() {
            let Grant { queue, phase, .. } = self.grants[id];
            if self.queues[queue].is_local {
                continue;
            }
            if matches!(phase, Phase::Asked | Phase::Active) {
                self.commands.push(Command::Release(id));
            }
            self.grants.remove(id);
            unused.extend(self.leave(queue));
        }
        for (_, queue) in self.queues.iter_mut().filter(|(_, queue)| !queue.is_local) {
            queue.waiting = List::default();
            queue.alone = List::default();
            queue.deferred = List::default();
            queue.next = None;
            queue.active.clear();
            queue.ending = Default::default();
        }
        for (_, request) in &mut self.requests {
            if self.queues[request.queue].is_local {
                continue;
            }
            request.grant = None;
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
    fn reject(
        &mut self,
        id: GrantId,
        now: f64,
        state: impl FnOnce(&Grant) -> State<R>,
    ) -> Option<QueueSlot> {
        let grant = self.grants.remove(id);
        let queue = grant.queue;
        let own = grant.request;
        own.into_iter().for_each(|own| self.waits_no_longer(own));
        if let Some(request) = own.or_else(|| self.take_head(queue)) {
            self.requests[request].grant = None;
            self.change(request, state(&grant));
        }
        self.reconcile(queue, now);
        self.leave(queue)
    }

    /// The head of a queue whose `next` grant will not be granted.
    fn take_head(&mut self, queue: QueueSlot) -> Option<RequestSlot> {
        let queue = &mut self.queues[queue];
        queue.next = None;
        let head = queue.waiting.front()?;
        queue.waiting.unlink(head, &mut self.requests);
        Some(head)
    }

    /// The platform is done with a grant that was ended.
    fn over(&mut self, id: GrantId, now: f64) -> Option<QueueSlot> {
        let Grant {
            queue,
            request,
            epoch,
            ..
        } = self.grants.remove(id);
        if let Some(request) = request {
            self.requests[request].grant = None;
            self.change(request, State::Freed);
        }
        let ending = &mut self.queues[queue].ending;
        match epoch == ending.epoch {
            true => ending.new -= 1,
            false => ending.old -= 1,
        }
        self.try_again(queue, now);
        self.reconcile(queue, now);
        self.leave(queue)
    }
}
