//! The protocol on Unix: a kernel that says which byte is locked, and that locks and unlocks any part
//! of a range in one call.
//!
//! - **Alone.** Lock the whole region exclusively without waiting. If that succeeds, nobody is
//!   there. Keep byte 0 in the wanted mode as the ticket, and free all else in one call.
//! - **In the queue.** Lock the gate. Nobody else takes a ticket now. Find the highest byte that
//!   is locked, and lock the one above it in the wanted mode: the ticket. Free the gate. Then
//!   wait, the nearest first, for every lower byte whose lock conflicts with the wanted mode.
//! - **No ticket left.** Bytes are used again when the region is empty. If one request always
//!   follows another, they come to an end. Whoever meets with that keeps the gate, so that
//!   nobody else joins, until the region is empty, and takes byte 0.
//! - **Release, cancel, death.** The ticket is unlocked, and a cancel unlocks the whole region
//!   in one call.
//!
//! Whoever waits for a byte keeps a ticket above it. So no byte below is handed out anew, and it
//! waits for no one who came later.

use std::ops::Range;

use super::{Answer, Call};
use crate::guard::LockMode;

/// A request for a region, from its first call until it is granted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in super::super) struct Acquisition {
    mode: LockMode,
    /// [`TICKETS`](super::TICKETS), or fewer in tests.
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
    pub(super) fn with_tickets(mode: LockMode, tickets: u64) -> Self {
        let stage = Stage::Whole;
        Self {
            mode,
            tickets,
            stage,
        }
    }

    pub(in super::super) fn mode(&self) -> LockMode {
        self.mode
    }

    /// The ticket, once the request is granted.
    pub(in super::super) fn granted(&self) -> Option<u64> {
        match self.stage {
            Stage::Granted(ticket) => Some(ticket),
            _ => None,
        }
    }

    /// The call that comes next; `None` once the request is granted.
    pub(in super::super) fn next(&self) -> Option<Call> {
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
    pub(in super::super) fn answered(&mut self, answer: Answer) {
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
                _ => self.try_ticket(from),
            },
            // Somebody's wait is through at this moment, for a byte above all tickets. Those
            // bytes are as good as this one.
            Stage::Ticket(ticket) if !locked => self.try_ticket(ticket + 1),
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

    fn try_ticket(&self, ticket: u64) -> Stage {
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

    /// The ticket, from when it has a place in the queue.
    pub(in super::super) fn ticket(&self) -> Option<u64> {
        match self.stage {
            Stage::Weaken | Stage::FreeRest => Some(0),
            Stage::FreeGate(ticket)
            | Stage::Ahead { ticket, .. }
            | Stage::AwaitByte { ticket, .. }
            | Stage::Granted(ticket) => Some(ticket),
            _ => None,
        }
    }

    /// Whether nothing was in the way so far.
    pub(super) fn is_alone_so_far(&self) -> bool {
        matches!(self.stage, Stage::Whole | Stage::Weaken | Stage::FreeRest)
    }

    /// The calls that undo all calls so far.
    pub(in super::super) fn cancel(&self) -> impl Iterator<Item = Call> + use<> {
        std::iter::once(Call::Unlock(0..self.tickets + 1))
    }
}

#[cfg(test)]
impl Acquisition {
    pub(super) fn has_gate_for_tests(&self) -> bool {
        matches!(
            self.stage,
            Stage::Highest { .. } | Stage::Ticket(_) | Stage::Full | Stage::AwaitEmpty
        )
    }

    pub(super) fn is_full_for_tests(&self) -> bool {
        matches!(self.stage, Stage::AwaitEmpty)
    }
}

/// The calls that share a ticket which was granted exclusively. They cannot fail: to weaken a
/// lock conflicts with nobody.
pub(in super::super) fn weaken(ticket: u64) -> [Call; 1] {
    [Call::TryLock(LockMode::Shared, ticket..ticket + 1)]
}

/// Whether a wait that is under way does as well as the one that is `wanted`.
pub(in super::super) fn serves(
    wait: (LockMode, &Range<u64>),
    wanted: (LockMode, &Range<u64>),
) -> bool {
    wait == wanted
}

#[cfg(test)]
mod tests {
    use super::super::TICKETS;
    use super::*;
    use LockMode::{Exclusive, Shared};

    fn asking(mode: LockMode, answers: &[Answer]) -> Acquisition {
        let mut acquisition = Acquisition::with_tickets(mode, TICKETS);
        for answer in answers {
            acquisition.next().expect("it is not granted yet");
            acquisition.answered(*answer);
        }
        acquisition
    }

    /// What every lock costs that nobody else wants. It has its place from the first call on.
    #[test]
    fn who_is_alone_is_granted_the_first_ticket() {
        for (mode, calls) in [(Exclusive, 2), (Shared, 3)] {
            for so_far in 0..calls {
                let alone = asking(mode, &vec![Answer::Done; so_far]);
                assert!(alone.is_alone_so_far() && alone.granted().is_none());
                assert_eq!(alone.ticket(), (so_far > 0).then_some(0));
            }
            let granted = asking(mode, &vec![Answer::Done; calls]);
            assert_eq!((granted.granted(), granted.next()), (Some(0), None));
        }
    }

    /// It has been free a moment ago, so it is no ticket that others have, and the next byte will do.
    #[test]
    fn a_byte_that_a_wait_has_for_a_moment_is_left_out() {
        let nobody = Answer::Found(None);
        let others = [Answer::Conflict, Answer::Done, nobody, Answer::Conflict];
        let acquisition = asking(Exclusive, &others);
        assert_eq!(acquisition.next(), Some(Call::TryLock(Exclusive, 1..2)));
    }

    /// One waits for the nearest in front that conflicts, or would be woken for each of them.
    #[test]
    fn the_nearest_in_front_is_looked_for() {
        let third = Answer::Found(Some(3));
        let (nobody, first) = (Answer::Found(None), Answer::Found(Some(0)));
        let gate = [Answer::Conflict, Answer::Done];
        let ticket = [third, nobody, Answer::Done, Answer::Done];
        let mut acquisition = asking(Shared, &[&gate[..], &ticket, &[first]].concat());
        assert_eq!(acquisition.next(), Some(Call::FindConflict(Shared, 1..4)));
        acquisition.answered(third);
        assert_eq!(acquisition.next(), Some(Call::Wait(Shared, 3..4)));
    }

    #[test]
    fn a_wait_serves_who_waits_for_the_same() {
        let wait = (Exclusive, &(3..4));
        assert!(serves(wait, wait));
        assert!(!serves(wait, (Shared, &(3..4))));
        assert!(!serves(wait, (Exclusive, &(2..3))));
    }
}
