//! What platforms do in another order than their specification has it, or not at all.

use super::super::simulation::{Delivery, World};
use super::super::{Command, GrantId, HandOff, IfHeld, Passing, Reason, Settled, State};
use super::{MILLIS, alone, by_force, lock, or_not, shared, world_with};
use crate::guard::LockMode;

/// WebKit's way, and no steal of tab 1's can make a holder of a task whose lock it took.
#[test]
fn a_callback_after_a_steal_grants_nothing() {
    for spec in [lock(0), alone(lock(0)), or_not(lock(0)), by_force(lock(0))] {
        let mut world = World::new(2);
        let robbed = world.request(spec);
        world.deliver(0, 0);
        // Its grant is on the way when it is stolen.
        let thief = world.request(by_force(lock(1)));
        world.deliver_to(Delivery::RejectsFirst, 1, 0);
        world.receive_event(0, 0);
        assert!(world.is_lost(robbed));
        // Another one asks, in the same place: it is not its turn.
        let next = world.request(lock(0));
        world.receive_event(0, 0);
        assert!(world.is_lost(robbed) && world.is_pending(next));
        world.deliver_all();
        assert!(world.is_held(thief) && world.is_pending(next));
        world.leave(thief);
        world.deliver_all();
        assert!(world.is_held(next));
        world.leave(next);
        world.leave(robbed);
        world.deliver_all();
        assert!(world.is_empty());
    }
}

#[test]
fn of_ten_steals_at_once_one_holds_and_nine_have_lost() {
    let mut world = World::new(1);
    let thieves = [(); 10].map(|()| world.request(by_force(lock(0))));
    for _ in thieves {
        world.deliver_to(Delivery::RejectsFirst, 0, 0);
    }
    world.deliver_all();
    let (last, robbed) = thieves.split_last().expect("there are ten");
    assert!(robbed.iter().all(|&thief| world.is_lost(thief)));
    assert!(world.is_held(*last));
    let next = world.request(lock(0));
    world.leave(*last);
    world.deliver_all();
    assert!(world.is_held(next));
}

/// The rules that has asked for a lock, without a platform to play by the rules.
fn asked(if_held: IfHeld) -> (HandOff<(), &'static str>, usize, GrantId) {
    let mut hand_off = HandOff::new();
    let mode = LockMode::Exclusive;
    let queue = hand_off.open(false);
    let request = hand_off.request(queue, mode, if_held, Passing::On, 0.0);
    let grant = match hand_off.next_command() {
        Some(Command::Request { grant, .. }) => grant,
        other => panic!("{other:?}"),
    };
    (hand_off, request, grant)
}

#[test]
fn a_callback_without_a_lock_grants_nothing() {
    for if_held in [IfHeld::Queue, IfHeld::Steal] {
        let (mut hand_off, request, grant) = asked(if_held);
        assert!(!hand_off.called_back(grant, false, 0.0));
        assert_eq!(*hand_off.state(request), State::Rejected(Reason::NoLock));
    }
    let (mut hand_off, request, grant) = asked(IfHeld::Refuse);
    assert!(!hand_off.called_back(grant, false, 0.0));
    assert_eq!(*hand_off.state(request), State::Busy);
}

#[test]
fn a_second_callback_changes_nothing() {
    let (mut hand_off, request, grant) = asked(IfHeld::Queue);
    assert!(hand_off.called_back(grant, true, 0.0));
    assert!(!hand_off.called_back(grant, true, 1.0));
    assert_eq!(*hand_off.state(request), State::Held(0.0));
    // Nor does it take away what the first one gave.
    assert!(!hand_off.called_back(grant, false, 1.0));
    assert_eq!(*hand_off.state(request), State::Held(0.0));
}

/// No platform is known to be that late with the news of a steal, nor to grant to two. Here both would hold.
#[test]
fn a_grant_shows_that_what_it_excludes_was_taken_away() {
    use LockMode::{Exclusive, Shared};
    let modes = [Exclusive, Shared].map(|mode| [(mode, Exclusive), (mode, Shared)]);
    for (first, second) in modes.into_iter().flatten() {
        let mut hand_off = HandOff::<(), &str>::new();
        let queue = hand_off.open(false);
        let [(earlier, grant), (later, _)] = [first, second].map(|mode| {
            let request = hand_off.request(queue, mode, IfHeld::Queue, Passing::Off, 0.0);
            let grant = match hand_off.next_command() {
                Some(Command::Request { grant, .. }) => grant,
                other => panic!("{other:?}"),
            };
            assert!(hand_off.called_back(grant, true, 0.0));
            (request, grant)
        });
        assert_eq!(*hand_off.state(later), State::Held(0.0));
        if (first, second) == (Shared, Shared) {
            assert_eq!(*hand_off.state(earlier), State::Held(0.0));
        } else {
            assert_eq!(*hand_off.state(earlier), State::Lost(Reason::Stolen));
            assert_eq!(hand_off.next_command(), Some(Command::Forget(grant)));
        }
        assert_eq!(hand_off.next_command(), None);
    }
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
        let (mut hand_off, request, grant) = asked(IfHeld::Queue);
        hand_off.settled(grant, how, 0.0);
        assert_eq!(*hand_off.state(request), State::Rejected(expected));
        assert!(!hand_off.called_back(grant, true, 0.0));
    }
    let (mut hand_off, request, grant) = asked(IfHeld::Queue);
    hand_off.settled(grant, Settled::Aborted, 0.0);
    assert_eq!(*hand_off.state(request), State::Lost(Reason::Stolen));
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
        let (mut hand_off, request, grant) = asked(IfHeld::Queue);
        assert!(hand_off.called_back(grant, true, 0.0));
        hand_off.settled(grant, how, 0.0);
        assert_eq!(*hand_off.state(request), State::Lost(expected));
    }
}

#[test]
fn a_try_waits_for_earlier_releases_of_its_tab_and_not_for_later_ones() {
    let (mut world, first) = world_with(shared(lock(0)));
    world.pass(MILLIS);
    let second = world.request(shared(lock(0)));
    world.deliver_all();
    world.leave(first);
    // Both are readers, and the second still holds.
    let early = world.request(or_not(alone(shared(lock(0)))));
    assert_eq!(world.requests_ever(), 2);
    world.leave(second);
    let late = world.request(or_not(alone(shared(lock(0)))));
    // The platform says that the first grant is over; of the second it has not received yet.
    world.deliver(0, 0);
    world.receive_event(0, 0);
    assert_eq!(
        world.requests_ever(),
        3,
        "only the early one has waited enough"
    );
    world.deliver_all();
    assert!(world.is_held(early) && world.is_held(late));
}

#[test]
fn a_try_need_not_wait_for_a_platform_that_confirms_nothing() {
    let (mut world, holder) = world_with(lock(0));
    world.leave(holder);
    let parked = world.request(or_not(lock(0)));
    assert_eq!(world.requests_ever(), 1);
    world.try_at_once(parked);
    assert_eq!(world.requests_ever(), 2);
    // Once is enough, and for whoever does not wait it is nothing.
    world.try_at_once(parked);
    assert_eq!(world.requests_ever(), 2);
    world.deliver_all();
    assert!(world.is_held(parked));
}

#[test]
fn a_hidden_tab_requests_at_once() {
    let (mut world, _holder) = world_with(lock(0));
    world.set_hidden(0, true);
    let before = world.requests_ever();
    world.request(lock(0));
    assert_eq!(world.requests_ever(), before + 1);
}

#[test]
fn a_tab_that_becomes_hidden_requests_for_those_who_wait_for_the_timer() {
    let (mut world, holder) = world_with(lock(0));
    let before = world.requests_ever();
    let waiter = world.request(lock(0));
    assert_eq!(world.requests_ever(), before);
    world.set_hidden(0, true);
    assert_eq!(world.requests_ever(), before + 1);
    // And so another tab is behind it.
    let other = world.request(lock(1));
    world.pass(MILLIS);
    world.deliver_all();
    world.leave(holder);
    world.deliver_all();
    assert!(world.is_held(waiter) && world.is_pending(other));
    // It can be seen again, and its timers are good enough.
    world.set_hidden(0, false);
    let before = world.requests_ever();
    world.request(lock(0));
    assert_eq!(world.requests_ever(), before);
}

/// In Node, what was withdrawn comes its turn, and is in nobody's way then.
#[test]
fn a_try_is_not_refused_for_what_was_withdrawn() {
    let mut world = World::of_node();
    let [first, second, withdrawn] = [(); 3].map(|()| world.request(alone(lock(0))));
    world.leave(withdrawn);
    world.deliver_all();
    world.leave(first);
    world.deliver_all();
    assert!(world.is_held(second));
    world.leave(second);
    let attempt = world.request(or_not(lock(0)));
    world.deliver_all();
    assert!(world.is_held(attempt));
    world.leave(attempt);
    world.deliver_all();
    assert!(world.is_empty());
}
