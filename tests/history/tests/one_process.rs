//! Histories of tasks that use a backend of one process.

#![cfg(target_os = "linux")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use crosslock::LockManager;
use crosslock::memory::MemoryLockManager;
use crosslock::pid_fcntl::FcntlPidLockManager;
use crosslock::pid_flock::FlockPidLockManager;
use crosslock_history::recorder::Recorder;
use crosslock_history::workload::{Workload, runtime};
use crosslock_history::{Contract, Mode, Violation};
use support::{in_chunks, seed, verdict};

fn workload(seed: u64, operations: u64) -> Workload {
    Workload {
        seed,
        tasks: 8,
        keys: 3,
        operations,
        steals: true,
        hold: Duration::from_micros(1500),
        is_remote: false,
    }
}

/// Runs a workload on two threads, in chunks so that no history outgrows the memory.
fn keeps_the_contract(name: &str, locks: &dyn Fn() -> Arc<dyn LockManager>) {
    let runtime = runtime();
    in_chunks(name, |seed, operations| {
        let recorder = Recorder::new(name);
        let run = workload(seed, operations);
        runtime.block_on(run.run(locks(), &recorder, Arc::default()));
        verdict(recorder.take(), &Contract::default())
    });
}

#[test]
fn memory() {
    keeps_the_contract("memory", &|| Arc::new(MemoryLockManager::new()));
}

#[test]
fn fcntl_on_a_datadir() {
    let folder = tempfile::tempdir().expect("a new folder");
    keeps_the_contract("fcntl", &|| {
        Arc::new(FcntlPidLockManager::new(folder.path()).expect("it is free"))
    });
}

#[test]
fn flock_on_a_datadir() {
    let folder = tempfile::tempdir().expect("a new folder");
    keeps_the_contract("flock", &|| {
        Arc::new(FlockPidLockManager::new(folder.path()).expect("it is free"))
    });
}

/// A backend that grants everything is found out, so the workload shows what it is to show.
#[test]
fn no_lock_at_all_is_found_out() {
    let runtime = runtime();
    let recorder = Recorder::new("broken");
    let locks = Arc::new(support::Broken(MemoryLockManager::new()));
    let run = Workload {
        steals: false,
        ..workload(seed(), 2_000)
    };
    runtime.block_on(run.run(locks, &recorder, Arc::default()));
    let history = crosslock_history::History::new(recorder.take()).expect("well-formed");
    let found = crosslock_history::check(&history, &Contract::default());
    let overlaps = |violation: &Violation| match *violation {
        Violation::Overlap { one, other, .. } => {
            let mode = |place: usize| history.operations[place].mode;
            mode(one) == Mode::Exclusive || mode(other) == Mode::Exclusive
        }
        _ => false,
    };
    assert!(found.iter().any(overlaps), "{found:?}");
}
