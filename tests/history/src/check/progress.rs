//! Everybody gets an answer, and gets the lock when nobody is in the way any more.

use super::{Contract, InTheWay, Queue, Violation};

pub(super) fn check(
    queue: &Queue<'_>,
    in_the_way: &InTheWay,
    contract: &Contract,
    found: &mut Vec<Violation>,
) {
    for (place, operation) in queue.operations() {
        if operation.possibly_there_until() == u64::MAX {
            found.push(Violation::Stuck { operation: place });
            continue;
        }
        let Some(queued) = operation.queued else {
            continue;
        };
        let until = operation.certainly_waited_until();
        // Those who asked before it may have been in front; a thief may come at any time.
        let in_front = in_the_way.until(place, operation.mode, queued).unwrap_or(0);
        let thieves = queue.steals.iter().map(|&thief| queue.operation(thief));
        let thieves = thieves.filter(|steal| steal.asked < until);
        let stolen = thieves.map(|steal| steal.possibly_there_until()).max();
        let free = in_front.max(stolen.unwrap_or(0)).max(queued);
        let nanos = until.saturating_sub(free);
        if nanos > contract.patience {
            found.push(Violation::Forgotten {
                operation: place,
                nanos,
            });
        }
    }
}
