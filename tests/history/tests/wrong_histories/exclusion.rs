//! Who holds at the same time.

use crosslock_history::Violation;
use crosslock_history::event::{How, What};

use crate::script::{EXCLUSIVE, SECOND, SHARED, Script, script};

#[test]
fn one_after_the_other_is_right() {
    let right = script()
        .held(1, "a", EXCLUSIVE, 10, 20)
        .held(2, "b", EXCLUSIVE, 22, 30)
        .held(3, "a", SHARED, 40, 50)
        .held(4, "b", SHARED, 45, 55);
    assert_eq!(right.found(), []);
}

#[test]
fn two_exclusive_holders_are_found() {
    let wrong = script()
        .held(1, "a", EXCLUSIVE, 10, 20)
        .held(2, "b", EXCLUSIVE, 15, 30);
    let (one, other, at) = (0, 1, 15);
    assert_eq!(wrong.found(), [Violation::Overlap { one, other, at }]);
}

#[test]
fn a_token_that_does_not_grow_is_found() {
    let token = |request, token| What::Token { request, token };
    let with_tokens = |first, second| {
        script()
            .held(1, "a", EXCLUSIVE, 10, 20)
            .add(11, "a", token(1, first))
            .held(2, "b", EXCLUSIVE, 30, 40)
            .add(31, "b", token(2, second))
    };
    assert_eq!(with_tokens(7, 8).found(), []);
    for second in [6, 7] {
        let (earlier, later) = (0, 1);
        let stale = Violation::StaleToken { earlier, later };
        assert_eq!(with_tokens(7, second).found(), [stale]);
    }
    // The second was asked for while the first was granted, so it may have been granted before.
    let at_once = script()
        .held(1, "a", SHARED, 10, 20)
        .add(11, "a", token(1, 8))
        .held(2, "b", SHARED, 11, 20)
        .add(12, "b", token(2, 7));
    assert_eq!(at_once.found(), []);
}

#[test]
fn a_reader_beside_a_writer_is_found() {
    let wrong = script()
        .held(1, "a", SHARED, 10, 20)
        .held(2, "b", EXCLUSIVE, 15, 17);
    assert!(matches!(wrong.found()[..], [Violation::Overlap { .. }]));
}

/// It may have been freed at any time between the two readings of the clock.
#[test]
fn a_grant_during_a_release_is_right() {
    let right = script()
        .lock(1, 1, "a", EXCLUSIVE)
        .add(2, "a", What::Granted { request: 1 })
        .add(10, "a", What::Releasing { request: 1 })
        .held(2, "b", EXCLUSIVE, 11, 30)
        .add(20, "a", What::Released { request: 1 });
    assert_eq!(right.found(), []);
}

#[test]
fn keys_are_apart() {
    let other = What::Asked {
        request: 2,
        key: "other".into(),
        mode: EXCLUSIVE,
        how: How::Lock,
        timeout: None,
    };
    let right = script()
        .held(1, "a", EXCLUSIVE, 10, 20)
        .add(11, "b", other)
        .granted(2, "b", 12, 30);
    assert_eq!(right.found(), []);
}

#[test]
fn the_dead_hold_nothing_and_wait_for_nothing() {
    let dead = |script: Script| {
        script
            .lock(9, 1, "a", EXCLUSIVE)
            .add(10, "a", What::Granted { request: 1 })
            .lock(11, 2, "a", EXCLUSIVE)
            .queued(12, 2, "a")
            .add(20, "a", What::Killing)
            .add(30, "a", What::Dead)
    };
    assert_eq!(dead(script().held(3, "b", EXCLUSIVE, 25, 40)).found(), []);
    // Before it was killed, it held.
    let wrong = dead(script().held(3, "b", EXCLUSIVE, 15, 40));
    assert!(matches!(wrong.found()[..], [Violation::Overlap { .. }, ..]));
    // Afterwards, whoever waits is to be woken.
    let late = dead(script())
        .lock(15, 3, "b", EXCLUSIVE)
        .queued(16, 3, "b")
        .granted(3, "b", 20 * SECOND, 21 * SECOND);
    assert!(matches!(late.found()[..], [Violation::Forgotten { .. }]));
}
