//! What platforms do in another order than their specification has it, or not at all.

use super::super::simulation::{Manner, World};
use super::super::{Command, GrantId, HandOff, IfHeld, Passing, Quirks, Reason, Settled, State};
use super::{MILLIS, alone, by_force, lock, or_not, shared, world_with};
use crate::guard::LockMode;

/// WebKit's way, and no steal of tab 1's can make a holder of a task whose lock it took.
#[test]
fn who_is_called_back_after_its_request_was_stolen_holds_nothing() {
    for want in [lock(0), alone(lock(0)), or_not(lock(0)), by_force(lock(0))] {
        let mut world = World::new(2);
        let robbed = world.ask(want);
        world.deliver(0, 0);
        // Its grant is on the way when it is stolen.
        let thief = world.ask(by_force(lock(1)));
        world.deliver_to(Manner::RejectsFirst, 1, 0);
        world.hear(0, 0);
        assert!(world.is_lost(robbed));
        // Another one asks, in the same place: it is not its turn.
        let next = world.ask(lock(0));
        world.hear(0, 0);
        assert!(world.is_lost(robbed) && world.is_pending(next));
        world.settle();
        assert!(world.is_held(thief) && world.is_pending(next));
        world.leave(thief);
        world.settle();
        assert!(world.is_held(next));
        world.leave(next);
        world.leave(robbed);
        world.settle();
        assert!(world.is_empty());
    }
}

#[test]
fn of_ten_who_steal_at_once_one_holds_and_nine_have_lost() {
    let mut world = World::new(1);
    let thieves = [(); 10].map(|()| world.ask(by_force(lock(0))));
    for _ in thieves {
        world.deliver_to(Manner::RejectsFirst, 0, 0);
    }
    world.settle();
    let (last, robbed) = thieves.split_last().expect("there are ten");
    assert!(robbed.iter().all(|&thief| world.is_lost(thief)));
    assert!(world.is_held(*last));
    let next = world.ask(lock(0));
    world.leave(*last);
    world.settle();
    assert!(world.is_held(next));
}

/// The rules that has asked for a lock, without a platform to play by the rules.
fn asked(if_held: IfHeld) -> (HandOff<(), &'static str>, usize, GrantId) {
    let mut relay = HandOff::new(Quirks::default());
    let mode = LockMode::Exclusive;
    let queue = relay.open(false);
    let request = relay.request(queue, mode, if_held, Passing::On, 0.0);
    let grant = match relay.next_command() {
        Some(Command::Request { grant, .. }) => grant,
        other => panic!("{other:?}"),
    };
    (relay, request, grant)
}

#[test]
fn who_waits_and_is_called_back_without_a_lock_has_none() {
    for if_held in [IfHeld::Queue, IfHeld::Steal] {
        let (mut relay, request, grant) = asked(if_held);
        assert!(!relay.called_back(grant, false, 0.0));
        assert_eq!(*relay.state(request), State::Rejected(Reason::NoLock));
    }
    let (mut relay, request, grant) = asked(IfHeld::Refuse);
    assert!(!relay.called_back(grant, false, 0.0));
    assert_eq!(*relay.state(request), State::Busy);
}

#[test]
fn a_second_callback_is_about_nobody() {
    let (mut relay, request, grant) = asked(IfHeld::Queue);
    assert!(relay.called_back(grant, true, 0.0));
    assert!(!relay.called_back(grant, true, 1.0));
    assert_eq!(*relay.state(request), State::Held(0.0));
    // Nor does it take away what the first one gave.
    assert!(!relay.called_back(grant, false, 1.0));
    assert_eq!(*relay.state(request), State::Held(0.0));
}

#[test]
fn a_promise_that_ends_early_says_why() {
    for (how, expected) in [
        (Settled::Resolved, Reason::NotCalledBack),
        (
            Settled::Failed("it is Sunday"),
            Reason::Failed("it is Sunday"),
        ),
    ] {
        let (mut relay, request, grant) = asked(IfHeld::Queue);
        relay.settled(grant, how, 0.0);
        assert_eq!(*relay.state(request), State::Rejected(expected));
        assert!(!relay.called_back(grant, true, 0.0));
    }
    let (mut relay, request, grant) = asked(IfHeld::Queue);
    relay.settled(grant, Settled::Aborted, 0.0);
    assert_eq!(*relay.state(request), State::Lost(Reason::Stolen));
}

#[test]
fn a_promise_that_ends_under_a_holder_takes_its_lock() {
    for (how, expected) in [
        (Settled::Resolved, Reason::Ended),
        (Settled::Aborted, Reason::Stolen),
        (
            Settled::Failed("it is Sunday"),
            Reason::TakenAway("it is Sunday"),
        ),
    ] {
        let (mut relay, request, grant) = asked(IfHeld::Queue);
        assert!(relay.called_back(grant, true, 0.0));
        relay.settled(grant, how, 0.0);
        assert_eq!(*relay.state(request), State::Lost(expected));
    }
}

#[test]
fn a_try_waits_for_what_its_tab_had_let_go_of_and_not_for_what_it_lets_go_of_later() {
    let (mut world, first) = world_with(shared(lock(0)));
    world.pass(MILLIS);
    let second = world.ask(shared(lock(0)));
    world.settle();
    world.leave(first);
    // Both are readers, and the second still holds.
    let early = world.ask(or_not(alone(shared(lock(0)))));
    assert_eq!(world.requests(), 2);
    world.leave(second);
    let late = world.ask(or_not(alone(shared(lock(0)))));
    // The platform says that the first grant is over; of the second it has not heard yet.
    world.deliver(0, 0);
    world.hear(0, 0);
    assert_eq!(world.requests(), 3, "only the early one has waited enough");
    world.settle();
    assert!(world.is_held(early) && world.is_held(late));
}

#[test]
fn a_try_can_do_without_a_platform_that_never_says_what_is_over() {
    let (mut world, holder) = world_with(lock(0));
    world.leave(holder);
    let parked = world.ask(or_not(lock(0)));
    assert_eq!(world.requests(), 1);
    world.try_at_once(parked);
    assert_eq!(world.requests(), 2);
    // Once is enough, and for whoever does not wait it is nothing.
    world.try_at_once(parked);
    assert_eq!(world.requests(), 2);
    world.settle();
    assert!(world.is_held(parked));
}

#[test]
fn a_hidden_tab_asks_at_once() {
    let (mut world, _holder) = world_with(lock(0));
    world.set_hidden(0, true);
    let before = world.requests();
    world.ask(lock(0));
    assert_eq!(world.requests(), before + 1);
}

#[test]
fn a_tab_that_is_hidden_asks_for_those_who_wait_for_the_timer() {
    let (mut world, holder) = world_with(lock(0));
    let before = world.requests();
    let waiter = world.ask(lock(0));
    assert_eq!(world.requests(), before);
    world.set_hidden(0, true);
    assert_eq!(world.requests(), before + 1);
    // And so another tab is behind it.
    let other = world.ask(lock(1));
    world.pass(MILLIS);
    world.settle();
    world.leave(holder);
    world.settle();
    assert!(world.is_held(waiter) && world.is_pending(other));
    // It can be seen again, and its timers are good enough.
    world.set_hidden(0, false);
    let before = world.requests();
    world.ask(lock(0));
    assert_eq!(world.requests(), before);
}

/// In Node, what was withdrawn comes its turn after a release, and is in the way for a moment.
#[test]
fn a_release_is_over_when_those_who_gave_up_are_out_of_the_way() {
    let queues_withdrawn = true;
    let mut world = World::with_quirks(1, Quirks { queues_withdrawn });
    let holder = world.ask(lock(0));
    world.settle();
    for _ in 0..3 {
        let waiter = world.ask(alone(lock(0)));
        world.settle();
        world.leave(waiter);
    }
    world.settle();
    world.release(holder);
    while *world.state(holder) == State::Releasing {
        world.deliver(0, 0);
        world.hear(0, 0);
    }
    let again = world.ask(or_not(lock(0)));
    world.deliver(0, 0);
    world.hear(0, 0);
    assert!(world.is_held(again));
}
