//! First come, first served: nobody is granted a lock before somebody who certainly stood in the
//! queue when it asked, conflicts with it, and still waits.
//!
//! It does not matter that a client hears of a grant late. If the earlier one had been granted
//! before, it would have held at the moment at which the later one was, too.
//!
//! Where contexts hand locks on, the order among them is that of the contexts' own requests, and
//! clients do not see those. What is certain of them is little: a context has one in the queue at
//! a time, none before a task of it asked, none after its last task left, and a new one after
//! each grant. It is in the queue with a task that found no other of its context there.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Contract, Order, Queue, Violation};
use crate::Mode;
use crate::operation::Operation;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Leaves,
    Granted,
    Joins,
    Asks,
}

pub(super) fn check(queue: &Queue<'_>, contract: &Contract, found: &mut Vec<Violation>) {
    let mut steps = Vec::new();
    for (place, operation) in queue.operations() {
        if let (Some(queued), false) = (operation.queued, operation.is_steal()) {
            let until = operation.certainly_waited_until();
            if until > queued && !queue.may_be_stolen(place, until) {
                steps.push((queued, Step::Joins, place));
                steps.push((until, Step::Leaves, place));
            }
        }
        steps.push((operation.asked, Step::Asks, place));
        if let Some(granted) = operation.granted {
            steps.push((granted, Step::Granted, place));
        }
    }
    steps.sort_unstable();
    let mut waiting = BTreeSet::new();
    let mut contexts: HashMap<usize, Context> = HashMap::new();
    let strictly = matches!(contract.order, Order::FirstComeFirstServed);
    let by_context = matches!(contract.order, Order::HandedOn { .. });
    for (at, step, place) in steps {
        let operation = queue.operation(place);
        let queued = operation.queued.unwrap_or(operation.asked);
        match step {
            Step::Joins => _ = waiting.insert((queued, place)),
            Step::Leaves => _ = waiting.remove(&(queued, place)),
            Step::Asks => contexts
                .entry(operation.context)
                .or_default()
                .asks(place, operation),
            Step::Granted => {
                let own = contexts.entry(operation.context).or_default();
                let behind = own.place(at);
                own.granted(operation);
                let earlier = waiting.range(..(operation.asked, 0));
                let overtaken = |&(queued, earlier): &(u64, usize)| {
                    let waits = queue.operation(earlier);
                    // A theft is ahead of everyone.
                    if operation.is_steal() || !waits.mode.conflicts_with(operation.mode) {
                        return None;
                    }
                    let is_own = waits.context == operation.context;
                    let context_waits = || {
                        let context = &contexts[&waits.context];
                        // It may have had its turn since, and stand at the end again.
                        context.alone.contains(&earlier) && context.last_held.max(queued) < behind
                    };
                    let counts = strictly || is_own || by_context && context_waits();
                    counts.then_some((is_own, earlier))
                };
                let mut overtaken = earlier.filter_map(overtaken).peekable();
                let first = overtaken.peek().copied();
                let own = overtaken.find(|&(is_own, _)| is_own);
                if operation.mode == Mode::Exclusive {
                    let others = contexts.iter_mut();
                    let others = others.filter(|&(&context, _)| context != operation.context);
                    others.for_each(|(_, other)| other.turns = Turns::default());
                }
                let turns = &mut contexts
                    .get_mut(&operation.context)
                    .expect("it asked")
                    .turns;
                let Some((_, first)) = first else {
                    *turns = Turns::begin(operation, at);
                    continue;
                };
                let is_handed_on = turns.hand_on(operation, contract.order);
                if own.is_none() && is_handed_on {
                    continue;
                }
                let waiting = own.map_or(first, |(_, own)| own);
                found.push(Violation::Overtaken { waiting, by: place });
            }
        }
    }
}

/// What is known of a context's own request.
#[derive(Default)]
struct Context {
    /// The tasks that may wait: until when, and since when.
    waiting: Vec<(u64, u64)>,
    /// Since when there may have been one without a break.
    waiting_since: u64,
    /// It has used up what it had asked for before the last of its tasks that was granted did.
    last_granted: u64,
    /// Until when a task of it may have held.
    last_held: u64,
    /// The tasks that found no other of the context.
    alone: HashSet<usize>,
    turns: Turns,
}

impl Context {
    fn asks(&mut self, place: usize, operation: &Operation) {
        let until = match operation.granted {
            Some(granted) => granted,
            None => operation.possibly_there_until(),
        };
        self.waiting.retain(|&(until, _)| until >= operation.asked);
        if self.waiting.is_empty() {
            self.waiting_since = operation.asked;
            if self.last_held < operation.asked {
                self.alone.insert(place);
            }
        }
        self.waiting.push((until, operation.asked));
        // Readers hold together, so it may have been granted long before it heard of it.
        if operation.mode == Mode::Shared && operation.granted.is_some() {
            self.last_held = self.last_held.max(operation.possibly_there_until());
        }
    }

    /// The earliest moment at which it may have queued for what is granted at `at`.
    fn place(&mut self, at: u64) -> u64 {
        self.waiting.retain(|&(until, _)| until >= at);
        self.waiting_since.max(self.last_granted)
    }

    fn granted(&mut self, operation: &Operation) {
        self.last_granted = self.last_granted.max(operation.asked);
        self.last_held = self.last_held.max(operation.possibly_there_until());
    }
}

/// The turns that a context has had one after the other, from one that overtook nobody: the
/// context may have been given the lock anew at that one, and at none of the others.
#[derive(Default)]
struct Turns {
    since: u64,
    turns: u32,
    /// When the last of each mode began to release it: exclusive, shared.
    releasing: [u64; 2],
}

impl Turns {
    fn begin(operation: &Operation, at: u64) -> Self {
        let mut turns = Self {
            since: at,
            turns: 0,
            releasing: [0; 2],
        };
        turns.add(operation);
        turns
    }

    fn add(&mut self, operation: &Operation) {
        self.turns += 1;
        let last = &mut self.releasing[usize::from(operation.mode == Mode::Shared)];
        *last = (*last).max(operation.releasing.unwrap_or(0));
    }

    /// Whether the lock may have been handed on to `operation` within its context.
    fn hand_on(&mut self, operation: &Operation, order: Order) -> bool {
        let Order::HandedOn { nanos, turns } = order else {
            return false;
        };
        let [exclusive, shared] = self.releasing;
        let earliest = match operation.mode {
            Mode::Exclusive => exclusive.max(shared),
            Mode::Shared => exclusive,
        };
        let is_handed_on = self.turns > 0
            && self.turns < turns
            && earliest.max(operation.asked) <= self.since.saturating_add(nanos);
        self.add(operation);
        is_handed_on
    }
}
