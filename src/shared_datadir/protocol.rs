//! The protocol by which processes take turns on a key: a plain state machine that says which
//! call of the kernel comes next. No I/O, no clock, no threads.
//!
//! A key names a *region* of a file: so many bytes that are tickets, and one behind them that
//! is the gate. Nothing is ever written there. All that counts is which bytes are locked, and
//! the kernel frees the locks of whoever dies, at whatever moment.
//!
//! - **Alone.** Lock the whole region exclusively without waiting. If that succeeds, nobody is
//!   there. Keep byte 0 in the wanted mode as the ticket, and free all else in one call.
//! - **In the queue.** Lock the gate. Nobody else takes a ticket now. Find the highest byte that
//!   is locked, and lock the one above it in the wanted mode: the ticket. Free the gate. Then
//!   wait, the nearest first, for every lower byte whose lock conflicts with the wanted mode. This
//!   is the rule of the Web Locks specification: a request is granted when no earlier request,
//!   held or pending, conflicts with it.
//! - **No ticket left.** Bytes are used again when the region is empty. If one request always
//!   follows another, they come to an end. Whoever meets with that keeps the gate, so that
//!   nobody else joins, until the region is empty, and takes byte 0.
//! - **Release, cancel, death.** The ticket is unlocked, and a cancel unlocks the whole region
//!   in one call. The queue is then as if the request had never been made.
//!
//! **Waits are only events.** A wait locks what it waits for and frees it at once, and it does so
//! by another open file than the one that has the ticket. Nothing relies on what a wait locks. So
//! a thread that still waits for a request which was cancelled can do no harm: when it is through,
//! it has locked and unlocked a byte in nobody's name. Were it the same open file, it could
//! weaken or free a lock that a later request of this process has there.
//!
//! Whoever waits for a byte keeps a ticket above it. So no byte below is handed out anew, and it
//! waits for no one who came later.
//!
//! [`search`](self) (in the tests) plays every interleaving of three contenders that may cancel or
//! die at each step.

use std::ops::Range;

use crate::guard::LockMode;

#[cfg(test)]
mod search;

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
    /// Unlock whatever this open file has locked of the bytes.
    Unlock(Range<u64>),
    /// Find a byte on which another open file has a lock that conflicts with this mode.
    FindConflict(LockMode, Range<u64>),
    /// Wait, by the other open file, until the bytes could be locked in this mode.
    Wait(LockMode, Range<u64>),
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

/// A request for a region, from its first call until it is granted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Acquisition {
    mode: LockMode,
    /// [`TICKETS`], or fewer in tests.
    tickets: u64,
    stage: Stage,
}

/// Which call comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    /// Lock the whole region, in the hope that nobody is there.
    Whole,
    /// It is ours as a whole. Byte 0 is to be shared.
    Weaken,
    /// It is ours as a whole. Free all but byte 0.
    FreeRest,
    /// Lock the gate.
    Gate,
    AwaitGate,
    /// The gate is ours. Everything that is locked from `from` on is to be found.
    Highest {
        from: u64,
    },
    /// The gate is ours, and this byte is above all that were found.
    Ticket(u64),
    /// The gate is ours, and so is this ticket.
    FreeGate(u64),
    /// Find the conflict that is nearest below the ticket. `nearest` is the nearest so far.
    Ahead {
        ticket: u64,
        nearest: Option<u64>,
    },
    AwaitByte {
        ticket: u64,
        byte: u64,
    },
    /// The gate is ours, and there is no ticket above those that are taken.
    Full,
    AwaitEmpty,
    Granted(u64),
}

impl Acquisition {
    pub(super) fn new(mode: LockMode) -> Self {
        Self::with_tickets(mode, TICKETS)
    }

    fn with_tickets(mode: LockMode, tickets: u64) -> Self {
        let stage = Stage::Whole;
        Self {
            mode,
            tickets,
            stage,
        }
    }

    pub(super) fn mode(&self) -> LockMode {
        self.mode
    }

    /// The ticket, once the request is granted.
    pub(super) fn granted(&self) -> Option<u64> {
        match self.stage {
            Stage::Granted(ticket) => Some(ticket),
            _ => None,
        }
    }

    /// The call that comes next; `None` once the request is granted.
    pub(super) fn next(&self) -> Option<Call> {
        use LockMode::{Exclusive, Shared};
        let gate = self.tickets..self.tickets + 1;
        Some(match self.stage {
            Stage::Whole => Call::TryLock(Exclusive, 0..self.tickets + 1),
            Stage::Weaken => Call::TryLock(Shared, 0..1),
            Stage::FreeRest => Call::Unlock(1..self.tickets + 1),
            Stage::Gate => Call::TryLock(Exclusive, gate),
            Stage::AwaitGate => Call::Wait(Exclusive, gate),
            // Whatever conflicts with an exclusive lock: every lock does.
            Stage::Highest { from } => Call::FindConflict(Exclusive, from..self.tickets),
            Stage::Ticket(ticket) => Call::TryLock(self.mode, ticket..ticket + 1),
            Stage::FreeGate(_) => Call::Unlock(gate),
            Stage::Ahead { ticket, nearest } => {
                Call::FindConflict(self.mode, nearest.map_or(0, |byte| byte + 1)..ticket)
            }
            Stage::AwaitByte { byte, .. } => Call::Wait(self.mode, byte..byte + 1),
            Stage::Full => Call::TryLock(Exclusive, 0..self.tickets),
            Stage::AwaitEmpty => Call::Wait(Exclusive, 0..self.tickets),
            Stage::Granted(_) => return None,
        })
    }

    /// Goes on with the answer to [`next`](Self::next).
    pub(super) fn answered(&mut self, answer: Answer) {
        let locked = answer == Answer::Done;
        self.stage = match self.stage {
            Stage::Whole if !locked => Stage::Gate,
            Stage::Full if !locked => Stage::AwaitEmpty,
            // Now nobody else has a byte of the region, nor the gate.
            Stage::Whole | Stage::Full => match self.mode {
                LockMode::Exclusive => Stage::FreeRest,
                LockMode::Shared => Stage::Weaken,
            },
            Stage::Weaken => Stage::FreeRest,
            Stage::FreeRest => Stage::Granted(0),
            Stage::Gate if locked => Stage::Highest { from: 0 },
            Stage::Gate => Stage::AwaitGate,
            // Others may have taken it since. Only the ticket has a place in the queue.
            Stage::AwaitGate => Stage::Gate,
            Stage::Highest { from } => match answer {
                Answer::Found(Some(byte)) => self.highest_from(byte + 1),
                _ => self.ticket(from),
            },
            // Somebody's wait is through at this moment, for a byte above all tickets. Those
            // bytes are as good as this one.
            Stage::Ticket(ticket) if !locked => self.ticket(ticket + 1),
            Stage::Ticket(ticket) => Stage::FreeGate(ticket),
            // Nothing is below the first ticket. To ask about no bytes at all would be wrong: to
            // the kernel, a length of zero means everything up to the end of the file.
            Stage::FreeGate(0) => Stage::Granted(0),
            Stage::FreeGate(ticket) => Stage::Ahead {
                ticket,
                nearest: None,
            },
            Stage::Ahead { ticket, nearest } => match (answer, nearest) {
                (Answer::Found(Some(byte)), _) => self.ahead(ticket, byte),
                (_, Some(byte)) => Stage::AwaitByte { ticket, byte },
                (_, None) => Stage::Granted(ticket),
            },
            Stage::AwaitByte { ticket, .. } => Stage::Ahead {
                ticket,
                nearest: None,
            },
            Stage::AwaitEmpty => Stage::Full,
            Stage::Granted(ticket) => Stage::Granted(ticket),
        };
    }

    fn highest_from(&self, from: u64) -> Stage {
        match from < self.tickets {
            true => Stage::Highest { from },
            false => Stage::Full,
        }
    }

    fn ticket(&self, ticket: u64) -> Stage {
        match ticket < self.tickets {
            true => Stage::Ticket(ticket),
            false => Stage::Full,
        }
    }

    /// Looks for one that is nearer than `byte`, if there can be one.
    fn ahead(&self, ticket: u64, byte: u64) -> Stage {
        match byte + 1 < ticket {
            true => Stage::Ahead {
                ticket,
                nearest: Some(byte),
            },
            false => Stage::AwaitByte { ticket, byte },
        }
    }

    /// The call that undoes all calls so far.
    pub(super) fn cancel(&self) -> Call {
        Call::Unlock(0..self.tickets + 1)
    }
}

/// Takes the whole region if nobody is there, and keeps what a ticket is of it. Otherwise nothing is
/// locked yet, and the acquisition has to go on.
pub(super) fn take_if_alone<E>(
    mode: LockMode,
    mut call: impl FnMut(&Call) -> Result<Answer, E>,
) -> Result<Result<u64, Acquisition>, E> {
    let mut acquisition = Acquisition::new(mode);
    loop {
        match (acquisition.stage, acquisition.next()) {
            (Stage::Granted(ticket), _) => return Ok(Ok(ticket)),
            (Stage::Gate, _) | (_, None) => return Ok(Err(acquisition)),
            (_, Some(next)) => match call(&next) {
                Ok(answer) => acquisition.answered(answer),
                Err(error) => {
                    // Whatever was locked is freed. Nobody waits for the answer.
                    let _ = call(&acquisition.cancel());
                    return Err(error);
                }
            },
        }
    }
}

/// The call that frees a granted ticket.
pub(super) fn release(ticket: u64) -> Call {
    Call::Unlock(ticket..ticket + 1)
}

/// The call that shares a ticket which was granted exclusively. It cannot fail: to weaken a
/// lock conflicts with nobody.
pub(super) fn weaken(ticket: u64) -> Call {
    Call::TryLock(LockMode::Shared, ticket..ticket + 1)
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
