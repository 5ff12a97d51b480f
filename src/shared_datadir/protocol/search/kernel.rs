//! What the kernels do that the two protocols are for.

use std::hash::Hash;
use std::ops::Range;

use super::super::Answer;
use crate::guard::LockMode::{self, Exclusive};

/// An open file: that for the tickets of a contender, or one for its waits.
pub(super) type OpenFile = usize;

pub(super) fn conflict(one: LockMode, other: LockMode) -> bool {
    one == Exclusive || other == Exclusive
}

pub(super) trait Kernel: Clone + Default + Eq + Hash + std::fmt::Debug {
    /// Whether all waits of a contender are by one open file.
    const WAITS_SHARE_A_FILE: bool;

    fn can_lock(&self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> bool;
    fn try_lock(&mut self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> bool;
    fn unlock(&mut self, file: OpenFile, bytes: Range<u64>);
    fn close(&mut self, file: OpenFile);
    /// The answer at once, if the kernel has a call for it. Otherwise it is found by locking.
    fn find_conflict(&self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> Option<Answer>;
    fn holds(&self, file: OpenFile) -> bool;
    /// Whether it has this byte locked, in `mode` or exclusively.
    fn holds_byte(&self, file: OpenFile, mode: LockMode, byte: u64) -> bool;
}

/// Open file description locks: for each byte, which open files have it locked and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Unix([Vec<(OpenFile, LockMode)>; 5]);

impl Unix {
    fn find(&self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> Option<u64> {
        // To the kernel, a length of zero means all bytes up to the end of the file.
        assert!(!bytes.is_empty(), "a call about no bytes");
        let conflicts = |locks: &Vec<(OpenFile, LockMode)>| {
            locks
                .iter()
                .any(|&(other, held)| other != file && conflict(held, mode))
        };
        bytes
            .into_iter()
            .find(|&byte| conflicts(&self.0[byte as usize]))
    }
}

impl Kernel for Unix {
    const WAITS_SHARE_A_FILE: bool = true;

    fn can_lock(&self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> bool {
        self.find(file, mode, bytes).is_none()
    }

    fn try_lock(&mut self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> bool {
        if !self.can_lock(file, mode, bytes.clone()) {
            return false;
        }
        self.unlock(file, bytes.clone());
        for byte in bytes {
            let locks = &mut self.0[byte as usize];
            locks.push((file, mode));
            // In one order, so that equal states are equal.
            locks.sort_unstable_by_key(|&(file, _)| file);
        }
        true
    }

    fn unlock(&mut self, file: OpenFile, bytes: Range<u64>) {
        for byte in bytes {
            self.0[byte as usize].retain(|&(other, _)| other != file);
        }
    }

    fn close(&mut self, file: OpenFile) {
        self.unlock(file, 0..self.0.len() as u64);
    }

    fn find_conflict(&self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> Option<Answer> {
        Some(Answer::Found(self.find(file, mode, bytes)))
    }

    fn holds(&self, file: OpenFile) -> bool {
        let mut locks = self.0.iter().flatten();
        locks.any(|&(other, _)| other == file)
    }

    fn holds_byte(&self, file: OpenFile, mode: LockMode, byte: u64) -> bool {
        let mut locks = self.0[byte as usize].iter();
        locks.any(|&(other, held)| other == file && (held == mode || held == Exclusive))
    }
}

/// The locks of `LockFileEx`, each with its range, which stays as it is until it is unlocked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Windows(Vec<(OpenFile, LockMode, Range<u64>)>);

impl Kernel for Windows {
    /// A handle without `FILE_FLAG_OVERLAPPED` does one thing at a time.
    const WAITS_SHARE_A_FILE: bool = false;

    /// An exclusive lock overlaps no other one, not even one of the same handle. A shared lock may
    /// overlap an exclusive one of the same handle.
    fn can_lock(&self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> bool {
        assert!(!bytes.is_empty(), "a call about no bytes");
        self.0.iter().all(|(other, held, range)| {
            let overlap = range.start < bytes.end && bytes.start < range.end;
            let own_below_shared = *other == file && mode != Exclusive;
            !overlap || own_below_shared || !conflict(*held, mode)
        })
    }

    fn try_lock(&mut self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> bool {
        let can = self.can_lock(file, mode, bytes.clone());
        if can {
            self.0.push((file, mode, bytes));
            // In one order, so that equal states are equal.
            self.0.sort_unstable_by_key(|(file, mode, bytes)| {
                (*file, bytes.start, bytes.end, *mode == Exclusive)
            });
        }
        can
    }

    /// It needs the exact range of a lock. Of two, the exclusive one is unlocked first.
    fn unlock(&mut self, file: OpenFile, bytes: Range<u64>) {
        let is_it = |lock: &(OpenFile, LockMode, Range<u64>)| lock.0 == file && lock.2 == bytes;
        let mut found = (0..self.0.len()).filter(|&place| is_it(&self.0[place]));
        let first = found.clone().find(|&place| self.0[place].1 == Exclusive);
        let place = first
            .or_else(|| found.next())
            .expect("an unlock of nothing");
        self.0.remove(place);
    }

    fn close(&mut self, file: OpenFile) {
        self.0.retain(|&(other, ..)| other != file);
    }

    fn find_conflict(&self, _: OpenFile, _: LockMode, _: Range<u64>) -> Option<Answer> {
        None
    }

    fn holds(&self, file: OpenFile) -> bool {
        self.0.iter().any(|&(other, ..)| other == file)
    }

    fn holds_byte(&self, file: OpenFile, mode: LockMode, byte: u64) -> bool {
        self.0.iter().any(|(other, held, bytes)| {
            *other == file && bytes.contains(&byte) && (*held == mode || *held == Exclusive)
        })
    }
}
