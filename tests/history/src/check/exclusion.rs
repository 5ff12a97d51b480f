//! Nobody holds beside an exclusive holder.

use super::{Queue, Violation};
use crate::Mode;

pub(super) fn check(queue: &Queue<'_>, found: &mut Vec<Violation>) {
    // Ends before starts at the same moment, as what only touches does not overlap.
    let mut steps = Vec::new();
    for (place, operation) in queue.operations() {
        if let Some((start, end)) = queue.certainly_held(place) {
            steps.push((end, false, place, operation.mode));
            steps.push((start, true, place, operation.mode));
        }
    }
    steps.sort_unstable_by_key(|&(at, is_start, ..)| (at, is_start));
    let mut holders: Vec<(usize, Mode)> = Vec::new();
    for (at, is_start, place, mode) in steps {
        if !is_start {
            holders.retain(|&(holder, _)| holder != place);
            continue;
        }
        let other = holders.iter().find(|(_, held)| held.conflicts_with(mode));
        if let Some(&(one, _)) = other {
            found.push(Violation::Overlap {
                one,
                other: place,
                at,
            });
        }
        holders.push((place, mode));
    }
}
