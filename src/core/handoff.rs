//! The relay: how the tasks of one page, worker or thread share what the platform
//! grants them.
//!
//! A round trip to the browser's lock manager takes a tenth of a millisecond, and
//! Node's queue gets slower with every waiter. So the requests that one context makes
//! for one name stand in a [`Line`] of its own, and the platform knows of two of them at
//! most: whoever holds, by a *lease*, and the first of those who wait, by the request
//! for the `next` lease. A holder that is done hands its lease on to the head of the
//! line, without asking anybody, as long as the lease is young ([`TURNS`], [`MILLIS`]).
//! So nothing is asked for before it is that old. After that the platform's lock is let
//! go, and whoever queued there in the meantime, in whatever tab, has it before `next`.
//!
//! A plain state machine like the [lock table](crate::table): it is told what tasks want
//! and what the platform answers, and says what to [order](Order) of the platform and
//! whom to wake. `W` wakes a task. What the code relies on:
//!
//! - only the head of a line is ever granted, so a line is first come, first served;
//! - a lease in [`Phase::Active`] has a holder: [`Relay::settle`] passes it on or ends it;
//! - `next` is asked for while somebody waits, in the mode of the head; not while a lease
//!   may still be handed to that one, but then there is a [reminder](Relay::remind);
//! - what does not wait its turn in the line (a try, a steal, a manager that does not
//!   pass locks on) has a lease to itself, asked for at once, and the platform decides.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use slab::Slab;

use super::LockMode;
use super::list::{Linked, Links, List};

mod answers;
mod lease;
mod line;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod local_tests;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod model_tests;
mod reason;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod simulation;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod stories;
mod view;

pub(crate) use answers::Settled;
pub(crate) use lease::LeaseId;
use lease::{Lease, Leases, Phase};
pub(crate) use reason::Reason;
#[allow(
    unused_imports,
    reason = "the edges name them, and are not always there"
)]
pub(crate) use view::{Ahead, Asked, Own};

/// So often a lease is handed on, counting its first holder.
pub(crate) const TURNS: u32 = 1000;

/// So long after its grant a lease is no longer handed on, in milliseconds.
pub(crate) const MILLIS: f64 = 10.0;

/// Names a request, from [`Relay::request`] until [`Relay::remove`].
pub(crate) type RequestSlot = usize;

/// More places than these are not kept for others, once all are empty.
const KEPT: usize = 64;

/// Names the line of a lock, from [`Relay::open`] until [`Relay::close`].
pub(crate) type LineSlot = usize;

/// What becomes of a request that cannot be granted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfHeld {
    Queue,
    Refuse,
    Steal,
}

/// Whether a request takes part in the line of its context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passing {
    /// It waits in the line, and hands on what it holds.
    On,
    /// It has a lease to itself, for which it queues with the platform.
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
    /// The platform would not have it, and why.
    TurnedDown(Reason<R>),
    /// Taken away, after it was granted or when its turn was near, and why.
    Lost(Reason<R>),
    /// Its holder has let go; the platform may not know yet.
    Releasing,
    Freed,
}

/// What is to be done with the platform's lock manager, in this order and one after the
/// other. Each may come back here, before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Request the lock of `line`. What the platform says goes to [`Relay::called_back`] and
    /// [`Relay::settled`], in whatever order, and however often.
    Ask {
        lease: LeaseId,
        line: LineSlot,
        mode: LockMode,
        if_held: IfHeld,
    },
    /// Withdraw the request, or release the lock if it was granted.
    End(LeaseId),
    /// It was taken away: there is nothing to release.
    Forget(LeaseId),
    /// Go so many times to the lock manager and back, one after the other, and then tell
    /// [`Relay::confirmed`].
    Confirm { lease: LeaseId, round_trips: u32 },
    /// Call [`Relay::remind`] when [`MILLIS`] are over.
    Remind,
}

/// What a platform does otherwise than its specification has it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Quirks {
    /// A request that was withdrawn stays in the queue. When its turn comes it is granted
    /// and freed at once, but that takes as long as a round trip, in which nobody else can
    /// have the lock (Node 24 and 26).
    pub(crate) queues_withdrawn: bool,
}

#[derive(Debug)]
pub(crate) struct Relay<W, R> {
    quirks: Quirks,
    lines: Slab<Line>,
    requests: Slab<Request<W, R>>,
    leases: Leases,
    orders: Vec<Order>,
    /// How many of these are being carried out, or were.
    taken: usize,
    wakes: VecDeque<W>,
    /// Whether the reminder is set.
    is_reminded: bool,
    /// Whether timers may come too late to be reminded by.
    is_hidden: bool,
}

/// All that this context wants of one name.
#[derive(Debug)]
struct Line {
    /// Whether its lock is known to this context alone, so that no platform has to be
    /// asked: what is asked for is granted at once, and handed on without a bound.
    is_local: bool,
    waiting: List,
    /// Those who queue with the platform themselves, each with a lease of its own.
    alone: List,
    /// Tries that wait until the platform has heard of what we let go.
    trying: List,
    /// The lease that the head will have if none is handed on to it before.
    next: Option<LeaseId>,
    /// More than one only if shared, or after a steal.
    active: Vec<LeaseId>,
    ending: Endings,
    /// How many requests were withdrawn that the platform may still have in its queue, by
    /// its [quirk](Quirks::queues_withdrawn).
    withdrawn: u32,
    /// How many requests and leases know this line.
    known_by: usize,
}

/// How many leases of a line are ending, for the tries that wait for these: each for
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
    line: LineSlot,
    mode: LockMode,
    state: State<R>,
    since: f64,
    /// The lease that it holds, or has to itself and waits for.
    lease: Option<LeaseId>,
    waker: Option<W>,
    /// In the line's `waiting`, `alone` or `trying`, or in the lease's `holders`.
    links: Links,
    if_held: IfHeld,
    passing: Passing,
    /// Of a try that waits in `trying`: its batch.
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

impl<W, R: Clone + PartialEq> Relay<W, R> {
    pub(crate) const fn new(quirks: Quirks) -> Self {
        Self {
            quirks,
            lines: Slab::new(),
            requests: Slab::new(),
            leases: Leases::new(),
            orders: Vec::new(),
            taken: 0,
            wakes: VecDeque::new(),
            is_reminded: false,
            is_hidden: false,
        }
    }

    pub(crate) fn set_quirks(&mut self, quirks: Quirks) {
        self.quirks = quirks;
    }

    /// What is to be done next, with the relay unlocked: it runs foreign code.
    pub(crate) fn next_order(&mut self) -> Option<Order> {
        let Some(order) = self.orders.get_mut(self.taken) else {
            self.orders.clear();
            self.taken = 0;
            return None;
        };
        self.taken += 1;
        Some(core::mem::replace(order, Order::Remind))
    }

    /// Who is to be woken next, once there are no more orders.
    pub(crate) fn next_wake(&mut self) -> Option<W> {
        self.wakes.pop_front()
    }

    /// Asks the platform for those who still wait behind a lease that is no longer young.
    pub(crate) fn remind(&mut self, now: f64) {
        self.is_reminded = false;
        self.settle_all(now);
    }

    /// The page is hidden, or can be seen again. The timers of a hidden page may come a
    /// minute late, and other contexts would overtake those who wait for a reminder: so
    /// then the platform is asked at once.
    pub(crate) fn set_hidden(&mut self, is_hidden: bool, now: f64) {
        self.is_hidden = is_hidden;
        self.settle_all(now);
    }

    fn settle_all(&mut self, now: f64) {
        let lines: Vec<LineSlot> = self.lines.iter().map(|(line, _)| line).collect();
        for line in lines {
            self.settle(line, now);
        }
    }

    pub(crate) fn request(
        &mut self,
        line: LineSlot,
        mode: LockMode,
        if_held: IfHeld,
        passing: Passing,
        now: f64,
    ) -> RequestSlot {
        self.lines[line].known_by += 1;
        let slot = self.requests.insert(Request {
            line,
            mode,
            state: State::Pending,
            since: now,
            lease: None,
            waker: None,
            links: Links::default(),
            if_held,
            passing,
            epoch: 0,
        });
        match (if_held, passing) {
            (IfHeld::Queue, Passing::On) => {
                let waiting = &mut self.lines[line].waiting;
                waiting.push_back(slot, &mut self.requests);
                self.settle(line, now);
            }
            (IfHeld::Refuse, _) => self.try_now(slot, now),
            (IfHeld::Queue, Passing::Off) => {
                let alone = &mut self.lines[line].alone;
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
        let (line, lease) = (request.line, request.lease.take());
        request.state = State::Freed;
        match lease {
            Some(lease) if was_held => {
                let holders = &mut self.leases[lease].holders;
                holders.unlink(slot, &mut self.requests);
                self.settle(line, now);
                let ended = self.leases.get(lease);
                if ended.is_some_and(|lease| lease.phase == Phase::Ending) {
                    self.leases[lease].request = Some(slot);
                    self.requests[slot].lease = Some(lease);
                    self.requests[slot].state = State::Releasing;
                }
            }
            Some(lease) => {
                self.waits_no_longer(slot);
                self.end(lease);
            }
            None => {
                let line_ref = &mut self.lines[line];
                let list = match self.requests[slot].if_held {
                    IfHeld::Refuse => &mut line_ref.trying,
                    IfHeld::Queue | IfHeld::Steal => &mut line_ref.waiting,
                };
                list.unlink(slot, &mut self.requests);
                self.settle(line, now);
            }
        }
    }

    /// Forgets a request, after a [`release`](Self::release) if it still has something to
    /// give. Returns its waker, for the caller to drop where that can do no harm, and the
    /// line if nobody uses that any more.
    pub(crate) fn remove(&mut self, slot: RequestSlot, now: f64) -> (Option<W>, Option<LineSlot>) {
        self.release(slot, now);
        let request = self.requests.remove(slot);
        if self.requests.is_empty() && self.requests.capacity() > KEPT {
            self.requests = Slab::new();
        }
        if let Some(lease) = request.lease {
            self.leases[lease].request = None;
        }
        (request.waker, self.leave(request.line))
    }

    /// A try that waits for what this context has let go of waits no longer: the platform
    /// decides.
    pub(crate) fn try_at_once(&mut self, slot: RequestSlot, now: f64) {
        let request = &self.requests[slot];
        let is_parked = request.if_held == IfHeld::Refuse && request.lease.is_none();
        if is_parked && request.state == State::Pending {
            let trying = &mut self.lines[request.line].trying;
            trying.unlink(slot, &mut self.requests);
            self.ask_alone(slot, now);
        }
    }
}
