//! "Nothing is left behind", counted by the allocator. One test, as all that runs beside it
//! would be counted, too.
#![cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]

use std::alloc::System;
use std::time::Duration;

use crosslock::LockManager;
use crosslock::memory::MemoryLockManager;
use crosslock::pid_fcntl::FcntlPidLockManager;
use futures::executor::block_on;
use futures::poll;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const KEYS: usize = 100_000;

/// What the idle entries of all shards may take together.
const KEPT: isize = 1 << 20;

/// Holds a lock on each of many keys, with a wait that is given up, and one that waits to
/// hear of its loss and is dropped; all at once, so that every place is needed.
async fn use_many_keys(locks: &MemoryLockManager, round: usize) {
    let mut guards = Vec::new();
    for n in 0..KEYS {
        let key = format!("left-behind.{round}.{n}");
        guards.push(locks.try_lock(&key).await.expect("it is free"));
    }
    let mut waits = Vec::new();
    let mut losses = Vec::new();
    for guard in &guards {
        let mut wait = locks.lock(guard.key(), Duration::MAX);
        assert!(poll!(&mut wait).is_pending());
        waits.push(wait);
        let mut loss = guard.lost();
        assert!(poll!(&mut loss).is_pending());
        losses.push(loss);
    }
    drop(losses);
    drop(waits);
}

fn many_keys_leave_next_to_nothing() {
    let locks = MemoryLockManager::new();
    for round in 0..3 {
        let region = Region::new(ALLOCATOR);
        block_on(use_many_keys(&locks, round));
        let left = left(&region);
        assert!(left < KEPT, "round {round} left {left} bytes");
    }
}

/// A program may open and close one datadir after the other.
fn closed_datadirs_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let use_one = || {
        let locks = FcntlPidLockManager::new(folder.path()).unwrap();
        let lock = |n| block_on(locks.try_lock(&format!("left-behind.{n}"))).unwrap();
        drop((0..100).map(lock).collect::<Vec<_>>());
    };
    // What is allocated once for all.
    use_one();
    let region = Region::new(ALLOCATOR);
    for _ in 0..100 {
        use_one();
    }
    let left = left(&region);
    assert!(left < 100 * 100, "{left} bytes are left");
}

fn left(region: &Region<'_, System>) -> isize {
    let change = region.change();
    change.bytes_allocated as isize - change.bytes_deallocated as isize
}

#[test]
fn nothing_is_left_behind() {
    closed_datadirs_leave_nothing();
    many_keys_leave_next_to_nothing();
}
