//! `open_timeout`: waiting for an instance that is just shutting down.

use std::time::{Duration, Instant};

use crosslock::PidLockError;

use crate::child::{self, Process, holder, task, tell};
use crate::folder;
use crate::managers::{Kind, LONG, with_each_manager};

with_each_manager! {
    it_gets_in_when_the_holder_is_gone
    it_gives_up_in_the_end_and_says_who_holds
    it_does_not_wait_for_what_will_not_change
}

fn it_gets_in_when_the_holder_is_gone(kind: Kind) {
    let folder = folder::new();
    for killed in [false, true] {
        let first = holder(kind, folder.path());
        let mut second = Process::start(child::command(WAITER, kind, folder.path()));
        assert_eq!(second.hear().as_deref(), Some("waiting"));
        // Long enough for a busy loop to show in the time that it takes from the
        // processor.
        std::thread::sleep(Duration::from_millis(500));
        let gone = Instant::now();
        if killed {
            first.kill();
        } else {
            first.finish();
        }
        assert_eq!(second.hear().as_deref(), Some("opened"));
        let took = gone.elapsed();
        assert!(took < Duration::from_secs(2), "it took {took:?} to get in");

        let spent = second.hear().unwrap();
        let spent = Duration::from_micros(spent.parse().unwrap());
        assert!(
            spent < Duration::from_millis(200),
            "it spent {spent:?} spinning"
        );
        second.finish();
    }
}

const WAITER: &str = "waiting::waiter";

#[test]
#[ignore = "a child process of the other tests"]
fn waiter() {
    let Some((kind, datadir)) = task() else {
        return;
    };
    let before = processor_time();
    tell("waiting");
    let _manager = kind.open_timeout(datadir, LONG).unwrap();
    let spent = processor_time().saturating_sub(before);
    tell("opened");
    tell(spent.as_micros());
}

/// What this process has taken from the processor.
#[cfg(unix)]
fn processor_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it writes to `time`, which lives until the call is over.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Not looked at: under Wine it is not what it would be on Windows.
#[cfg(windows)]
fn processor_time() -> Duration {
    Duration::ZERO
}

fn it_gives_up_in_the_end_and_says_who_holds(kind: Kind) {
    let folder = folder::new();
    let _first = kind.open(folder.path()).unwrap();
    let timeout = Duration::from_millis(100);
    let start = Instant::now();
    let error = kind.open_timeout(folder.path(), timeout).unwrap_err();
    assert!(start.elapsed() >= timeout);
    match error {
        PidLockError::AlreadyHeld { pid, .. } => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
}

fn it_does_not_wait_for_what_will_not_change(kind: Kind) {
    let folder = folder::new();
    std::fs::create_dir(folder.path().join("LOCK")).unwrap();
    let start = Instant::now();
    let error = kind.open_timeout(folder.path(), LONG).unwrap_err();
    assert!(
        matches!(error, PidLockError::SetupFailed { .. }),
        "{error:?}"
    );
    assert!(start.elapsed() < LONG / 2);
}
