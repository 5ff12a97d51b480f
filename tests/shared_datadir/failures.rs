//! The system fails in the middle, which is an error and no grant, and leaves nothing behind.

use std::fs;
use std::time::Duration;

use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{AcquireOptions, LockError, LockGuard, LockManager, LockMode};
use futures::executor::block_on;

use crate::filter;
use crate::folder;
use crate::process::{self, must_pass, open_files};
use crate::runtime;
use crate::wakes::Waiting;

/// Panics unless the system has failed, of which the error tells what could not be done.
fn has_failed(result: Result<Box<dyn LockGuard>, LockError>) {
    let Err(LockError::Io { context, .. }) = result else {
        panic!("{result:?}");
    };
    assert!(context.starts_with("cannot lock \"key\" in "), "{context}");
}

#[test]
fn a_lock_that_the_kernel_refuses_is_an_error() {
    if filter::is_possible() {
        must_pass("failures::where_nothing_is_locked", folder::new().path());
    }
}

#[test]
#[ignore = "a child process of the other tests"]
fn where_nothing_is_locked() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    let manager = SharedDatadirLockManager::new(datadir).unwrap();
    filter::refuse_to_lock();
    let (writes, reads) = (AcquireOptions::new, AcquireOptions::shared);
    for options in [writes(Duration::MAX), reads(Duration::MAX)] {
        let tried = block_on(manager.try_acquire("key", options.mode));
        has_failed(tried.map(|guard| guard.expect("nobody has it")));
        has_failed(block_on(manager.acquire("key", options)));
    }
}

/// Who looks at the queue finds that the kernel has failed. Those who wait in the same process hear of it.
#[test]
fn whoever_waits_hears_of_a_failure_that_another_one_met() {
    if filter::is_possible() {
        must_pass("failures::where_nobody_is_told", folder::new().path());
    }
}

#[test]
#[ignore = "a child process of the other tests"]
fn where_nobody_is_told() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(&datadir).unwrap());
    runtime::new().block_on(async {
        let held = one.try_lock("key").await.unwrap();
        let reading = AcquireOptions::shared(Duration::MAX);
        let waits = [
            Waiting::new(other.acquire("key", reading)).await,
            Waiting::new(other.acquire("key", reading)).await,
        ];
        let late = Waiting::new(other.lock("key", Duration::from_millis(50))).await;
        // The thread that waits for them is not this one.
        filter::refuse_to_say_who_holds();
        // Who holds cannot be found out, and it is somebody else.
        let error = late.end().await.unwrap_err().to_string();
        assert!(error.contains("held by another process for "), "{error}");
        let tried = other.try_acquire("key", LockMode::Shared).await;
        has_failed(tried.map(|guard| guard.expect("an error is no answer")));
        for wait in waits {
            has_failed(wait.end().await);
        }
        drop(held);
    });
}

/// To wait takes a file of its own. Without one there is an error, and no wait for ever.
#[test]
fn a_wait_that_cannot_begin_is_an_error() {
    must_pass("failures::with_no_descriptor_left", folder::new().path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn with_no_descriptor_left() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(&datadir).unwrap());
    runtime::new().block_on(async {
        let held = one.try_lock("key").await.unwrap();
        assert!(other.try_lock("key").await.is_none());
        let limit = allow_descriptors(None);
        has_failed(other.lock("key", Duration::from_secs(5)).await);
        allow_descriptors(Some(limit));
        let waits = Waiting::new(other.lock("key", Duration::MAX)).await;
        drop(held);
        drop(waits.end().await.unwrap());
    });
}

/// Lets the process open so many files; none more than it has, unless told otherwise. Returns the limit before.
fn allow_descriptors(limit: Option<libc::rlim_t>) -> libc::rlim_t {
    let mut limits = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: it writes to `limits`, which lives until the call is over.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) };
    assert_eq!(got, 0);
    let before = limits.rlim_cur;
    limits.rlim_cur = limit.unwrap_or(0);
    // SAFETY: it reads `limits`, which lives until the call is over.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) };
    assert_eq!(set, 0);
    before
}

/// Nothing of a manager stays open when it and its guards are gone.
#[test]
fn a_manager_that_is_dropped_leaves_nothing_open() {
    let folder = folder::new();
    let datadir = fs::canonicalize(folder.path()).unwrap();
    let open = || open_files(&datadir).count();
    let manager = SharedDatadirLockManager::new(&datadir).unwrap();
    let guards: Vec<_> = (0..100)
        .map(|n| block_on(manager.try_lock(&format!("key.{n}"))))
        .collect();
    assert!(guards.iter().all(Option::is_some));
    assert!(open() > 0);
    drop((manager, guards));
    assert_eq!(open(), 0);
}
