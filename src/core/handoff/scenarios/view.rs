//! What can be seen of the rules from outside.

use super::super::Ahead;
use super::super::simulation::World;
use super::{MILLIS, alone, lock, shared, world_with};
use crate::guard::LockMode;

#[test]
fn a_waiter_is_told_since_when_it_is_held_and_who_is_in_front() {
    let mut world = World::new(2);
    world.pass(5.0);
    let holder = world.request(lock(0));
    let ahead =
        |world: &World, task, most| world.rules(0, |rules| rules.ahead_of(world.slot(task), most));
    // It is not known to be held by anybody of this tab.
    assert_eq!(ahead(&world, holder, 9), None);
    world.pass(2.0);
    world.deliver_all();

    let [first, second, third] = [(); 3].map(|()| world.request(lock(0)));
    let raw = world.request(alone(lock(0)));
    let foreign = world.request(lock(1));
    for (task, waiting) in [
        (first, Some(0)),
        (second, Some(1)),
        (third, Some(2)),
        // It queues with the platform, which does not say.
        (raw, None),
    ] {
        let held_since = 7.0;
        let expected = Ahead {
            holder: world.slot(holder),
            held_since,
            waiting,
        };
        assert_eq!(ahead(&world, task, 9), Some(expected));
    }
    let counted = ahead(&world, third, 1).and_then(|ahead| ahead.waiting);
    assert_eq!(counted, Some(1));
    assert_eq!(
        world.rules(1, |rules| rules.ahead_of(world.slot(foreign), 9)),
        None
    );

    assert!(holds(&world, 0, "the lock") && !holds(&world, 0, "another"));
    assert!(!holds(&world, 1, "the lock"));
}

#[test]
fn readers_are_in_the_way_of_writers_and_of_all_who_wait_behind_them() {
    let (mut world, _) = world_with(shared(lock(0)));
    world.pass(MILLIS);
    let ahead = |world: &World, task| {
        let ahead = world.rules(0, |rules| rules.ahead_of(world.slot(task), 9));
        ahead.map(|ahead| ahead.waiting)
    };
    // Nothing of its own tab keeps it waiting.
    let reader = world.request(shared(lock(0)));
    assert_eq!(ahead(&world, reader), None);
    let writer = world.request(lock(0));
    assert_eq!(ahead(&world, writer), Some(Some(1)));
    let behind = world.request(shared(lock(0)));
    assert_eq!(ahead(&world, behind), Some(Some(2)));
    assert!(holds(&world, 0, "the lock"));
}

fn holds(world: &World, tab: usize, name: &str) -> bool {
    world.rules(tab, |rules| rules.holds(name))
}

/// Whether it is held, in which mode, since when, and whether the platform was asked for it.
fn own(world: &World) -> Vec<(bool, LockMode, f64, bool)> {
    let mut shown = Vec::new();
    world.rules(0, |rules| {
        rules.for_each_own(|_, own| {
            shown.push((own.is_held, own.mode, own.since, own.is_asked_for));
        });
    });
    shown
}

#[test]
fn all_that_hold_and_wait_are_shown_as_of_now() {
    let (mut world, holder) = world_with(lock(0));
    let start = world.now();
    world.request(lock(0));
    world.pass(1.0);
    world.request(shared(lock(0)));
    world.pass(1.0);
    world.request(lock(0));
    world.request(alone(lock(0)));
    let mut expected = [
        (true, LockMode::Exclusive, start, false),
        (false, LockMode::Exclusive, start, false),
        (false, LockMode::Shared, start + 1.0, false),
        (false, LockMode::Exclusive, start + 2.0, false),
        // This one queues with the platform itself.
        (false, LockMode::Exclusive, start + 2.0, true),
    ];
    assert_eq!(own(&world), expected);
    // By now the platform was asked for the head as well.
    world.pass(MILLIS);
    world.fire_timer(0);
    expected[1].3 = true;
    assert_eq!(own(&world), expected);
    // What is let go of is not shown, though the platform has not heard of it.
    world.leave(holder);
    assert_eq!(own(&world), expected[1..]);
}

#[test]
fn all_readers_of_one_grant_are_shown() {
    let (mut world, first) = world_with(shared(lock(0)));
    let start = world.now();
    world.pass(1.0);
    let second = world.request(shared(lock(0)));
    let reader = |since| (true, LockMode::Shared, since, false);
    assert_eq!(own(&world), [reader(start), reader(start + 1.0)]);
    world.leave(first);
    assert_eq!(own(&world), [reader(start + 1.0)]);
    world.leave(second);
    assert_eq!(own(&world), []);
}
