//! A fork without an exec. Nobody should do that in a program with threads; the
//! documentation says what happens, and these tests that it does.

use std::time::Duration;

use crosslock::LockError;
use futures::executor::block_on;

use crate::child::{self, Answer, must_pass, open_elsewhere, task};
use crate::folder;
use crate::managers::{Kind, with_each_manager};

with_each_manager! {
    a_forked_child_gets_nothing_and_frees_nothing
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
