//! The checker finds what is wrong with a history, and nothing in one that is right.

use crosslock_history::event::{Ended, Event, How, Mode, What};
use crosslock_history::{Contract, History, Order, Violation, check};

const EXCLUSIVE: Mode = Mode::Exclusive;
const SHARED: Mode = Mode::Shared;
const SECOND: u64 = 1_000_000_000;

/// A history, written down in any order.
#[derive(Default)]
struct Script(Vec<Event>);

impl Script {
    fn add(mut self, at: u64, context: &str, what: What) -> Self {
        let context = context.to_owned();
        self.0.push(Event { at, context, what });
        self
    }

    fn asked(self, at: u64, request: u64, context: &str, mode: Mode, how: How) -> Self {
        let key = "k".to_owned();
        let asked = What::Asked {
            request,
            key,
            mode,
            how,
            timeout: None,
        };
        self.add(at, context, asked)
    }

    fn lock(self, at: u64, request: u64, context: &str, mode: Mode) -> Self {
        self.asked(at, request, context, mode, How::Lock)
    }

    /// Held from `start` to `end`, and asked for at the time before.
    fn held(self, request: u64, context: &str, mode: Mode, start: u64, end: u64) -> Self {
        self.lock(start - 1, request, context, mode)
            .granted(request, context, start, end)
    }

    fn granted(self, request: u64, context: &str, start: u64, end: u64) -> Self {
        self.add(start, context, What::Granted { request })
            .released(request, context, end)
    }

    fn released(self, request: u64, context: &str, end: u64) -> Self {
        self.add(end, context, What::Releasing { request }).add(
            end + 1,
            context,
            What::Released { request },
        )
    }

    fn queued(self, at: u64, request: u64, context: &str) -> Self {
        self.add(at, context, What::Queued { request })
    }

    fn ended(self, at: u64, request: u64, context: &str, why: Ended) -> Self {
        self.add(at, context, What::Ended { request, why })
    }

    fn verdict(self, contract: Contract) -> Vec<Violation> {
        let history = History::new(self.0).expect("well-formed");
        let found = check(&history, &contract);
        // They can be told.
        for violation in &found {
            assert!(violation.describe(&history).contains("request"));
        }
        found
    }

    fn found(self) -> Vec<Violation> {
        self.verdict(Contract::default())
    }
}

fn script() -> Script {
    Script::default()
}

fn handed_on() -> Contract {
    let order = Order::HandedOn {
        nanos: 100,
        turns: 3,
    };
    Contract {
        order,
        ..Contract::default()
    }
}

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

/// Request 1 holds; 2 waits, and 3 asks later and comes first.
fn overtaken(mode: Mode) -> Script {
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

#[test]
fn what_no_client_can_have_seen_is_refused() {
    let twice = script()
        .lock(1, 1, "a", EXCLUSIVE)
        .add(2, "a", What::Granted { request: 1 })
        .add(3, "a", What::Granted { request: 1 });
    let unasked = script().add(2, "a", What::Granted { request: 1 });
    for Script(events) in [twice, unasked] {
        let error = History::new(events).expect_err("it is malformed");
        assert!(error.to_string().contains("request 1 of a"), "{error}");
    }
}

#[test]
fn lines_are_read_as_they_were_written() {
    let Script(events) = overtaken(SHARED).add(99, "b", What::Dead);
    let lines: Vec<_> = events.iter().map(crosslock_history::event::line).collect();
    let read = crosslock_history::event::read(lines.join("\n").as_bytes());
    assert_eq!(read, Ok(events));
    let wrong = crosslock_history::event::read(&b"\n{}"[..]);
    assert!(wrong.expect_err("no event").starts_with("line 2"));
}
