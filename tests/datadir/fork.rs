//! A fork without an exec. Nobody should do that in a program with threads; the
//! documentation says what happens, and these tests that it does.

use std::time::Duration;

use crosslock::LockError;
use futures::FutureExt;
use futures::executor::block_on;

use crate::child::{self, Answer, Process, must_pass, open_elsewhere, task, tell};
use crate::folder;
use crate::managers::{Kind, Manager, with_each_manager};

with_each_manager! {
    a_forked_child_gets_nothing_and_frees_nothing
    a_forked_child_waits_for_no_thread_of_its_parent
    a_parent_that_is_gone_is_not_reported
}

fn a_forked_child_gets_nothing_and_frees_nothing(kind: Kind) {
    let folder = folder::new();
    // In a process of its own, where no other test is in the middle of something.
    must_pass(child::command(FORKER, kind, folder.path()));
}

const FORKER: &str = "fork::forker";

#[test]
#[ignore = "a child process of the other tests"]
fn forker() {
    let Some((kind, datadir)) = task() else {
        return;
    };
    let manager = kind.open(&datadir).unwrap();
    let guard = manager.try_lock("held").unwrap();
    let parent = std::process::id();

    // SAFETY: the child does nothing but what is in this block, and ends without
    // running anything of its parent's. The one other thread waits for this one,
    // so it holds no lock that the child would need.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            let refused = |result: Result<(), LockError>| {
                result.is_err_and(|error| {
                    matches!(error, LockError::Lost { .. }) && error.to_string().contains("forked")
                })
            };
            let nothing = manager.try_lock("held").is_none()
                && manager.try_lock("free").is_none()
                && refused(block_on(manager.0.lock("free", Duration::ZERO)).map(drop))
                && refused(block_on(manager.0.query()).map(drop))
                && refused(guard.ensure_held())
                && guard.is_lost()
                && kind.open(&datadir).is_err();
            drop((guard, manager));
            // SAFETY: it ends the process without any clean-up.
            unsafe { libc::_exit(if nothing { 0 } else { 1 }) };
        }
        child => {
            let mut status = 0;
            // SAFETY: it writes to `status`, which lives until the call is over.
            let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!((waited, status), (child, 0), "the forked child found fault");
        }
    }
    // The child has dropped all it had, and the parent has lost nothing by that.
    assert_eq!(open_elsewhere(kind, &datadir), Answer::Held(Some(parent)));
    guard.ensure_held().unwrap();
    assert!(manager.try_lock("free").is_some());
    drop((guard, manager));
    assert_eq!(open_elsewhere(kind, &datadir), Answer::Opened);
}

/// Of what it has inherited, a mutex may have been locked at the fork.
fn a_forked_child_waits_for_no_thread_of_its_parent(kind: Kind) {
    let folder = folder::new();
    must_pass(child::command(BUSY_FORKER, kind, folder.path()));
}

const BUSY_FORKER: &str = "fork::busy_forker";

/// Other threads lock and free the very key all the time, so at many of the forks one of
/// them is in the middle of that.
#[test]
#[ignore = "a child process of the other tests"]
fn busy_forker() {
    const FORKS: usize = 200;
    /// After so many seconds, a child that hangs is ended by a signal.
    const TOO_LONG: libc::c_uint = 20;

    let Some((kind, datadir)) = task() else {
        return;
    };
    // For ever: other threads use it, and no child may drop it under them.
    let manager: &'static Manager = Box::leak(Box::new(kind.open(&datadir).unwrap()));
    let guard = manager.try_lock("held").unwrap();
    let mut wait = manager.0.lock("held", Duration::MAX);
    assert!((&mut wait).now_or_never().is_none());
    for _ in 0..2 {
        // Until the process ends.
        std::thread::spawn(|| {
            loop {
                assert!(manager.try_lock("held").is_none());
            }
        });
    }
    for _ in 0..FORKS {
        // SAFETY: the child does nothing but what is in this block, and ends without
        // running anything of its parent's. That it needs nothing that the other
        // threads have locked is what is tested.
        match unsafe { libc::fork() } {
            -1 => panic!("{}", std::io::Error::last_os_error()),
            0 => {
                // SAFETY: it takes a number.
                unsafe { libc::alarm(TOO_LONG) };
                let lost_at_once = guard.lost().now_or_never().is_some();
                let refused = (&mut wait)
                    .now_or_never()
                    .is_some_and(|ended| ended.is_err());
                drop((wait, guard));
                // SAFETY: it ends the process without any clean-up.
                unsafe { libc::_exit(if lost_at_once && refused { 0 } else { 1 }) };
            }
            child => {
                let mut status = 0;
                // SAFETY: it writes to `status`, which lives until the call is over.
                let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
                assert_eq!(
                    (waited, status),
                    (child, 0),
                    "a forked child hung or found fault"
                );
            }
        }
    }
    guard.ensure_held().unwrap();
}

/// The kernel's list still says that it was the parent who took the lock.
fn a_parent_that_is_gone_is_not_reported(kind: Kind) {
    let folder = folder::new();
    let mut parent = Process::start(child::command(PARENT, kind, folder.path()));
    assert_eq!(parent.hear().as_deref(), Some("forked"));
    let (input, mut output) = parent.kill();
    // Its child has the file open, so the datadir is still locked.
    assert_eq!(open_elsewhere(kind, folder.path()), Answer::Held(None));
    drop(input);
    assert_eq!(child::hear(&mut output), None, "the child ends");
    assert_eq!(open_elsewhere(kind, folder.path()), Answer::Opened);
}

const PARENT: &str = "fork::parent";

#[test]
#[ignore = "a child process of the other tests"]
fn parent() {
    let Some((kind, datadir)) = task() else {
        return;
    };
    let _manager = kind.open(&datadir).unwrap();
    // SAFETY: the child makes two system calls and does nothing else.
    match unsafe { libc::fork() } {
        -1 => panic!("{}", std::io::Error::last_os_error()),
        0 => {
            let mut byte = 0_u8;
            // SAFETY: `read` writes one byte at most, which is there; `_exit` ends the
            // process without any clean-up.
            unsafe {
                libc::read(0, (&raw mut byte).cast(), 1);
                libc::_exit(0);
            }
        }
        _ => tell("forked"),
    }
    child::wait_for_parent();
}
