//! What the rules do, in short scenarios. Every task here wants the same lock.

use std::collections::VecDeque;

use super::simulation::{Delivery, Spec, TaskId, World};
use super::{IfHeld, MILLIS, Passing, State, TURNS};
use crate::guard::LockMode;

mod platforms;
mod view;

/// An exclusive lock for a task of `tab`, which waits its turn.
fn lock(tab: usize) -> Spec {
    Spec {
        tab,
        name: "the lock",
        mode: LockMode::Exclusive,
        if_held: IfHeld::Queue,
        passing: Passing::On,
    }
}

fn shared(spec: Spec) -> Spec {
    let mode = LockMode::Shared;
    Spec { mode, ..spec }
}

fn or_not(spec: Spec) -> Spec {
    let if_held = IfHeld::Refuse;
    Spec { if_held, ..spec }
}

fn by_force(spec: Spec) -> Spec {
    let if_held = IfHeld::Steal;
    Spec { if_held, ..spec }
}

fn alone(spec: Spec) -> Spec {
    let passing = Passing::Off;
    Spec { passing, ..spec }
}

/// A world in which a task has `spec`, and nothing is under way.
fn world_with(spec: Spec) -> (World, TaskId) {
    let mut world = World::new(2);
    world.pass(2.0 * MILLIS);
    let holder = world.request(spec);
    world.deliver_all();
    assert!(world.is_held(holder));
    (world, holder)
}

#[test]
fn first_come_first_served_without_a_message_to_the_platform() {
    let (mut world, first) = world_with(lock(0));
    let [second, third] = [(); 2].map(|()| world.request(lock(0)));
    world.deliver_all();
    assert!(world.is_pending(second) && world.is_pending(third));

    world.release(first);
    assert_eq!(world.state(first), State::Freed);
    assert!(world.is_held(second) && world.is_pending(third));
    world.release(second);
    assert!(world.is_held(third));
    world.release(third);
    // With nobody to hand it to, it goes back, and is free when the platform says so.
    assert_eq!(world.state(third), State::Releasing);
    world.deliver_all();
    assert_eq!(world.state(third), State::Freed);
}

#[test]
fn other_tabs_wait_for_so_many_turns() {
    let (mut world, first) = world_with(lock(0));
    let other = world.request(lock(1));
    world.deliver_all();
    let mut holder = first;
    for _ in 1..TURNS {
        let next = world.request(lock(0));
        world.leave(holder);
        assert!(world.is_held(next));
        holder = next;
    }
    let one_too_many = world.request(lock(0));
    world.leave(holder);
    assert!(world.is_pending(one_too_many));
    world.deliver_all();
    assert!(world.is_held(other) && world.is_pending(one_too_many));
    world.leave(other);
    world.deliver_all();
    assert!(world.is_held(one_too_many));
}

#[test]
fn other_tabs_wait_for_so_long() {
    let (mut world, first) = world_with(lock(0));
    let other = world.request(lock(1));
    world.deliver_all();
    let [in_time, too_late] = [(); 2].map(|()| world.request(lock(0)));
    world.pass(MILLIS - 1.0);
    world.release(first);
    assert!(world.is_held(in_time));
    // From the grant on: a turn does not make a grant young again.
    world.pass(1.0);
    world.release(in_time);
    assert!(world.is_pending(too_late));
    world.deliver_all();
    assert!(world.is_held(other) && world.is_pending(too_late));
}

#[test]
fn a_wait_behind_a_young_grant_costs_the_platform_nothing() {
    let (mut world, mut holder) = world_with(lock(0));
    let before = world.requests_ever();
    for _ in 1..TURNS {
        let next = world.request(lock(0));
        world.leave(holder);
        holder = next;
    }
    assert_eq!(world.requests_ever(), before);
    // It is asked in time, for one who may have to wait for others.
    let patient = world.request(lock(0));
    world.pass(MILLIS);
    world.fire_timer(0);
    assert_eq!(world.requests_ever(), before + 1);
    world.leave(holder);
    assert!(world.is_pending(patient));
    world.deliver_all();
    assert!(world.is_held(patient));
}

/// The one that it holds, and the one that was in the platform's queue already.
#[test]
fn another_tab_waits_for_two_grants_at_most() {
    let (mut world, mut holder) = world_with(lock(0));
    let mut waiting = VecDeque::from([(); 2].map(|()| world.request(lock(0))));
    world.pass(MILLIS);
    world.deliver_all();
    let other = world.request(lock(1));
    world.deliver_all();
    let mut turns = 0;
    while !world.is_held(other) {
        world.leave(holder);
        world.deliver_all();
        turns += 1;
        waiting.push_back(world.request(lock(0)));
        holder = waiting.pop_front().expect("there are three");
    }
    // The first of them had one turn, and was too old for more.
    assert_eq!(turns, 1 + TURNS);
}

#[test]
fn a_try_is_refused_at_once_while_a_task_of_the_tab_holds_or_waits() {
    let (mut world, holder) = world_with(lock(0));
    for spec in [lock(0), shared(lock(0)), alone(lock(0))] {
        let refused = world.request(or_not(spec));
        assert_eq!(world.state(refused), State::Busy);
    }
    let foreign = world.request(or_not(lock(1)));
    assert!(world.is_pending(foreign));
    world.deliver_all();
    assert_eq!(world.state(foreign), State::Busy);

    let waiter = world.request(lock(0));
    world.pass(MILLIS);
    world.release(holder);
    assert!(world.is_pending(waiter));
    let refused = world.request(or_not(lock(0)));
    assert_eq!(world.state(refused), State::Busy);
}

#[test]
fn a_try_gets_what_its_own_tab_has_just_released() {
    let (mut world, holder) = world_with(lock(0));
    let waiter = world.request(lock(0));
    world.deliver_all();
    world.leave(waiter);
    world.leave(holder);
    let again = world.request(or_not(lock(0)));
    // The platform hears that the waiter has gone, but nothing of the release; and a
    // request might be quicker than that.
    world.deliver(0, 0);
    world.receive_event(0, 0);
    assert!(world.is_pending(again));
    world.deliver(0, 1);
    world.deliver_all();
    assert!(world.is_held(again));
}

#[test]
fn a_reader_joins_readers_for_as_long_as_their_grant_is_young() {
    let (mut world, first) = world_with(shared(lock(0)));
    let second = world.request(shared(lock(0)));
    let third = world.request(or_not(shared(lock(0))));
    assert!(world.is_held(second) && world.is_held(third));

    world.pass(MILLIS);
    let late = world.request(shared(lock(0)));
    assert!(world.is_pending(late));
    // A writer in another tab that came first has its turn first.
    world.leave(late);
    let writer = world.request(lock(1));
    world.deliver_all();
    let late = world.request(shared(lock(0)));
    world.deliver_all();
    assert!(world.is_pending(late));
    for reader in [first, second, third] {
        world.leave(reader);
    }
    world.deliver_all();
    assert!(world.is_held(writer) && world.is_pending(late));
}

#[test]
fn a_reader_does_not_overtake_a_writer() {
    let (mut world, reader) = world_with(shared(lock(0)));
    let writer = world.request(lock(0));
    let behind = world.request(shared(lock(0)));
    let refused = world.request(or_not(shared(lock(0))));
    assert_eq!(world.state(refused), State::Busy);
    world.deliver_all();
    assert!(world.is_pending(writer) && world.is_pending(behind));
    // With the writer gone, nothing is in its way.
    world.leave(writer);
    assert!(world.is_held(reader) && world.is_held(behind));
}

#[test]
fn a_try_of_a_reader_is_not_refused_for_readers_that_wait() {
    let mut world = World::new(1);
    let waiter = world.request(shared(lock(0)));
    let again = world.request(or_not(shared(lock(0))));
    world.deliver_all();
    assert!(world.is_held(waiter) && world.is_held(again));
}

#[test]
fn a_thief_has_a_grant_of_its_own_and_its_victims_are_told() {
    let (mut world, victim) = world_with(lock(0));
    let waiter = world.request(lock(0));
    world.deliver_all();
    let thief = world.request(by_force(lock(1)));
    assert!(world.is_held(victim));
    world.deliver_all();
    assert!(world.is_lost(victim) && world.is_held(thief));
    // Those who wait keep their place, and what was lost is nobody's to hand on.
    world.leave(victim);
    assert!(world.is_pending(waiter));
    world.leave(thief);
    world.deliver_all();
    assert!(world.is_held(waiter));
}

#[test]
fn a_victim_in_the_tab_of_the_thief_is_told_with_the_grant() {
    let (mut world, victim) = world_with(lock(0));
    let waiter = world.request(lock(0));
    world.deliver_all();
    let thief = world.request(by_force(lock(0)));
    world.deliver_to(Delivery::TellsThiefFirst, 0, 0);
    // The platform has not said yet that the victim has lost it.
    world.receive_event(0, 0);
    assert!(world.is_held(thief) && world.is_lost(victim));
    world.deliver_all();
    world.leave(thief);
    assert!(world.is_held(waiter));
}

#[test]
fn a_request_without_passing_has_a_grant_of_its_own() {
    let (mut world, raw) = world_with(alone(lock(0)));
    let [waiter, raw_waiter] = [lock(0), alone(lock(0))].map(|spec| world.request(spec));
    world.deliver_all();
    // It is not handed on,
    world.leave(raw);
    assert!(world.is_pending(waiter) && world.is_pending(raw_waiter));
    world.deliver_all();
    assert!(world.is_held(waiter));
    // and is nobody handed anything.
    world.leave(waiter);
    assert!(world.is_pending(raw_waiter));
    world.deliver_all();
    assert!(world.is_held(raw_waiter));
}

#[test]
fn a_reader_without_passing_shares_no_grant() {
    let (mut world, _) = world_with(shared(lock(0)));
    for raw in [alone(shared(lock(0))), or_not(alone(shared(lock(0))))] {
        // The platform decides, and has room for it.
        let raw = world.request(raw);
        assert!(world.is_pending(raw));
        world.deliver_all();
        assert!(world.is_held(raw));
    }
    let (mut world, _) = world_with(alone(shared(lock(0))));
    let reader = world.request(shared(lock(0)));
    assert!(world.is_pending(reader));
    world.deliver_all();
    assert!(world.is_held(reader));
}

#[test]
fn a_wait_that_is_given_up_leaves_no_trace() {
    let (mut world, holder) = world_with(lock(0));
    let [head, second, middle, last] = [(); 4].map(|()| world.request(lock(0)));
    world.deliver_all();
    world.leave(head);
    world.leave(middle);
    world.deliver_all();
    world.leave(holder);
    assert!(world.is_held(second) && world.is_pending(last));
    world.leave(last);
    world.leave(second);
    world.deliver_all();
    assert!(world.is_empty());
}

#[test]
fn a_task_that_leaves_just_when_it_is_granted_hands_it_on() {
    let (mut world, holder) = world_with(lock(0));
    let [next, last] = [(); 2].map(|()| world.request(lock(0)));
    world.leave(holder);
    // It has not looked yet.
    assert!(world.is_held(next));
    world.leave(next);
    assert!(world.is_held(last));
}

#[test]
fn a_grant_that_comes_too_late_goes_to_the_next_tab() {
    for spec in [lock(0), or_not(lock(0)), by_force(lock(0)), alone(lock(0))] {
        let mut world = World::new(2);
        let late = world.request(spec);
        world.deliver(0, 0);
        let other = world.request(lock(1));
        world.deliver(1, 0);
        world.leave(late);
        world.deliver_all();
        assert!(world.is_held(other));
        world.leave(other);
        world.deliver_all();
        assert!(world.is_empty());
    }
}

#[test]
fn a_rejected_request_ends_the_wait_of_its_own_task_alone() {
    let mut world = World::new(1);
    let [first, second] = [(); 2].map(|()| world.request(lock(0)));
    world.deliver_to(Delivery::Rejects, 0, 0);
    world.deliver_all();
    assert!(matches!(world.state(first), State::Rejected(_)));
    assert!(world.is_held(second));
}

#[test]
fn to_lose_all_leaves_nothing() {
    let (mut world, holder) = world_with(lock(0));
    let other = world.request(lock(1));
    let waiters = [lock(0), lock(0), alone(lock(0))].map(|spec| world.request(spec));
    world.deliver_all();
    world.lose_all(0);
    assert!(world.is_lost(holder));
    for waiter in waiters {
        assert!(world.is_lost(waiter));
    }
    world.deliver_all();
    assert!(world.is_held(other));
    // The page is there again.
    let late = world.request(lock(0));
    world.leave(other);
    world.deliver_all();
    assert!(world.is_held(late));
    let all: Vec<TaskId> = world.tasks().collect();
    all.into_iter().for_each(|task| world.leave(task));
    world.deliver_all();
    assert!(world.is_empty());
}

#[test]
fn nobody_waits_for_a_release_once_all_is_lost() {
    let (mut world, holder) = world_with(lock(0));
    world.release(holder);
    assert_eq!(world.state(holder), State::Releasing);
    world.lose_all(0);
    assert_eq!(world.state(holder), State::Freed);
}
