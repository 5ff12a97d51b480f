//! [`InTheWay`]: until when somebody may have stood in the way.

use std::collections::HashMap;

use super::{Contract, Queue};
use crate::Mode;
use crate::event::How;
use crate::operation::Operation;

/// For every moment, until when somebody who had asked by then may have stood in the way.
///
/// The two latest of each kind, as nobody stands in the way of itself.
pub(super) struct InTheWay {
    asked: Vec<u64>,
    /// Of all, and of those who asked for an exclusive lock.
    latest: Vec<[Latest; 2]>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Latest([Option<(u64, usize)>; 2]);

impl Latest {
    fn add(&mut self, until: u64, place: usize) {
        let new = Some((until, place));
        if new > self.0[0] {
            self.0 = [new, self.0[0]];
        } else if new > self.0[1] {
            self.0[1] = new;
        }
    }

    fn but(self, own: usize) -> Option<u64> {
        let others = self
            .0
            .into_iter()
            .flatten()
            .find(|&(_, place)| place != own);
        others.map(|(until, _)| until)
    }
}

impl InTheWay {
    pub(super) fn new(queue: &Queue<'_>, contract: &Contract) -> Self {
        let mut latest = [Latest::default(); 2];
        let mut all = Self {
            asked: Vec::new(),
            latest: Vec::new(),
        };
        let readers = contract
            .grants_on_release_alone
            .then(|| Readers::new(queue));
        for (place, operation) in queue.operations() {
            let mut until = operation.possibly_there_until();
            if let Some(readers) = readers.as_ref().filter(|_| gave_up_to_write(operation)) {
                until = readers.until(operation.asked, until);
            }
            latest[0].add(until, place);
            if operation.mode == Mode::Exclusive {
                latest[1].add(until, place);
            }
            all.asked.push(operation.asked);
            all.latest.push(latest);
        }
        all
    }

    /// Until when somebody who conflicts with `own` and asked before `moment` may have been there.
    pub(super) fn until(&self, own: usize, mode: Mode, moment: u64) -> Option<u64> {
        let last = self.asked.partition_point(|&asked| asked < moment);
        let latest = self.latest.get(last.checked_sub(1)?)?;
        match mode {
            Mode::Exclusive => latest[0].but(own),
            Mode::Shared => latest[1].but(own),
        }
    }
}

/// Whether it is a writer that left the queue without the lock, or may have.
fn gave_up_to_write(operation: &Operation) -> bool {
    let waits = operation.how == How::Lock && operation.granted.is_none();
    waits && operation.mode == Mode::Exclusive
}

/// When each context may have had a shared lock without a break: from when to when, in order. Where contexts hand
/// locks on, what the platform sees of its readers is this at most.
struct Readers(Vec<Vec<(u64, u64)>>);

impl Readers {
    fn new(queue: &Queue<'_>) -> Self {
        let mut contexts: HashMap<usize, Vec<(u64, u64)>> = HashMap::new();
        let readers = queue
            .operations()
            .filter(|(_, operation)| operation.mode == Mode::Shared);
        for (_, operation) in readers {
            let (start, end) = (operation.asked, operation.possibly_there_until());
            let times = contexts.entry(operation.context).or_default();
            match times.last_mut() {
                Some((_, last)) if *last >= start => *last = end.max(*last),
                _ => times.push((start, end)),
            }
        }
        Self(contexts.into_values().collect())
    }

    /// Until when those may have held who may have done so between `start` and `end`, or `end`.
    fn until(&self, start: u64, end: u64) -> u64 {
        let ends = self.0.iter().filter_map(|times| {
            let before = times.partition_point(|&(begin, _)| begin < end);
            let (_, last) = *times.get(before.checked_sub(1)?)?;
            (last > start).then_some(last)
        });
        ends.max().unwrap_or(end).max(end)
    }
}
