//! Who is granted before whom.

use crosslock_history::event::{Ended, How, Mode, What};
use crosslock_history::{Contract, Order, Violation};

use crate::script::{EXCLUSIVE, SHARED, Script, handed_on, script};

/// It was granted the lock, and robbed, while it did not run: so it gave up what it had lost.
#[test]
fn who_is_robbed_and_gives_up_before_it_knows_is_not_overtaken() {
    let history = |how| {
        script()
            .lock(1, 1, "a", SHARED)
            .queued(2, 1, "a")
            .asked(10, 2, "b", EXCLUSIVE, how)
            .granted(2, "b", 12, 14)
            .held(3, "b", EXCLUSIVE, 20, 30)
            .add(40, "a", What::GivingUp { request: 1 })
            .ended(41, 1, "a", Ended::Withdrawn)
    };
    assert_eq!(history(How::Steal).found(), []);
    assert!(!history(How::Lock).found().is_empty());
}

/// Request 1 holds; 2 waits, and 3 asks later and comes first.
pub(crate) fn overtaken(mode: Mode) -> Script {
    script()
        .held(1, "a", EXCLUSIVE, 10, 50)
        .lock(20, 2, "b", EXCLUSIVE)
        .queued(21, 2, "b")
        .lock(30, 3, "a", mode)
        .queued(31, 3, "a")
        .granted(3, "a", 52, 60)
        .granted(2, "b", 62, 70)
}

#[test]
fn who_overtakes_is_found() {
    for mode in [EXCLUSIVE, SHARED] {
        let (waiting, by) = (1, 2);
        let expected = [Violation::Overtaken { waiting, by }];
        assert_eq!(overtaken(mode).found(), expected);
    }
}

#[test]
fn a_lock_may_be_handed_on_within_its_context_for_a_while() {
    assert_eq!(overtaken(EXCLUSIVE).verdict(handed_on()), []);
    let order = Order::HandedOn {
        nanos: 39,
        turns: 3,
    };
    let short = Contract {
        order,
        ..Contract::default()
    };
    let found = overtaken(EXCLUSIVE).verdict(short);
    assert!(matches!(found[..], [Violation::Overtaken { .. }]));
}

#[test]
fn a_lock_may_be_handed_on_for_so_many_turns() {
    let mut turns = script()
        .held(1, "a", EXCLUSIVE, 10, 11)
        .lock(10, 2, "b", EXCLUSIVE)
        .queued(11, 2, "b");
    for turn in 0..3 {
        let start = 14 + 4 * turn;
        turns = turns.held(10 + turn, "a", EXCLUSIVE, start, start + 1);
    }
    let (waiting, by) = (1, 4);
    let expected = [Violation::Overtaken { waiting, by }];
    assert_eq!(turns.granted(2, "b", 40, 41).verdict(handed_on()), expected);
}

/// A task of `a` waited before `b` did, and left; another takes what `a` had queued for.
#[test]
fn a_context_keeps_its_place_once() {
    let kept = || {
        script()
            .held(1, "c", EXCLUSIVE, 10, 50)
            .lock(15, 2, "a", EXCLUSIVE)
            .lock(20, 3, "b", EXCLUSIVE)
            .queued(21, 3, "b")
            .lock(30, 4, "a", EXCLUSIVE)
            .ended(40, 2, "a", Ended::TimedOut)
            .granted(4, "a", 52, 60)
    };
    let right = kept().granted(3, "b", 362, 370);
    assert_eq!(right.verdict(handed_on()), []);
    let again = kept()
        .held(5, "a", EXCLUSIVE, 262, 270)
        .granted(3, "b", 362, 370);
    let (waiting, by) = (2, 4);
    let expected = [Violation::Overtaken { waiting, by }];
    assert_eq!(again.verdict(handed_on()), expected);
}

/// A task of `b` was granted after the other had joined, so `b` has queued anew.
#[test]
fn a_context_that_had_its_turn_stands_at_the_end() {
    let right = script()
        .held(1, "b", EXCLUSIVE, 10, 250)
        .lock(15, 2, "b", EXCLUSIVE)
        .queued(16, 2, "b")
        .held(3, "a", EXCLUSIVE, 252, 260)
        .granted(2, "b", 262, 270);
    assert_eq!(right.verdict(handed_on()), []);
}

#[test]
fn nobody_hands_on_past_a_task_of_its_own() {
    let wrong = script()
        .held(1, "a", EXCLUSIVE, 10, 50)
        .lock(20, 2, "a", EXCLUSIVE)
        .queued(21, 2, "a")
        .lock(30, 3, "a", EXCLUSIVE)
        .granted(3, "a", 52, 60)
        .granted(2, "a", 62, 70);
    let (waiting, by) = (1, 2);
    let expected = [Violation::Overtaken { waiting, by }];
    assert_eq!(wrong.verdict(handed_on()), expected);
}

/// Whoever is in the queue by the log asked before; it may have joined later than another.
#[test]
fn who_has_not_yet_joined_is_not_overtaken() {
    let right = script()
        .held(1, "a", EXCLUSIVE, 10, 50)
        .lock(20, 2, "b", EXCLUSIVE)
        .lock(30, 3, "c", EXCLUSIVE)
        .queued(31, 3, "c")
        .queued(32, 2, "b")
        .granted(3, "c", 52, 60)
        .granted(2, "b", 62, 70);
    assert_eq!(right.found(), []);
}

#[test]
fn readers_may_pass_readers() {
    let right = script()
        .held(1, "a", EXCLUSIVE, 10, 50)
        .lock(20, 2, "b", SHARED)
        .queued(21, 2, "b")
        .lock(30, 3, "c", SHARED)
        .queued(31, 3, "c")
        .granted(3, "c", 52, 60)
        .granted(2, "b", 53, 70);
    assert_eq!(right.found(), []);
}

#[test]
fn who_has_given_up_is_not_overtaken() {
    let right = script()
        .held(1, "a", EXCLUSIVE, 10, 50)
        .lock(20, 2, "b", EXCLUSIVE)
        .queued(21, 2, "b")
        .lock(30, 3, "c", EXCLUSIVE)
        .add(40, "b", What::GivingUp { request: 2 })
        .granted(3, "c", 52, 60)
        .ended(65, 2, "b", Ended::Withdrawn);
    assert_eq!(right.found(), []);
}

/// Whoever leaves the queue at the end of its time tries once more, and may be granted the lock then.
#[test]
fn who_tries_again_at_the_end_of_its_time_is_not_overtaken() {
    let history = |timeout| {
        let asked = What::Asked {
            request: 2,
            key: "k".to_owned(),
            mode: EXCLUSIVE,
            how: How::Lock,
            timeout: Some(timeout),
        };
        script()
            .held(1, "a", EXCLUSIVE, 10, 50)
            .add(20, "b", asked)
            .queued(21, 2, "b")
            .lock(30, 3, "c", EXCLUSIVE)
            .granted(3, "c", 52, 60)
            .granted(2, "b", 62, 70)
    };
    assert_eq!(history(20).found(), []);
    assert!(!history(33).found().is_empty());
}

/// It was granted and stolen before it heard of it: then it did not wait in the meantime.
#[test]
fn who_is_robbed_before_it_knows_is_not_overtaken() {
    let robbed = |script: Script| {
        script
            .held(1, "a", EXCLUSIVE, 10, 50)
            .lock(20, 2, "b", EXCLUSIVE)
            .queued(21, 2, "b")
            .lock(70, 4, "d", EXCLUSIVE)
            .granted(4, "d", 72, 80)
            .ended(90, 2, "b", Ended::Lost)
    };
    let steal = script()
        .asked(60, 3, "c", EXCLUSIVE, How::Steal)
        .granted(3, "c", 61, 68);
    assert_eq!(robbed(steal).found(), []);
    let operation = 1;
    let expected = [Violation::LossWithoutCause { operation }];
    assert_eq!(robbed(script()).found(), expected);
}
