//! Who is refused a lock at once, or at the end of its time, was in somebody's way.

use super::{Contract, InTheWay, Order, Queue, Violation};
use crate::Mode;
use crate::event::Ended;

pub(super) fn check(
    queue: &Queue<'_>,
    in_the_way: &InTheWay,
    contract: &Contract,
    found: &mut Vec<Violation>,
) {
    for (place, operation) in queue.operations() {
        let Some((at, Ended::Busy | Ended::TimedOut)) = operation.ended else {
            continue;
        };
        let mode = match contract.order {
            // What a context has may still be exclusive while it goes from a writer to a reader.
            Order::WithinContexts => Mode::Exclusive,
            _ => operation.mode,
        };
        // Whoever asked at any time before the answer, and was not gone before the question.
        let until = in_the_way.until(place, mode, at);
        if until.is_none_or(|until| until < operation.asked) {
            found.push(Violation::RefusedWhileFree { operation: place });
        }
    }
}
