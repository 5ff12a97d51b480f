//! Who is refused, forgotten, or waits for what is free.

use crosslock_history::event::{Ended, How};
use crosslock_history::{Contract, Violation};

use crate::script::{EXCLUSIVE, SECOND, SHARED, script};

#[test]
fn who_never_hears_again_is_found() {
    let wrong = script()
        .held(1, "a", EXCLUSIVE, 10, 50)
        .lock(20, 2, "b", EXCLUSIVE)
        .queued(21, 2, "b");
    assert_eq!(wrong.found(), [Violation::Stuck { operation: 1 }]);
}

#[test]
fn a_lost_wake_up_is_found() {
    let wrong = script()
        .held(1, "a", EXCLUSIVE, 10, 50)
        .lock(20, 2, "b", EXCLUSIVE)
        .queued(21, 2, "b")
        .granted(2, "b", 10 * SECOND, 11 * SECOND);
    let nanos = 10 * SECOND - 51;
    let operation = 1;
    assert_eq!(wrong.found(), [Violation::Forgotten { operation, nanos }]);
}

#[test]
fn a_stuck_key_is_found_in_who_gave_up_on_it() {
    let wrong = script()
        .held(1, "a", EXCLUSIVE, 10, 50)
        .lock(20, 2, "b", EXCLUSIVE)
        .queued(21, 2, "b")
        .ended(30 * SECOND, 2, "b", Ended::TimedOut);
    assert!(matches!(wrong.found()[..], [Violation::Forgotten { .. }]));
}

#[test]
fn a_refusal_of_a_free_lock_is_found() {
    for (how, why) in [(How::TryLock, Ended::Busy), (How::Lock, Ended::TimedOut)] {
        let operation = 1;
        let wrong = script()
            .held(1, "a", EXCLUSIVE, 10, 50)
            .asked(60, 2, "b", EXCLUSIVE, how)
            .ended(61, 2, "b", why);
        assert_eq!(wrong.found(), [Violation::RefusedWhileFree { operation }]);
        let right = script()
            .held(1, "a", EXCLUSIVE, 10, 60)
            .asked(60, 2, "b", EXCLUSIVE, how)
            .ended(61, 2, "b", why);
        assert_eq!(right.found(), []);
    }
}

#[test]
fn a_reader_that_is_refused_among_readers_is_found() {
    let wrong = script()
        .held(1, "a", SHARED, 10, 50)
        .asked(20, 2, "b", SHARED, How::TryLock)
        .ended(21, 2, "b", Ended::Busy);
    let operation = 1;
    assert_eq!(wrong.found(), [Violation::RefusedWhileFree { operation }]);
}

/// In Chromium a reader waits for a release when the writer in front of it gives up. Then others are refused for it.
#[test]
fn a_writer_that_gave_up_is_in_the_way_of_readers_until_a_release() {
    let history = |again| {
        script()
            .held(1, "a", SHARED, 10, 100)
            .lock(20, 2, "b", EXCLUSIVE)
            .queued(21, 2, "b")
            .lock(30, 3, "c", SHARED)
            .ended(40, 2, "b", Ended::TimedOut)
            .granted(3, "c", 102, 150)
            .asked(again, 4, "d", SHARED, How::TryLock)
            .ended(again + 1, 4, "d", Ended::Busy)
    };
    let alone = Contract {
        grants_on_release_alone: true,
        ..Contract::default()
    };
    let refused = [Violation::RefusedWhileFree { operation: 3 }];
    assert_eq!(history(60).found(), refused);
    assert_eq!(history(60).verdict(alone), []);
    assert_eq!(history(160).verdict(alone), refused);
}
