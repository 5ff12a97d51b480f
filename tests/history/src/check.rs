//! [`check`]: whether a history keeps the contract.

use std::fmt;

use crate::operation::{History, Operation};
use in_the_way::InTheWay;

mod answers;
mod exclusion;
mod in_the_way;
mod loss;
mod order;
mod progress;
mod tokens;

/// What the backend promises, as far as backends differ.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    pub order: Order,
    /// How long a backend may take to notice that a lock is free, to wake who is next, or to
    /// tell of a loss, in nanoseconds. It is a ceiling for a busy machine, not an aim.
    pub patience: u64,
    /// Whether a client may hold, and release, what was stolen from it before it heard of the
    /// grant, and hear nothing of that. It is so between the processes of a browser.
    pub losses_come_late: bool,
    /// Whether nobody is granted a lock because a writer in front gave up its wait: then the
    /// readers behind it wait for a release. It is so in Chromium.
    pub grants_on_release_alone: bool,
}

/// Who may be granted a lock before somebody who asked for it earlier.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// Nobody.
    FirstComeFirstServed,
    /// Somebody of the context that has held it last, while that has not held on to it for
    /// longer than this, in nanoseconds, nor for more turns.
    HandedOn { nanos: u64, turns: u32 },
    /// Nobody within a context. In which order contexts joined, no client can see.
    WithinContexts,
}

impl Default for Contract {
    fn default() -> Self {
        Self {
            order: Order::FirstComeFirstServed,
            patience: 5_000_000_000,
            losses_come_late: false,
            grants_on_release_alone: false,
        }
    }
}

/// A promise that was not kept, by the places of operations in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// Two held conflicting locks at one moment.
    Overlap { one: usize, other: usize, at: u64 },
    /// Whoever asked later was granted first.
    Overtaken { waiting: usize, by: usize },
    /// It was neither granted nor ended, or was never released.
    Stuck { operation: usize },
    /// It had to wait, or waited in vain, while nobody was in the way for this long.
    Forgotten { operation: usize, nanos: u64 },
    /// It was told that the lock is held, or that the time is over, and nobody had it.
    RefusedWhileFree { operation: usize },
    /// Its lock was stolen, and it was not told.
    LossNotTold { operation: usize, thief: usize },
    /// It was told of a loss that nothing had caused.
    LossWithoutCause { operation: usize },
    /// It was granted after the other, and its fencing token is no larger.
    StaleToken { earlier: usize, later: usize },
}

/// What is wrong with a history; nothing, if the contract was kept.
pub fn check(history: &History, contract: &Contract) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut of_key = vec![Vec::new(); history.keys.len()];
    for (place, operation) in history.operations.iter().enumerate() {
        of_key[operation.key].push(place);
    }
    for places in of_key {
        let queue = Queue::new(history, places, contract);
        exclusion::check(&queue, &mut found);
        order::check(&queue, contract, &mut found);
        let in_the_way = InTheWay::new(&queue, contract);
        answers::check(&queue, &in_the_way, contract, &mut found);
        progress::check(&queue, &in_the_way, contract, &mut found);
        loss::check(&queue, contract, &mut found);
        tokens::check(&queue, &mut found);
    }
    found
}

/// The operations on one key, in the order in which they were asked for.
struct Queue<'a> {
    history: &'a History,
    places: Vec<usize>,
    /// Those that took the lock from others, or may have: by the time they were asked for.
    steals: Vec<usize>,
    losses_come_late: bool,
    patience: u64,
}

impl<'a> Queue<'a> {
    fn new(history: &'a History, mut places: Vec<usize>, contract: &Contract) -> Self {
        places.sort_by_key(|&place| history.operations[place].asked);
        let is_steal = |&place: &usize| history.operations[place].is_steal();
        let steals = places.iter().copied().filter(is_steal).collect();
        Self {
            history,
            places,
            steals,
            losses_come_late: contract.losses_come_late,
            patience: contract.patience,
        }
    }

    fn operation(&self, place: usize) -> &'a Operation {
        &self.history.operations[place]
    }

    fn operations(&self) -> impl Iterator<Item = (usize, &'a Operation)> {
        self.places
            .iter()
            .map(|&place| (place, self.operation(place)))
    }

    /// From when to when an operation certainly held: not beyond the moment at which somebody
    /// may have stolen its lock, nor after its context was told that all are lost.
    fn certainly_held(&self, place: usize) -> Option<(u64, u64)> {
        let operation = self.operation(place);
        let start = operation.granted?;
        let mut end = operation.certainly_held_until();
        if let Some(&invalidated) = self.history.invalidated.get(&operation.context) {
            end = end.min(invalidated);
        }
        // Who was robbed may have been so before it heard of its grant.
        let since = match operation.lost.is_some() {
            true => self.may_be_robbed_since(operation),
            false if self.may_be_untold(operation) => operation.asked,
            false => start,
        };
        for &thief in &self.steals {
            let steal = self.operation(thief);
            if steal.asked >= end {
                break;
            }
            if thief != place && steal.took_by() > since {
                end = end.min(steal.asked.max(start));
            }
        }
        (end > start).then_some((start, end))
    }

    /// Since when the lock of an operation that was told of a loss may have been stolen. That is since it was asked for.
    /// But where losses come late, its context may have shared a lock with it, or handed one on, without having heard
    /// yet that it was stolen. Then it is since the first request of the context that can have had this lock.
    fn may_be_robbed_since(&self, operation: &Operation) -> u64 {
        let mut since = operation.asked;
        if !self.losses_come_late {
            return since;
        }
        let earliest = since.saturating_sub(self.patience);
        let before = self
            .places
            .partition_point(|&place| self.operation(place).asked < since);
        let before = self.places[..before].iter().rev();
        let before = before.map(|&place| self.operation(place));
        for other in before.take_while(|other| other.asked >= earliest) {
            let is_met = other.possibly_there_until() >= since;
            if other.context == operation.context && !other.is_steal() && is_met {
                since = other.asked;
            }
        }
        since
    }

    /// Whether it may have been granted and stolen before it heard of the grant at `granted`.
    fn may_be_stolen(&self, place: usize, granted: u64) -> bool {
        let operation = self.operation(place);
        let asked = operation.asked;
        let mut steals = self.steals.iter().map(|&thief| self.operation(thief));
        self.may_be_untold(operation)
            && steals.any(|steal| steal.asked < granted && steal.took_by() > asked)
    }

    /// Whether it may have been stolen before it heard of its grant, and not have logged that: a
    /// client looks when it is done, and may give up, or be killed, before it hears of either.
    fn may_be_untold(&self, operation: &Operation) -> bool {
        let has_given_up = operation.ended.is_some();
        let is_killed = operation.killed.is_some() && operation.releasing.is_none();
        self.losses_come_late || has_given_up || is_killed
    }
}

impl Violation {
    /// What happened, in words, with the names that clients gave.
    pub fn describe(&self, history: &History) -> String {
        let name = |place: usize| Named(history, place);
        match *self {
            Self::Overlap { one, other, at } => {
                format!("{} and {} both held at {at}", name(one), name(other))
            }
            Self::Overtaken { waiting, by } => {
                format!("{} was granted before {}", name(by), name(waiting))
            }
            Self::Stuck { operation } => format!("{} never ended", name(operation)),
            Self::Forgotten { operation, nanos } => {
                let millis = nanos / 1_000_000;
                format!(
                    "{} waited for {millis} ms with nobody in the way",
                    name(operation)
                )
            }
            Self::RefusedWhileFree { operation } => {
                format!("{} was refused, and nobody had the lock", name(operation))
            }
            Self::LossNotTold { operation, thief } => {
                format!(
                    "{} was not told that {} stole it",
                    name(operation),
                    name(thief)
                )
            }
            Self::LossWithoutCause { operation } => {
                format!("{} was told of a loss, and nobody stole", name(operation))
            }
            Self::StaleToken { earlier, later } => {
                format!("{} has no larger token than {}", name(later), name(earlier))
            }
        }
    }
}

/// An operation, for people.
struct Named<'a>(&'a History, usize);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(history, place) = self;
        let operation = &history.operations[*place];
        let (context, key) = (
            &history.contexts[operation.context],
            &history.keys[operation.key],
        );
        let Operation {
            request,
            asked,
            mode,
            how,
            ..
        } = operation;
        write!(
            f,
            "request {request} of {context} ({how:?} {key:?}, {mode:?}), asked at {asked}"
        )?;
        if let Some(timeout) = operation.timeout {
            write!(f, " for {timeout}")?;
        }
        let times = [
            ("queued", operation.queued),
            ("granted", operation.granted),
            ("giving up", operation.giving_up),
            ("lost", operation.lost),
            ("releasing", operation.releasing),
            ("released", operation.released),
        ];
        for (what, at) in times {
            if let Some(at) = at {
                write!(f, ", {what} at {at}")?;
            }
        }
        if let Some(token) = operation.token {
            write!(f, ", token {token}")?;
        }
        if let Some((killing, dead)) = operation.killed {
            write!(f, ", killed from {killing} to {dead}")?;
        }
        if let Some((at, why)) = operation.ended {
            write!(f, ", {why:?} at {at}")?;
        }
        Ok(())
    }
}
