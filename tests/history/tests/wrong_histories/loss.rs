//! Locks that are lost: told, and not without a cause.

use crosslock_history::event::{How, What};
use crosslock_history::{Contract, Violation};

use crate::script::{EXCLUSIVE, SECOND, SHARED, Script, script};

/// Its guard was lost when it got it, and it was killed before it looked.
#[test]
fn who_is_robbed_on_the_way_and_killed_before_it_looks_is_right() {
    let right = script()
        .lock(1, 1, "a", EXCLUSIVE)
        .asked(5, 2, "a", EXCLUSIVE, How::Steal)
        .granted(2, "a", 10, 20)
        .add(11, "a", What::Granted { request: 1 })
        .add(30, "a", What::Killing)
        .add(31, "a", What::Dead);
    assert_eq!(right.found(), []);
}

/// A session that is ended by others loses its locks, and lives on until it is told.
#[test]
fn a_loss_has_a_cause_if_its_context_was_killed() {
    let lost = |killing| {
        script()
            .lock(9, 1, "a", EXCLUSIVE)
            .add(10, "a", What::Granted { request: 1 })
            .add(killing, "a", What::Killing)
            .add(30, "a", What::Lost { request: 1 })
            .add(50, "a", What::Dead)
    };
    assert_eq!(lost(20).found(), []);
    assert_eq!(
        lost(40).found(),
        [Violation::LossWithoutCause { operation: 0 }]
    );
}

/// Request 1 holds, and 2 steals.
fn stolen() -> Script {
    script()
        .lock(9, 1, "a", EXCLUSIVE)
        .add(10, "a", What::Granted { request: 1 })
        .asked(20, 2, "b", EXCLUSIVE, How::Steal)
        .granted(2, "b", 22, 30)
}

#[test]
fn a_theft_that_is_told_is_right() {
    let right = stolen()
        .add(25, "a", What::Lost { request: 1 })
        .released(1, "a", 26);
    assert_eq!(right.found(), []);
    // It was gone before it could be told.
    assert_eq!(stolen().released(1, "a", 26).found(), []);
}

#[test]
fn a_theft_that_is_not_told_is_found() {
    let wrong = stolen().released(1, "a", 20 * SECOND);
    let (operation, thief) = (0, 1);
    assert_eq!(wrong.found(), [Violation::LossNotTold { operation, thief }]);
}

#[test]
fn a_loss_without_a_cause_is_found() {
    let lost = |script: Script| {
        script
            .lock(9, 1, "a", EXCLUSIVE)
            .add(10, "a", What::Granted { request: 1 })
            .add(25, "a", What::Lost { request: 1 })
            .released(1, "a", 26)
    };
    let operation = 0;
    let expected = [Violation::LossWithoutCause { operation }];
    assert_eq!(lost(script()).found(), expected);
    assert_eq!(lost(script().add(24, "a", What::Invalidated)).found(), []);
}

/// A guard may be lost by the time at which it arrives. It says so.
#[test]
fn a_guard_that_was_stolen_on_its_way_is_right() {
    let right = script()
        .held(1, "a", EXCLUSIVE, 10, 50)
        .lock(20, 2, "b", SHARED)
        .queued(21, 2, "b")
        .asked(52, 3, "c", EXCLUSIVE, How::Steal)
        .granted(3, "c", 53, 60)
        .held(4, "d", EXCLUSIVE, 63, 90)
        .add(70, "b", What::Granted { request: 2 })
        .add(80, "b", What::Lost { request: 2 })
        .released(2, "b", 81);
    assert_eq!(right.found(), []);
}

/// A tab may have released what was stolen on its way before the browser tells it of the loss.
#[test]
fn a_loss_may_come_too_late_to_be_told() {
    let script = || {
        script()
            .lock(20, 1, "b", EXCLUSIVE)
            .queued(21, 1, "b")
            .asked(52, 2, "c", EXCLUSIVE, How::Steal)
            .granted(2, "c", 53, 90)
            .granted(1, "b", 70, 80)
    };
    let late = Contract {
        losses_come_late: true,
        ..Contract::default()
    };
    assert_eq!(script().verdict(late), []);
    assert!(matches!(script().found()[..], [Violation::Overlap { .. }]));
}

/// A tab asks once more for what the browser has granted it, and taken away again, before it hears of either. Both are
/// granted what is lost, and told so. (Found by a soak in Chromium.)
#[test]
fn a_request_that_shares_what_was_stolen_on_its_way_is_right() {
    let with = |first_ends| {
        script()
            .lock(10, 1, "tab", SHARED)
            .asked(20, 2, "thief", EXCLUSIVE, How::Steal)
            .granted(2, "thief", 30, 50)
            .lock(40, 3, "tab", SHARED)
            .granted(1, "tab", 60, first_ends)
            .add(61, "tab", What::Granted { request: 3 })
            .add(70, "tab", What::Lost { request: 3 })
            .released(3, "tab", 80)
    };
    let late = Contract {
        losses_come_late: true,
        ..Contract::default()
    };
    assert_eq!(with(65).verdict(late), []);
    // Where a loss is told at once, it was that of another lock.
    let operation = 2;
    let expected = [Violation::LossWithoutCause { operation }];
    assert_eq!(with(65).found(), expected);
    // So it was if it shared nothing with who asked before.
    let alone = script()
        .lock(10, 1, "tab", SHARED)
        .granted(1, "tab", 11, 15)
        .asked(20, 2, "thief", EXCLUSIVE, How::Steal)
        .granted(2, "thief", 30, 50)
        .lock(40, 3, "tab", SHARED)
        .add(61, "tab", What::Granted { request: 3 })
        .add(70, "tab", What::Lost { request: 3 })
        .released(3, "tab", 80);
    assert_eq!(alone.verdict(late), expected);
}

/// Who was stolen from is no longer in the way, and the thief is.
#[test]
fn a_thief_excludes_as_well() {
    let wrong = stolen()
        .add(25, "a", What::Lost { request: 1 })
        .released(1, "a", 26)
        .held(3, "c", EXCLUSIVE, 28, 40);
    let (one, other, at) = (1, 2, 28);
    assert_eq!(wrong.found(), [Violation::Overlap { one, other, at }]);
}
