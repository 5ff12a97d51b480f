//! Every interleaving of three contenders on one key, over a simulated kernel. Each contender
//! may cancel or die at every step, and each call of the kernel is a step of its own.
//!
//! A state is what the kernel has locked, where each contender is, and which waits of requests
//! that were cancelled are still under way. All states that can be reached are visited, and
//! in each the obligations are checked:
//!
//! - [exclusion](State::check): no two granted requests conflict;
//! - [order](State::check): nobody is granted while an earlier request that conflicts has its
//!   ticket, or the gate;
//! - [nothing is left](State::check) of whoever is idle, but for waits that hold nothing;
//! - [nobody is stuck](Graph::assert_all_can_end): from every state, all can be granted and
//!   released without anybody cancelling or dying.
//!
//! Both protocols are searched on every platform, each over the [kernel] that it is for.

mod graph;
mod kernel;
mod state;

use super::{Call, probed, queried};
use crate::guard::LockMode::{self, Exclusive, Shared};
use graph::Graph;
use kernel::Kernel;
use state::{CONTENDERS, Contender, State, Step, Wait, for_tickets};

/// The search, for each of the protocols.
trait Rules: Clone + Eq + std::hash::Hash + std::fmt::Debug {
    type Kernel: Kernel;
    /// Few, so that the region runs out of tickets in the middle of everything.
    const TICKETS: u64;

    fn new(mode: LockMode) -> Self;
    fn mode(&self) -> LockMode;
    fn granted(&self) -> Option<u64>;
    fn ticket(&self) -> Option<u64>;
    /// Whether it is taking a ticket.
    fn has_gate(&self) -> bool;
    fn is_alone_so_far(&self) -> bool;
    /// Whether it waits for the region to become empty.
    fn is_full(&self) -> bool;
    fn next(&self) -> Option<Call>;
    fn answered(&mut self, answer: super::Answer);
    fn cancel(&self) -> Vec<Call>;
    fn weaken(ticket: u64) -> Vec<Call>;
    fn serves(wait: &Wait, wanted: &Wait) -> bool;
}

macro_rules! rules {
    ($protocol:ident over $kernel:ident with $tickets:literal) => {
        impl Rules for $protocol::Acquisition {
            type Kernel = kernel::$kernel;
            const TICKETS: u64 = $tickets;

            fn new(mode: LockMode) -> Self {
                Self::with_tickets(mode, Self::TICKETS)
            }

            fn mode(&self) -> LockMode {
                self.mode()
            }

            fn granted(&self) -> Option<u64> {
                self.granted()
            }

            fn ticket(&self) -> Option<u64> {
                self.ticket()
            }

            fn has_gate(&self) -> bool {
                self.has_gate_for_tests()
            }

            fn is_alone_so_far(&self) -> bool {
                self.is_alone_so_far()
            }

            fn is_full(&self) -> bool {
                self.is_full_for_tests()
            }

            fn next(&self) -> Option<Call> {
                self.next()
            }

            fn answered(&mut self, answer: super::Answer) {
                self.answered(answer);
            }

            fn cancel(&self) -> Vec<Call> {
                self.cancel().collect()
            }

            fn weaken(ticket: u64) -> Vec<Call> {
                $protocol::weaken(ticket).into()
            }

            fn serves(wait: &Wait, wanted: &Wait) -> bool {
                $protocol::serves((wait.mode, &wait.bytes), (wanted.mode, &wanted.bytes))
            }
        }
    };
}

rules!(queried over Unix with 3);
// Byte 0 is for those who come alone.
rules!(probed over Windows with 4);

/// All modes that three contenders can have, but for the order of the contenders.
const MODES: [[LockMode; CONTENDERS]; 4] = [
    [Exclusive, Exclusive, Exclusive],
    [Exclusive, Exclusive, Shared],
    [Exclusive, Shared, Shared],
    [Shared, Shared, Shared],
];

/// Each contender asks once, and all of them may cancel or die.
fn cancel_and_death_at_every_step<R: Rules>() {
    for modes in MODES {
        let once = [&modes[..1], &modes[1..2], &modes[2..]];
        Graph::<R>::search(State::new(once, CONTENDERS), None).assert_all_can_end();
    }
}

/// Each contender asks again when it was granted, was cancelled or died. This takes minutes.
fn cancel_and_death_at_every_step_of_two_rounds<R: Rules>() {
    for modes in MODES {
        let twice: [&[LockMode]; CONTENDERS] = [&[modes[0]; 2], &[modes[1]; 2], &[modes[2]; 2]];
        Graph::<R>::search(State::new(twice, 2), None).assert_all_can_end();
    }
}

/// A request that was cancelled is followed by one in the other mode, whose wait is not that
/// of the first.
fn a_wait_for_a_cancelled_request_does_no_harm<R: Rules>() {
    let changing: &[LockMode] = &[Shared, Exclusive];
    for third in [Shared, Exclusive] {
        let start = State::new([changing, &[Exclusive], &[third]], 1);
        let graph = Graph::<R>::search(start, None);
        let left_over = |state: &State<R>| {
            let mut contenders = state.contenders.iter();
            contenders.any(|contender: &Contender<R>| {
                let is_left = |wait: &Wait| !wait.wanted && wait.locked;
                contender.request.is_some() && contender.waits.iter().any(is_left)
            })
        };
        assert!(graph.states.iter().any(left_over), "it never happens");
        graph.assert_all_can_end();
    }
}

/// A reader is granted while another reader keeps the key for ever, whatever a third one does
/// behind them or dies of.
fn readers_hold_together<R: Rules>() {
    for third in [Shared, Exclusive] {
        let start = State::new([&[Shared], &[Shared], &[third]], 1);
        let graph = Graph::<R>::search(start, Some(0));
        // Where the first one keeps the key and the second comes before the third.
        graph.assert_reached_if(
            |state| {
                let first = state.queue.first() == Some(&0) && state.is_granted(0);
                first && state.queue.get(1) == Some(&1)
            },
            |state| state.is_granted(1) || state.contenders[1].request.is_none(),
        );
    }
}

/// One who has the key exclusively hands it on to readers of its process: then other readers
/// are granted beside it, writers are not, and nobody is at any moment in between.
fn a_ticket_that_is_weakened_excludes_until_then<R: Rules>() {
    for third in [Shared, Exclusive] {
        let mut start = State::<R>::new([&[Exclusive], &[Shared], &[third]], 1);
        start.weakens = true;
        let graph = Graph::search(start, None);
        let beside = |state: &State<R>| {
            state.contenders[0].is_weakened && state.is_granted(0) && state.is_granted(1)
        };
        assert!(graph.states.iter().any(beside), "it never happens");
        graph.assert_all_can_end();
    }
}

/// A process that lets others go before more of its tasks join its holders waits until nobody is
/// behind. That is in nobody's way, whatever it has locked for a moment, and whoever comes meanwhile.
fn a_wait_to_join_does_no_harm<R: Rules>() {
    for others in [
        [Exclusive, Shared],
        [Shared, Shared],
        [Exclusive, Exclusive],
    ] {
        let [second, third] = others;
        let mut start = State::<R>::new([&[Shared], &[second], &[third]], 1);
        start.joins = true;
        let graph = Graph::search(start, None);
        let meets = |state: &State<R>| {
            let is_locked = |contender: &Contender<R>| contender.waits.iter().any(|w| w.locked);
            is_locked(&state.contenders[0]) && state.contenders[1].request.is_some()
        };
        assert!(graph.states.iter().any(meets), "it never happens");
        graph.assert_all_can_end();
    }
}

/// The queue stands still while somebody keeps the key. (That it goes on when the holder dies is
/// part of what the others show.)
fn a_holder_that_stands_still_is_waited_for<R: Rules>() {
    let start = State::new([&[Exclusive], &[Exclusive], &[Shared]], 0);
    let graph = Graph::<R>::search(start, Some(0));
    for state in graph.states.iter().filter(|state| state.is_granted(0)) {
        assert!(!state.is_granted(1) && !state.is_granted(2));
    }
}

/// The tickets come to an end, and the region is emptied for the next ones.
fn tickets_run_out<R: Rules>() {
    let modes: &[LockMode] = &[Exclusive, Shared];
    let graph = Graph::<R>::search(State::new([modes, modes, &[Exclusive]], 0), None);
    let runs_out = |state: &State<R>| {
        let mut contenders = state.contenders.iter();
        contenders
            .any(|contender: &Contender<R>| contender.request.as_ref().is_some_and(R::is_full))
    };
    assert!(graph.states.iter().any(runs_out), "it never happens");
    graph.assert_all_can_end();
}

/// A cancel waits for nothing, and after it nothing of the request is locked.
fn a_cancelled_request_is_gone_at_once<R: Rules>() {
    for mode in [Exclusive, Shared] {
        let start = State::new([&[mode], &[Exclusive], &[Shared]], 1);
        for state in Graph::<R>::search(start, None).states {
            if !state.steps(0, None).contains(&Step::Cancel) {
                continue;
            }
            let mut cancelled = state;
            cancelled.take(0, Step::Cancel);
            while cancelled.contenders[0].is_undoing() {
                cancelled.take(0, Step::Go);
            }
            assert!(!cancelled.kernel.holds(for_tickets(0)));
            assert!(!cancelled.queue.contains(&0));
        }
    }
}

/// Somebody who makes a request again and again, and always gives up, has a bounded number of
/// waits, whatever others do meanwhile.
fn waits_do_not_pile_up<R: Rules>() {
    let start = State::new([&[Exclusive], &[Exclusive; 3], &[Exclusive]], 2);
    let graph = Graph::<R>::search(start, Some(0));
    let waits = |state: &State<R>| state.contenders[1].waits.len();
    let most = graph.states.iter().map(waits).max();
    // For the gate, for what is in the way, and for the region to be empty.
    assert!(most <= Some(3), "{most:?}");
}

/// One who has the key alone has nobody behind it, itself least of all, nor anybody to wait for. (On Unix
/// nobody is in the way of its own questions.)
#[test]
fn a_holder_is_not_behind_itself() {
    let (ticket, holder, its_waits) = (3, 0, 1);
    let mut kernel = kernel::Windows::default();
    assert!(kernel.try_lock(holder, Exclusive, ticket..ticket + 1));
    let behind = super::find_behind(Exclusive, ticket);
    let nobody_behind = super::await_nobody_behind(Exclusive, ticket);
    let (Call::FindConflict(mode, bytes), Call::Wait(wanted, of)) = (behind, nobody_behind) else {
        panic!("other calls");
    };
    assert!(kernel.can_lock(holder, mode, bytes.clone()));
    assert!(kernel.can_lock(its_waits, wanted, of.clone()));
    // Whoever comes next has a ticket there.
    assert!(kernel.try_lock(2, Exclusive, ticket + 1..ticket + 2));
    assert!(!kernel.can_lock(holder, mode, bytes));
    assert!(!kernel.can_lock(its_waits, wanted, of));
}

macro_rules! searches {
    ($protocol:ident: $($(#[$attribute:meta])? $search:ident)*) => {
        mod $protocol {
            $(
                #[test]
                $(#[$attribute])?
                fn $search() {
                    super::$search::<super::super::$protocol::Acquisition>();
                }
            )*
        }
    };
    ($($protocol:ident)*) => {
        $(
            searches! { $protocol:
                cancel_and_death_at_every_step
                #[ignore = "it takes minutes: see CONTRIBUTING.md"]
                cancel_and_death_at_every_step_of_two_rounds
                a_wait_for_a_cancelled_request_does_no_harm
                readers_hold_together
                a_ticket_that_is_weakened_excludes_until_then
                a_wait_to_join_does_no_harm
                a_holder_that_stands_still_is_waited_for
                tickets_run_out
                a_cancelled_request_is_gone_at_once
                waits_do_not_pile_up
            }
        )*
    };
}

mod searches {
    use super::*;

    // The modules below have the names of the protocols.
    searches! { queried probed }
}
