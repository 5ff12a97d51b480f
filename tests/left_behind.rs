//! "Nothing is left behind", counted by the allocator. One test, as all that runs beside it
//! would be counted, too.
#![cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]

use std::alloc::System;
use std::time::Duration;

use crosslock::LockManager;
use crosslock::memory::MemoryLockManager;
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

#[test]
fn many_keys_leave_next_to_nothing() {
    let locks = MemoryLockManager::new();
    for round in 0..3 {
        let region = Region::new(ALLOCATOR);
        futures::executor::block_on(use_many_keys(&locks, round));
        let change = region.change();
        let left = change.bytes_allocated as isize - change.bytes_deallocated as isize;
        assert!(left < KEPT, "round {round} left {left} bytes");
    }
}
