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

use alloc::vec::Vec;
use core::mem;

use slab::Slab;

use super::LockMode;
use super::list::{Linked, Links, List};

mod line;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod model_tests;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod simulation;
#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod stories;
mod view;

pub(crate) use view::Ahead;

/// So often a lease is handed on, counting its first holder.
pub(crate) const TURNS: u32 = 1000;

/// So long after its grant a lease is no longer handed on, in milliseconds.
pub(crate) const MILLIS: f64 = 10.0;

/// Names a request, from [`Relay::request`] until [`Relay::remove`].
pub(crate) type RequestSlot = usize;

/// Names a lease, from [`Order::Ask`] until [`Relay::ended`].
pub(crate) type LeaseSlot = usize;

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
    TurnedDown(R),
    /// Taken away while it was held, and why.
    Lost(R),
    /// Its holder has let go; the platform may not know yet.
    Releasing,
    Freed,
}

/// What is to be done with the platform's lock manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Request the lock of `line`; the answer goes to [`Relay::answered`] and, in any case, in the
    /// end, to [`Relay::ended`].
    Ask {
        lease: LeaseSlot,
        line: LineSlot,
        mode: LockMode,
        if_held: IfHeld,
    },
    /// Withdraw the request, or release the lock if it was granted.
    End(LeaseSlot),
}

/// What follows from a step. To be carried out in this order, after the relay is
/// unlocked: both run foreign code.
#[derive(Debug)]
#[must_use]
pub(crate) struct Effects<W> {
    pub(crate) orders: Vec<Order>,
    pub(crate) wakes: Vec<W>,
    /// [`Relay::remind`] wants to be called when [`MILLIS`] are over.
    pub(crate) remind: bool,
}

/// Whether somebody waits for whom the platform was not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reminder {
    None,
    Wanted,
    Set,
}

/// Why a request failed, or its lock was lost: whatever the edge makes of it.
pub(crate) trait Reason: Clone {
    /// Somebody took the lock away.
    fn stolen() -> Self;
}

#[derive(Debug)]
pub(crate) struct Relay<W, R> {
    lines: Slab<Line>,
    requests: Slab<Request<W, R>>,
    leases: Slab<Lease>,
    orders: Vec<Order>,
    wakes: Vec<W>,
    reminder: Reminder,
}

/// All that this context wants of one name.
#[derive(Debug)]
struct Line {
    /// Whether its lock is known to this context alone, so that no platform has to be
    /// asked: what is asked for is granted at once, and handed on without a bound.
    is_local: bool,
    waiting: List,
    /// Tries that wait until the platform has heard of what we let go.
    trying: List,
    /// The lease that the head will have if none is handed on to it before.
    next: Option<LeaseSlot>,
    /// More than one only if shared, or after a steal.
    active: Vec<LeaseSlot>,
    /// How many leases are [`Phase::Ending`].
    ending: usize,
    /// How many requests and leases know this line.
    known_by: usize,
}

#[derive(Debug)]
struct Request<W, R> {
    line: LineSlot,
    mode: LockMode,
    state: State<R>,
    since: f64,
    /// The lease that it holds, or has to itself and waits for.
    lease: Option<LeaseSlot>,
    waker: Option<W>,
    /// In the line's `waiting` or `trying`, or in the lease's `holders`.
    links: Links,
    if_held: IfHeld,
    passing: Passing,
}

impl<W, R> Linked for Request<W, R> {
    fn links(&self) -> Links {
        self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

#[derive(Debug)]
struct Lease {
    line: LineSlot,
    mode: LockMode,
    phase: Phase,
    holders: List,
    /// The request whose own it is before the grant; after the end was ordered, the one
    /// that waits to hear that it is over.
    request: Option<RequestSlot>,
    passing: Passing,
    turns: u32,
    granted: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Asked,
    Active,
    Ending,
    /// Of no interest any more: the platform refused it, or may never say that it ended.
    Forgotten,
}

impl<W, R: Reason> Relay<W, R> {
    pub(crate) const fn new() -> Self {
        Self {
            lines: Slab::new(),
            requests: Slab::new(),
            leases: Slab::new(),
            orders: Vec::new(),
            wakes: Vec::new(),
            reminder: Reminder::None,
        }
    }

    /// What follows from all steps since this was last called.
    pub(crate) fn effects(&mut self) -> Effects<W> {
        let remind = self.reminder == Reminder::Wanted;
        if remind {
            self.reminder = Reminder::Set;
        }
        Effects {
            orders: mem::take(&mut self.orders),
            wakes: mem::take(&mut self.wakes),
            remind,
        }
    }

    /// Asks the platform for those who still wait behind a lease that is no longer young.
    pub(crate) fn remind(&mut self, now: f64) {
        self.reminder = Reminder::None;
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
        });
        match (if_held, passing) {
            (IfHeld::Queue, Passing::On) => {
                let waiting = &mut self.lines[line].waiting;
                waiting.push_back(slot, &mut self.requests);
                self.settle(line, now);
            }
            (IfHeld::Refuse, _) => self.try_now(slot, now),
            (IfHeld::Queue, Passing::Off) | (IfHeld::Steal, _) => self.ask_alone(slot, now),
        }
        slot
    }

    pub(crate) fn state(&self, request: RequestSlot) -> &State<R> {
        &self.requests[request].state
    }

    /// Has `waker` woken at the next change of state. Returns the one that it replaces,
    /// for the caller to drop where that can do no harm.
    pub(crate) fn set_waker(&mut self, request: RequestSlot, waker: W) -> Option<W> {
        self.requests[request].waker.replace(waker)
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
                let lease_ref = self.leases.get(lease);
                if lease_ref.is_some_and(|lease| lease.phase == Phase::Ending) {
                    self.leases[lease].request = Some(slot);
                    self.requests[slot].lease = Some(lease);
                    self.requests[slot].state = State::Releasing;
                }
            }
            Some(lease) => self.end(lease),
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
        if let Some(lease) = request.lease {
            self.leases[lease].request = None;
        }
        self.give_memory_back();
        (request.waker, self.leave(request.line))
    }

    /// The platform has answered what was [asked](Order::Ask). Returns whether to keep
    /// what it granted: it comes too late for one who gave up.
    pub(crate) fn answered(&mut self, lease: LeaseSlot, granted: bool, now: f64) -> bool {
        let Lease {
            line,
            phase,
            request,
            ..
        } = self.leases[lease];
        if phase != Phase::Asked {
            return false;
        }
        if !granted {
            self.leases[lease].phase = Phase::Forgotten;
            if let Some(request) = self.leases[lease].request.take() {
                self.requests[request].lease = None;
                self.change(request, State::Busy);
            }
            return false;
        }
        self.leases[lease].phase = Phase::Active;
        self.leases[lease].granted = now;
        if request.is_some_and(|request| self.requests[request].if_held == IfHeld::Steal) {
            // The platform will say so as well, but by then a victim might have handed on
            // what it no longer had.
            for victim in mem::take(&mut self.lines[line].active) {
                self.lose(victim, &R::stolen());
                if self.lines[line].is_local {
                    self.forget(victim);
                }
            }
        }
        self.lines[line].active.push(lease);
        match self.leases[lease].request.take() {
            Some(request) => self.hand_to(request, lease, now),
            None => self.lines[line].next = None,
        }
        self.settle(line, now);
        true
    }

    /// The platform is done with a lease. `why` says what happened if that was not our
    /// doing, to a lock that was held (`true`) or to a request that was pending.
    /// Returns the line if nobody uses that any more.
    pub(crate) fn ended(
        &mut self,
        slot: LeaseSlot,
        now: f64,
        why: impl FnOnce(bool) -> R,
    ) -> Option<LineSlot> {
        let lease = &self.leases[slot];
        let line = lease.line;
        match lease.phase {
            Phase::Asked => {
                let reason = why(false);
                let request = lease.request.or_else(|| {
                    let line = &mut self.lines[line];
                    line.next = None;
                    let head = line.waiting.front()?;
                    line.waiting.unlink(head, &mut self.requests);
                    Some(head)
                });
                if let Some(request) = request {
                    self.requests[request].lease = None;
                    self.change(request, State::TurnedDown(reason));
                }
            }
            Phase::Active => {
                self.lines[line].active.retain(|&active| active != slot);
                self.lose(slot, &why(true));
            }
            Phase::Ending => {
                self.lines[line].ending -= 1;
                if let Some(request) = lease.request {
                    self.requests[request].lease = None;
                    self.change(request, State::Freed);
                }
            }
            Phase::Forgotten => {}
        }
        self.leases.remove(slot);
        if self.lines[line].ending == 0 {
            self.try_again(line, now);
        }
        self.settle(line, now);
        self.leave(line)
    }

    /// This context loses all that it has and waits for of the platform, at once.
    pub(crate) fn freeze(&mut self, why: &R) {
        for (slot, lease) in &mut self.leases {
            if self.lines[lease.line].is_local {
                continue;
            }
            if matches!(lease.phase, Phase::Asked | Phase::Active) {
                self.orders.push(Order::End(slot));
            }
            lease.phase = Phase::Forgotten;
            lease.holders = List::default();
            lease.request = None;
        }
        for (_, line) in self.lines.iter_mut().filter(|(_, line)| !line.is_local) {
            line.waiting = List::default();
            line.trying = List::default();
            line.next = None;
            line.active.clear();
            line.ending = 0;
        }
        for (_, request) in &mut self.requests {
            if self.lines[request.line].is_local {
                continue;
            }
            request.lease = None;
            request.state = match request.state {
                State::Pending => State::TurnedDown(why.clone()),
                State::Held(_) => State::Lost(why.clone()),
                // The promise that would say so may never be settled, and nobody is to
                // wait for it for ever.
                State::Releasing => State::Freed,
                _ => continue,
            };
            self.wakes.extend(request.waker.take());
        }
    }
}
