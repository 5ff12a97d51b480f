//! Fencing tokens grow with every grant of a key.

use super::{Queue, Violation};

pub(super) fn check(queue: &Queue<'_>, found: &mut Vec<Violation>) {
    // Who asks after another was granted is granted after it. What was granted meanwhile may
    // have come before or after.
    let mut granted = Vec::new();
    for (place, operation) in queue.operations() {
        if let (Some(at), Some(token)) = (operation.granted, operation.token) {
            granted.push((at, token, place));
        }
    }
    granted.sort_unstable();
    let mut before = granted.iter().peekable();
    let mut largest: Option<(u64, usize)> = None;
    for (place, operation) in queue.operations() {
        while let Some(&&(_, token, earlier)) =
            before.peek().filter(|(at, ..)| *at < operation.asked)
        {
            largest = largest.max(Some((token, earlier)));
            before.next();
        }
        let (Some(token), Some((last, earlier))) = (operation.token, largest) else {
            continue;
        };
        if token <= last {
            found.push(Violation::StaleToken {
                earlier,
                later: place,
            });
        }
    }
}
