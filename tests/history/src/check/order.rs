//! First come, first served: nobody is granted a lock before somebody who certainly stood in the
//! queue when it asked, conflicts with it, and still waits.
//!
//! It does not matter that a client hears of a grant late. If the earlier one had been granted
//! before, it would have held at the moment at which the later one was, too.

use std::collections::BTreeSet;

use super::{Contract, Order, Queue, Violation};
use crate::Mode;
use crate::operation::Operation;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Leaves,
    Granted,
    Joins,
}

pub(super) fn check(queue: &Queue<'_>, contract: &Contract, found: &mut Vec<Violation>) {
    let mut steps = Vec::new();
    for (place, operation) in queue.operations() {
        if let (Some(queued), false) = (operation.queued, operation.is_steal()) {
            let until = operation.certainly_waited_until();
            if until > queued {
                steps.push((queued, Step::Joins, place));
                steps.push((until, Step::Leaves, place));
            }
        }
        if let Some(granted) = operation.granted {
            steps.push((granted, Step::Granted, place));
        }
    }
    steps.sort_unstable();
    let mut waiting = BTreeSet::new();
    let mut chain = Chain {
        context: None,
        since: 0,
        turns: 0,
        releasing: [0; 2],
    };
    for (at, step, place) in steps {
        let operation = queue.operation(place);
        let queued = operation.queued.unwrap_or(operation.asked);
        match step {
            Step::Joins => _ = waiting.insert((queued, place)),
            Step::Leaves => _ = waiting.remove(&(queued, place)),
            Step::Granted => {
                let earlier = waiting.range(..(operation.asked, 0));
                let mut overtaken = earlier.map(|&(_, place)| place).filter(|&earlier| {
                    let waits = queue.operation(earlier);
                    // A theft is ahead of everyone.
                    !operation.is_steal() && waits.mode.conflicts_with(operation.mode)
                });
                let Some(first) = overtaken.next() else {
                    chain = Chain::begin(operation, at);
                    continue;
                };
                let is_own = |&place: &usize| queue.operation(place).context == operation.context;
                let own = Some(first).into_iter().chain(overtaken).find(is_own);
                let is_handed_on = chain.hand_on(operation, contract.order);
                if let Some(waiting) = own.or((!is_handed_on).then_some(first)) {
                    found.push(Violation::Overtaken { waiting, by: place });
                }
            }
        }
    }
}

/// The turns that a context has had one after the other, from one that overtook nobody: the
/// context may have been given the lock anew at that one, and at none of the others.
struct Chain {
    context: Option<usize>,
    since: u64,
    turns: u32,
    /// When the last of each mode began to release it: exclusive, shared.
    releasing: [u64; 2],
}

impl Chain {
    fn begin(operation: &Operation, at: u64) -> Self {
        let mut chain = Self {
            context: Some(operation.context),
            since: at,
            turns: 0,
            releasing: [0; 2],
        };
        chain.add(operation);
        chain
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
        let is_handed_on = self.context == Some(operation.context)
            && self.turns < turns
            && earliest.max(operation.asked) <= self.since.saturating_add(nanos);
        self.add(operation);
        is_handed_on
    }
}
