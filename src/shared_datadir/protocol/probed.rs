//! The protocol on Windows: a kernel that says only whether a range could be locked. What is locked
//! by one call is unlocked by one call about the same range, and never changed in between.
//!
//! To find whether there is a lock on a range is to lock it for a moment. Such a *probe* is in the way
//! of others for that moment. It never grants anything, and whoever meets with it takes it
//! for a lock like any other: what it does then is longer, but right.
//!
//! - **Alone.** Lock byte 0 in the wanted mode. If nothing above it conflicts at some later moment, the
//!   gate included, byte 0 is the ticket. Otherwise free it, and queue. Those who share the key share
//!   byte 0 in this way, as long as nobody queues for it exclusively.
//! - **In the queue.** Lock the gate. Nobody else takes a ticket now. Find, by halving, the lowest
//!   byte above 0 from which on all are free, and lock it in the wanted mode: the ticket. Free the gate.
//!   Then wait until all bytes below can be locked in the wanted mode.
//! - **No ticket left.** Bytes are used again when the region is empty. If one request always
//!   follows another, they come to an end. Whoever meets with that keeps the gate, so that
//!   nobody else joins, until the region is empty, and takes the first one.
//! - **Release, cancel, death.** The ticket is unlocked, and so is the gate.
//!
//! **Why nobody overtakes.** A ticket is above all that are locked at that time, as only one has the
//! gate. Byte 0 is below all tickets, but it is granted only if none conflicts at a moment at which it
//! is locked already: whoever takes such a ticket later finds it locked. Who has locked byte 0 and
//! finds a ticket in the way frees byte 0 again, and waits for nothing before that.
//!
//! **Why a grant excludes.** At the moment of the grant no lower byte is locked in a mode that conflicts,
//! and none will be: tickets are taken above, and byte 0 is not granted beside one that conflicts.

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
    /// Lock byte 0, in the hope that nobody is there.
    First,
    /// Byte 0 is ours. It is granted if nothing above is in the way.
    Alone,
    /// Byte 0 is ours, and somebody is there.
    LeaveFirst,
    /// Lock the gate.
    Gate,
    AwaitGate,
    /// The gate is ours. The ticket is `low` or above it, and `free` at most.
    Above {
        low: u64,
        free: Option<u64>,
    },
    /// The gate is ours, and this byte and all above it were free.
    Ticket(u64),
    /// The gate is ours, and so is this ticket.
    FreeGate(u64),
    /// The ticket is ours. It is granted if nothing below is in the way.
    Below(u64),
    AwaitBelow(u64),
    /// The gate is ours, and there is no ticket above those that are taken.
    AwaitEmpty,
    Granted(u64),
}

impl Acquisition {
    pub(super) fn with_tickets(mode: LockMode, tickets: u64) -> Self {
        let stage = Stage::First;
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

    /// The ticket, from when it has a place in the queue.
    pub(in super::super) fn ticket(&self) -> Option<u64> {
        match self.stage {
            Stage::FreeGate(ticket)
            | Stage::Below(ticket)
            | Stage::AwaitBelow(ticket)
            | Stage::Granted(ticket) => Some(ticket),
            _ => None,
        }
    }

    /// Whether nothing was in the way so far.
    pub(super) fn is_alone_so_far(&self) -> bool {
        matches!(self.stage, Stage::First | Stage::Alone | Stage::LeaveFirst)
    }

    /// The call that comes next; `None` once the request is granted.
    pub(in super::super) fn next(&self) -> Option<Call> {
        use LockMode::Exclusive;
        let gate = self.tickets..self.tickets + 1;
        Some(match self.stage {
            Stage::First => Call::TryLock(self.mode, 0..1),
            Stage::Alone => Call::FindConflict(self.mode, 1..self.tickets + 1),
            Stage::LeaveFirst => Call::Unlock(0..1),
            Stage::Gate => Call::TryLock(Exclusive, gate),
            Stage::AwaitGate => Call::Wait(Exclusive, gate),
            Stage::Above { low, free } => {
                // Every lock conflicts with an exclusive one.
                Call::FindConflict(Exclusive, self.middle(low, free)..self.tickets)
            }
            Stage::Ticket(ticket) => Call::TryLock(self.mode, ticket..ticket + 1),
            Stage::FreeGate(_) => Call::Unlock(gate),
            Stage::Below(ticket) => Call::FindConflict(self.mode, 0..ticket),
            Stage::AwaitBelow(ticket) => Call::Wait(self.mode, 0..ticket),
            Stage::AwaitEmpty => Call::Wait(Exclusive, 0..self.tickets),
            Stage::Granted(_) => return None,
        })
    }

    /// Goes on with the answer to [`next`](Self::next).
    pub(in super::super) fn answered(&mut self, answer: Answer) {
        let locked = answer == Answer::Done;
        let is_free = answer == Answer::Found(None);
        self.stage = match self.stage {
            Stage::First if locked => Stage::Alone,
            Stage::First => Stage::Gate,
            Stage::Alone if is_free => Stage::Granted(0),
            Stage::Alone => Stage::LeaveFirst,
            Stage::LeaveFirst => Stage::Gate,
            Stage::Gate if locked => self.above(1, None),
            Stage::Gate => Stage::AwaitGate,
            // Others may have taken it since. Only the ticket has a place in the queue.
            Stage::AwaitGate => Stage::Gate,
            Stage::Above { low, free } => {
                let middle = self.middle(low, free);
                match is_free {
                    true => self.above(low, Some(middle)),
                    false => self.above(middle + 1, free),
                }
            }
            // Somebody's wait is through at this moment. The bytes above are as good as this one.
            Stage::Ticket(ticket) if !locked => self.try_ticket(ticket + 1),
            Stage::Ticket(ticket) => Stage::FreeGate(ticket),
            Stage::FreeGate(ticket) => Stage::Below(ticket),
            Stage::Below(ticket) if is_free => Stage::Granted(ticket),
            Stage::Below(ticket) => Stage::AwaitBelow(ticket),
            Stage::AwaitBelow(ticket) => Stage::Below(ticket),
            Stage::AwaitEmpty => self.above(1, None),
            Stage::Granted(ticket) => Stage::Granted(ticket),
        };
    }

    /// The byte from which on to look next. Queues are short, so the first ones are 1, 2, 4, 8.
    fn middle(&self, low: u64, free: Option<u64>) -> u64 {
        match free {
            Some(free) => u64::midpoint(low, free),
            None => (2 * (low - 1)).clamp(1, self.tickets - 1),
        }
    }

    fn above(&self, low: u64, free: Option<u64>) -> Stage {
        match free {
            Some(free) if low >= free => Stage::Ticket(free),
            None if low >= self.tickets => Stage::AwaitEmpty,
            _ => Stage::Above { low, free },
        }
    }

    fn try_ticket(&self, ticket: u64) -> Stage {
        match ticket < self.tickets {
            true => Stage::Ticket(ticket),
            false => Stage::AwaitEmpty,
        }
    }

    /// The calls that undo all calls so far.
    pub(in super::super) fn cancel(&self) -> impl Iterator<Item = Call> + use<> {
        let gate = self.tickets;
        let held = match self.stage {
            Stage::First | Stage::Gate | Stage::AwaitGate => [None, None],
            Stage::Alone | Stage::LeaveFirst => [Some(0), None],
            Stage::Above { .. } | Stage::Ticket(_) | Stage::AwaitEmpty => [Some(gate), None],
            Stage::FreeGate(ticket) => [Some(ticket), Some(gate)],
            Stage::Below(ticket) | Stage::AwaitBelow(ticket) | Stage::Granted(ticket) => {
                [Some(ticket), None]
            }
        };
        let held = held.into_iter().flatten();
        held.map(|byte| Call::Unlock(byte..byte + 1))
    }
}

#[cfg(test)]
impl Acquisition {
    pub(super) fn has_gate_for_tests(&self) -> bool {
        matches!(
            self.stage,
            Stage::Above { .. } | Stage::Ticket(_) | Stage::AwaitEmpty
        )
    }

    pub(super) fn is_full_for_tests(&self) -> bool {
        matches!(self.stage, Stage::AwaitEmpty)
    }
}

/// The calls that share a ticket which was granted exclusively. The first may fail where a file system
/// is not as the documentation has it; then the ticket stays exclusive.
///
/// "A shared lock can overlap an exclusive lock if both locks were created using the same file
/// handle", and of two unlocks "the first unlock operation unlocks the exclusive lock", says the
/// documentation of `LockFileEx`. Were it the shared one, the ticket would stay exclusive.
pub(in super::super) fn weaken(ticket: u64) -> [Call; 2] {
    let bytes = ticket..ticket + 1;
    [
        Call::TryLock(LockMode::Shared, bytes.clone()),
        Call::Unlock(bytes),
    ]
}

/// Whether a wait that is under way, for a request that was cancelled, does for the one that is
/// `wanted`: whatever it waits for is in the way of that one too. When it is through, the request looks
/// again, and may have to wait for more.
///
/// So however often a request is cancelled and made again, while others come and go, there is a
/// new wait only if its ticket is lower than all for which this process waits already.
pub(in super::super) fn serves(
    (mode, bytes): (LockMode, &Range<u64>),
    (wanted, of): (LockMode, &Range<u64>),
) -> bool {
    let is_weaker = mode == wanted || mode == LockMode::Shared;
    is_weaker && of.start <= bytes.start && bytes.end <= of.end
}

#[cfg(test)]
mod tests {
    use super::super::TICKETS;
    use super::*;
    use LockMode::{Exclusive, Shared};

    fn asking(mode: LockMode) -> Acquisition {
        Acquisition::with_tickets(mode, TICKETS)
    }

    /// Makes the calls up to this one, where the bytes below `taken` are locked by others.
    fn go_on_until(acquisition: &mut Acquisition, taken: u64, last: impl Fn(&Call) -> bool) -> u64 {
        for calls in 1.. {
            let call = acquisition.next().expect("it is not granted yet");
            if last(&call) {
                return calls;
            }
            acquisition.answered(match call {
                Call::TryLock(_, bytes) if bytes.start < taken => Answer::Conflict,
                Call::FindConflict(_, bytes) if bytes.start < taken => {
                    Answer::Found(Some(bytes.start))
                }
                Call::FindConflict(..) => Answer::Found(None),
                _ => Answer::Done,
            });
        }
        unreachable!()
    }

    fn is_ticket(call: &Call) -> bool {
        matches!(call, Call::TryLock(_, bytes) if !bytes.contains(&0) && !is_gate(bytes))
    }

    fn is_gate(bytes: &Range<u64>) -> bool {
        bytes.start == TICKETS
    }

    /// What every lock costs that nobody else wants.
    #[test]
    fn who_is_alone_is_granted_after_two_calls() {
        for mode in [Exclusive, Shared] {
            let mut alone = asking(mode);
            for answer in [Answer::Done, Answer::Found(None)] {
                assert!(alone.granted().is_none() && alone.is_alone_so_far());
                alone.next().unwrap();
                alone.answered(answer);
            }
            assert_eq!((alone.granted(), alone.next()), (Some(0), None));
        }
    }

    /// Who does not want to wait gives up then, and has nothing locked.
    #[test]
    fn who_meets_others_is_not_alone() {
        let mut behind_a_holder = asking(Exclusive);
        behind_a_holder.answered(Answer::Conflict);
        let mut before_a_ticket = asking(Exclusive);
        for answer in [Answer::Done, Answer::Found(Some(1)), Answer::Done] {
            before_a_ticket.answered(answer);
        }
        for acquisition in [behind_a_holder, before_a_ticket] {
            assert!(!acquisition.is_alone_so_far());
            assert_eq!(acquisition.cancel().count(), 0);
        }
    }

    /// It has been free a moment ago, so it is no ticket that others have, and the next byte will do.
    #[test]
    fn a_byte_that_a_wait_has_for_a_moment_is_left_out() {
        let mut acquisition = asking(Exclusive);
        go_on_until(&mut acquisition, 3, is_ticket);
        let Some(Call::TryLock(_, first)) = acquisition.next() else {
            panic!("{acquisition:?}");
        };
        acquisition.answered(Answer::Conflict);
        let next = Call::TryLock(Exclusive, first.end..first.end + 1);
        assert_eq!((first, acquisition.next()), (3..4, Some(next)));
    }

    /// The gate is no ticket.
    #[test]
    fn behind_the_last_ticket_one_waits_until_all_are_gone() {
        let mut acquisition = asking(Exclusive);
        go_on_until(&mut acquisition, TICKETS - 1, is_ticket);
        acquisition.answered(Answer::Conflict);
        let all = Call::Wait(Exclusive, 0..TICKETS);
        assert_eq!(acquisition.next(), Some(all));
    }

    /// Whoever joined another wait might wait for what is not in its way.
    #[test]
    fn a_wait_serves_who_waits_for_that_and_more() {
        for (wait, wanted, expected) in [
            ((Exclusive, 0..5), (Exclusive, 0..5), true),
            ((Shared, 0..5), (Shared, 0..5), true),
            ((Shared, 0..5), (Exclusive, 0..5), true),
            ((Exclusive, 0..5), (Shared, 0..5), false),
            ((Shared, 2..3), (Shared, 0..5), true),
            ((Shared, 0..5), (Shared, 2..5), false),
            ((Shared, 0..5), (Shared, 0..3), false),
            ((Shared, 0..3), (Shared, 2..5), false),
        ] {
            let serves = serves((wait.0, &wait.1), (wanted.0, &wanted.1));
            assert_eq!(serves, expected, "{wait:?} {wanted:?}");
        }
    }

    #[test]
    fn the_end_of_a_long_queue_is_found_in_few_calls() {
        for taken in [1, 2, 3, 5, 100, 1000, 60_000] {
            let mut acquisition = asking(Exclusive);
            let calls = go_on_until(&mut acquisition, taken, is_ticket);
            let ticket = acquisition.next();
            let free = taken.max(1);
            assert_eq!(ticket, Some(Call::TryLock(Exclusive, free..free + 1)));
            assert!(calls <= 40, "{calls} for {taken}");
        }
    }
}
