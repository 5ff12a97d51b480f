//! The protocol by which processes take turns on a key: a plain state machine that says which
//! call of the kernel comes next. No I/O, no clock, no threads.
//!
//! A key names a *region* of a file: so many bytes that are tickets, and one behind them that
//! is the gate. Nothing is ever written there. All that counts is which bytes are locked, and
//! the kernel frees the locks of whoever dies, at whatever moment.
//!
//! Whoever has a byte locked has a place in the queue. A request is granted when no lower byte is
//! locked in a mode that conflicts with its own. This is the rule of the Web Locks specification: no
//! earlier request, held or pending, conflicts with it. Who takes a ticket has the gate locked
//! meanwhile, and takes one that is above all others. To release, cancel or die unlocks it, and the
//! queue is then as if the request had never been made.
//!
//! Systems differ in what their kernels answer, so there are two such machines:
//!
//! - [`queried`] on Unix, whose kernels say which byte is locked, and change a range of locked bytes in
//!   one call;
//! - [`probed`] on Windows, whose kernel says only whether a range could be locked.
//!
//! **Waits are only events.** A wait locks what it waits for and frees it at once, and it does so
//! by another open file than the one that has the ticket. Nothing relies on what a wait locks. So
//! a thread that still waits for a request which was cancelled can do no harm: when it is through,
//! it has locked and unlocked some bytes in nobody's name. Were it the same open file, it could
//! weaken or free a lock that a later request of this process has there.
//!
//! [`search`] plays every interleaving of three contenders that may cancel or die at each step.

use std::ops::Range;

use crate::guard::LockMode;

#[cfg(any(windows, test))]
mod probed;
#[cfg(any(unix, test))]
mod queried;
#[cfg(test)]
mod search;

#[cfg(windows)]
use probed as system;
#[cfg(unix)]
use queried as system;

pub(super) use system::{Acquisition, serves, weaken};

/// How many tickets a region has. The byte behind them is the gate. The number is part of the
/// protocol: all processes on a datadir must have the same.
pub(super) const TICKETS: u64 = (1 << 16) - 1;

/// How many bytes a region has.
pub(super) const REGION: u64 = TICKETS + 1;

/// A call of the kernel about a region. Offsets are relative to its start.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Call {
    /// Lock the bytes without waiting. The answer says whether that succeeded.
    TryLock(LockMode, Range<u64>),
    /// Unlock what this open file has locked of the bytes. On Windows they must be those of one lock.
    Unlock(Range<u64>),
    /// Find a byte on which another open file has a lock that conflicts with this mode. On Windows
    /// this is to lock them for a moment. It does not say where the conflict is, and the answer is the
    /// first of the bytes.
    FindConflict(LockMode, Range<u64>),
    /// Wait, by another open file, until the bytes could be locked in this mode.
    Wait(LockMode, Range<u64>),
}

impl Acquisition {
    pub(super) fn new(mode: LockMode) -> Self {
        Self::with_tickets(mode, TICKETS)
    }
}

/// The answer to a [`Call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// To a `TryLock` that failed.
    Conflict,
    /// To every other call that looks for nothing.
    Done,
    /// To a `FindConflict`.
    Found(Option<u64>),
}

/// Takes the key if nobody is there. Otherwise nothing is locked yet, and the acquisition has to go on.
pub(super) fn take_if_alone<E>(
    mode: LockMode,
    mut call: impl FnMut(&Call) -> Result<Answer, E>,
) -> Result<Result<u64, Acquisition>, E> {
    let mut acquisition = Acquisition::new(mode);
    loop {
        if let Some(ticket) = acquisition.granted() {
            return Ok(Ok(ticket));
        }
        let next = acquisition.next().filter(|_| acquisition.is_alone_so_far());
        let Some(next) = next else {
            return Ok(Err(acquisition));
        };
        match call(&next) {
            Ok(answer) => acquisition.answered(answer),
            Err(error) => {
                // Whatever was locked is freed. Nobody waits for the answers.
                acquisition.cancel().for_each(|undo| drop(call(&undo)));
                return Err(error);
            }
        }
    }
}

/// The call that frees a granted ticket.
pub(super) fn release(ticket: u64) -> Call {
    Call::Unlock(ticket..ticket + 1)
}

/// The call that finds whether somebody waits behind a ticket that was granted in `mode`, or is about
/// to. Those who hold together with it do not wait for it.
pub(super) fn find_behind(mode: LockMode, ticket: u64) -> Call {
    Call::FindConflict(mode, ticket + 1..REGION)
}

/// The call that waits until there is nobody whom [`find_behind`] would find. It can do no harm to
/// those who come meanwhile, as no other wait can: it gets the bytes together with the gate, so
/// nobody is taking a ticket then.
pub(super) fn await_nobody_behind(mode: LockMode, ticket: u64) -> Call {
    Call::Wait(mode, ticket + 1..REGION)
}
