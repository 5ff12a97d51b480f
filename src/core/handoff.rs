//! Hand-off: how the tasks of one page, worker or thread share what the platform grants
//! them. (The design is known as lock cohorting.)
//!
//! A round trip to the browser's lock manager takes a tenth of a millisecond, and
//! Node's queue gets slower with every waiter. So the requests that one context makes
//! for one lock stand in a [`Queue`] of its own, and the platform knows of two of them at
//! most: whoever holds, by a *grant*, and the first of those who wait, by the request
//! for the `next` grant. A holder that is done hands its grant on to the head of the
//! queue, without asking anybody, as long as the grant is young ([`TURNS`], [`MILLIS`]).
//! So nothing is asked for before it is that old. After that the platform's lock is
//! released, and whoever queued there in the meantime, in whatever tab, has it before `next`.
//!
//! Local locks, which no platform knows, are the same with a platform that grants at once:
//! then a grant is handed on without a bound.
//!
//! A plain state machine: it is told what tasks want and what the platform answers, and says
//! what to [command](Command) the platform and whom to wake. It knows a lock by the number of
//! its queue; `W` wakes a task, and `R` is what the platform said. What the code relies on:
//!
//! - only the head of a queue is ever granted, so a queue is first come, first served;
//! - a grant in [`Phase::Active`] has a holder: [`HandOff::reconcile`] hands it on or releases it;
//! - `next` is asked for while somebody waits, in the mode of the head; not while a grant
//!   may still be handed to that one, but then there is a [reminder](HandOff::remind);
//! - what does not wait its turn in the queue (a try, a steal, a manager that does not
//!   pass locks on) has a grant to itself, asked for at once, and the platform decides.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use slab::Slab;

use super::LockMode;
use super::list::{Linked, Links, List};

mod answers;
mod downgrade;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod edge_tests;
mod grant;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod local_tests;
#[cfg(all(any(test, crosslock_fuzz), not(any(loom, target_family = "wasm"))))]
pub(crate) mod model_tests;
mod queue;
mod reason;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod scenarios;
#[cfg(all(any(test, crosslock_fuzz), not(any(loom, target_family = "wasm"))))]
mod simulation;
mod view;

pub(crate) use grant::GrantId;
use grant::{Grant, Grants, Phase};
pub(crate) use reason::Reason;
#[allow(
    unused_imports,
    reason = "the edges name them, and are not always there"
)]
pub(crate) use {
    answers::Settled,
    downgrade::Downgraded,
    view::{Ahead, Asked, Own},
};

/// How many holders a grant may have one after the other, counting the first.
pub(crate) const TURNS: u32 = 1000;

/// How old a grant may be and still be handed on, in milliseconds.
pub(crate) const MILLIS: f64 = 10.0;

/// Identifies a request, from [`HandOff::request`] until [`HandOff::remove`].
pub(crate) type RequestSlot = usize;

/// How many empty slots stay allocated once all are empty. More are given back.
const KEPT: usize = 64;

/// Identifies the queue of a lock, from [`HandOff::open`] until [`HandOff::close`].
pub(crate) type QueueSlot = usize;

/// What becomes of a request that cannot be granted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfHeld {
    Queue,
    Refuse,
    Steal,
}

/// Whether a request takes part in the queue of its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// It waits in the queue, and hands on what it holds.
    On,
    /// It has a grant to itself, for which it queues with the platform.
    Off,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum State<R> {
    Pending,
    /// Since when.
    Held(f64),
    /// Somebody else holds the lock, and the request was not to wait.
    Busy,
    /// The platform refused the request, and why.
    Rejected(Reason<R>),
    /// Taken away, after it was granted or when its turn was near, and why.
    Lost(Reason<R>),
    /// Its holder has released it; the platform may not know yet.
    Releasing,
    Freed,
}

/// What is to be done with the platform's lock manager, in this order and one after the
/// other. Each may come back here, before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Request the lock of `queue`. What the platform says goes to [`HandOff::called_back`] and
    /// [`HandOff::settled`], in whatever order, and however often.
    Request {
        grant: GrantId,
        queue: QueueSlot,
        mode: LockMode,
        if_held: IfHeld,
    },
    /// Withdraw the request, or release the lock if it was granted.
    Release(GrantId),
    /// It was taken away: there is nothing to release.
    Forget(GrantId),
    /// Go to the lock manager and back, and then tell [`HandOff::confirmed`].
    Confirm(GrantId),
    /// Call [`HandOff::remind`] when [`MILLIS`] are over.
    Remind,
}

#[derive(Debug)]
pub(crate) struct HandOff<W, R> {
    queues: Slab<Queue>,
    requests: Slab<Request<W, R>>,
    grants: Grants,
    commands: Vec<Command>,
    /// How many of these the edge has taken.
    taken: usize,
    wakes: VecDeque<W>,
    /// Whether the reminder is set.
    is_reminded: bool,
    /// Whether timers may come too late to be reminded by.
    is_hidden: bool,
}

/// What this context holds and waits for under one name.
#[derive(Debug)]
struct Queue {
    /// Whether its lock is known to this context alone, so that no platform has to be
    /// asked: what is asked for is granted at once, and handed on without a bound.
    is_local: bool,
    waiting: List,
    /// Those who queue with the platform themselves, each with a grant of its own.
    alone: List,
    /// Tries that wait until the platform has heard of our releases.
    deferred: List,
    /// The grant that the head will have if none is handed on to it before.
    next: Option<GrantId>,
    /// More than one only if shared, or after a steal.
    active: Vec<GrantId>,
    ending: Endings,
    /// How many requests and grants know this queue.
    references: usize,
}

/// How many grants of a queue are ending, for the tries that wait for these: each for
/// those before it, and not for all that come later.
#[derive(Debug, Default)]
struct Endings {
    /// The tries that wait form batches; this numbers the one that is next.
    epoch: u64,
    /// Those that the next batch waits for.
    old: usize,
    /// Those that came later.
    new: usize,
}

#[derive(Debug)]
struct Request<W, R> {
    queue: QueueSlot,
    mode: LockMode,
    state: State<R>,
    since: f64,
    /// The grant that it holds, or has to itself and waits for.
    grant: Option<GrantId>,
    waker: Option<W>,
    /// In the queue's `waiting`, `alone` or `deferred`, or in the grant's `holders`.
    links: Links,
    if_held: IfHeld,
    passing: Passing,
    /// Of a try that waits in `deferred`: its batch.
    epoch: u64,
}

impl<W, R> Linked for Request<W, R> {
    fn links(&self) -> Links {
        self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl<W, R: Clone + PartialEq> HandOff<W, R> {
    pub(crate) const fn new() -> Self {
        Self {
            queues: Slab::new(),
            requests: Slab::new(),
            grants: Grants::new(),
            commands: Vec::new(),
            taken: 0,
            wakes: VecDeque::new(),
            is_reminded: false,
            is_hidden: false,
        }
    }

    /// The next command. The caller must not borrow the rules while it carries it out: that runs
    /// foreign code.
    pub(crate) fn next_command(&mut self) -> Option<Command> {
        let Some(command) = self.commands.get_mut(self.taken) else {
            self.commands.clear();
            self.taken = 0;
            return None;
        };
        self.taken += 1;
        Some(core::mem::replace(command, Command::Remind))
    }

    /// Who is to be woken next, once there are no more commands.
    pub(crate) fn next_wake(&mut self) -> Option<W> {
        self.wakes.pop_front()
    }

    /// Whether anything follows from the last step: a command or a wake.
    #[allow(dead_code, reason = "JavaScript's edge alone asks")]
    pub(crate) fn is_anything_next(&self) -> bool {
        self.taken < self.commands.len() || !self.wakes.is_empty()
    }

    /// Asks the platform for those who still wait behind a grant that is no longer young.
    pub(crate) fn remind(&mut self, now: f64) {
        self.is_reminded = false;
        self.reconcile_all(now);
    }

    /// The page is hidden, or can be seen again. The timers of a hidden page may come a
    /// minute late, and other contexts would overtake those who wait for a reminder: so
    /// then the platform is asked at once.
    pub(crate) fn set_hidden(&mut self, is_hidden: bool, now: f64) {
        self.is_hidden = is_hidden;
        self.reconcile_all(now);
    }

    fn reconcile_all(&mut self, now: f64) {
        let queues: Vec<QueueSlot> = self.queues.iter().map(|(queue, _)| queue).collect();
        for queue in queues {
            self.reconcile(queue, now);
        }
    }

    pub(crate) fn request(
        &mut self,
        queue: QueueSlot,
        mode: LockMode,
        if_held: IfHeld,
        passing: Passing,
        now: f64,
    ) -> RequestSlot {
        debug_assert!(
            passing == Passing::On || !self.queues[queue].is_local,
            "a local lock has no platform to queue with"
        );
        self.queues[queue].references += 1;
        let slot = self.requests.insert(Request {
            queue,
            mode,
            state: State::Pending,
            since: now,
            grant: None,
            waker: None,
            links: Links::default(),
            if_held,
            passing,
            epoch: 0,
        });
        match (if_held, passing) {
            (IfHeld::Queue, Passing::On) => {
                let waiting = &mut self.queues[queue].waiting;
                waiting.push_back(slot, &mut self.requests);
                self.reconcile(queue, now);
            }
            (IfHeld::Refuse, _) => self.try_now(slot, now),
            (IfHeld::Queue, Passing::Off) => {
                let alone = &mut self.queues[queue].alone;
                alone.push_back(slot, &mut self.requests);
                self.ask_alone(slot, now);
            }
            (IfHeld::Steal, _) => self.ask_alone(slot, now),
        }
        slot
    }

    pub(crate) fn state(&self, request: RequestSlot) -> &State<R> {
        &self.requests[request].state
    }

    /// What is to be woken at the next change of state, and is taken then.
    pub(crate) fn waker(&mut self, request: RequestSlot) -> &mut Option<W> {
        &mut self.requests[request].waker
    }

    /// Gives up a wait, or frees a lock.
    pub(crate) fn release(&mut self, slot: RequestSlot, now: f64) {
        let request = &mut self.requests[slot];
        let was_held = match request.state {
            State::Held(_) => true,
            State::Pending => false,
            _ => return,
        };
        let (queue, grant) = (request.queue, request.grant.take());
        request.state = State::Freed;
        match grant {
            Some(grant) if was_held => {
                let holders = &mut self.grants[grant].holders;
                holders.unlink(slot, &mut self.requests);
                self.reconcile(queue, now);
                let ended = self.grants.get(grant);
                if ended.is_some_and(|grant| grant.phase == Phase::Ending) {
                    self.grants[grant].request = Some(slot);
                    self.requests[slot].grant = Some(grant);
                    self.requests[slot].state = State::Releasing;
                }
            }
            Some(grant) => {
                self.waits_no_longer(slot);
                self.end(grant);
            }
            None => {
                let queue_ref = &mut self.queues[queue];
                let list = match self.requests[slot].if_held {
                    IfHeld::Refuse => &mut queue_ref.deferred,
                    IfHeld::Queue | IfHeld::Steal => &mut queue_ref.waiting,
                };
                list.unlink(slot, &mut self.requests);
                self.reconcile(queue, now);
            }
        }
    }

    /// Forgets a request, after a [`release`](Self::release) if it still has something to
    /// give. Returns its waker, for the caller to drop where that can do no harm, and the
    /// queue if nobody uses that any more.
    pub(crate) fn remove(&mut self, slot: RequestSlot, now: f64) -> (Option<W>, Option<QueueSlot>) {
        self.release(slot, now);
        let request = self.requests.remove(slot);
        if self.requests.is_empty() && self.requests.capacity() > KEPT {
            self.requests = Slab::new();
        }
        if let Some(grant) = request.grant {
            self.grants[grant].request = None;
        }
        (request.waker, self.leave(request.queue))
    }

    /// Ends the wait of a try for what this context has released: the platform decides.
    pub(crate) fn try_at_once(&mut self, slot: RequestSlot, now: f64) {
        let request = &self.requests[slot];
        let is_deferred = request.if_held == IfHeld::Refuse && request.grant.is_none();
        if is_deferred && request.state == State::Pending {
            let deferred = &mut self.queues[request.queue].deferred;
            deferred.unlink(slot, &mut self.requests);
            self.ask_alone(slot, now);
        }
    }
}
