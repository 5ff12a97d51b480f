//! Who loses a lock is told, and nobody else is.

use super::{Contract, Queue, Violation};
use crate::event::Ended;

pub(super) fn check(queue: &Queue<'_>, contract: &Contract, found: &mut Vec<Violation>) {
    for (place, operation) in queue.operations() {
        let robbed = match operation.ended {
            Some((at, Ended::Lost)) => Some(at),
            _ => operation.lost,
        };
        let invalidated = queue.history.invalidated.get(&operation.context);
        match robbed {
            Some(told) => {
                // It may have been stolen before its owner knew that it had it.
                let since = queue.may_be_robbed_since(operation);
                let may_be_stolen = |&thief: &usize| {
                    let steal = queue.operation(thief);
                    thief != place && steal.asked < told && steal.took_by() > since
                };
                let killed = operation.killed.is_some_and(|(killing, _)| killing <= told);
                let is_known = killed || invalidated.is_some_and(|&at| at <= told);
                if !is_known && !queue.steals.iter().any(may_be_stolen) {
                    found.push(Violation::LossWithoutCause { operation: place });
                }
            }
            None => {
                let Some(granted) = operation.granted else {
                    continue;
                };
                let end = operation.certainly_held_until();
                let thief = queue.steals.iter().find(|&&thief| {
                    let steal = queue.operation(thief);
                    let stolen = steal.granted.map(|at| at.saturating_add(contract.patience));
                    thief != place && steal.asked > granted && stolen.is_some_and(|by| by < end)
                });
                if let Some(&thief) = thief {
                    found.push(Violation::LossNotTold {
                        operation: place,
                        thief,
                    });
                }
            }
        }
    }
}
