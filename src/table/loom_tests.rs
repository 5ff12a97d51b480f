//! Every interleaving of the synchronised table, by loom. Run with
//! `RUSTFLAGS="--cfg loom" cargo test --lib --release loom`.

use std::sync::Arc;
use std::task::{Context, Waker};

use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;

use super::HashedKey;
use super::guard::TableGuard;
use super::shared::{self, Acquire, SharedTable};
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::key::LockKey;

fn key(table: &Arc<SharedTable>) -> HashedKey {
    table.hashed(LockKey::new("k").expect("a valid key"))
}

fn exclusive(table: &Arc<SharedTable>) -> Acquire<Arc<SharedTable>> {
    Acquire::new(table, key(table), LockMode::Exclusive, None)
}

/// Waits for the lock.
fn lock(table: &Arc<SharedTable>) -> Result<TableGuard<Arc<SharedTable>>, LockError> {
    let mut wait = exclusive(table);
    block_on(&mut wait)?;
    Ok(wait.into_guard())
}

fn is_free(table: &Arc<SharedTable>) -> bool {
    let taken = shared::try_acquire(table, &key(table), LockMode::Exclusive, None);
    taken.expect("the table is open").is_some()
}

/// `Relaxed` on purpose: if two holders could overlap, nothing here would hide it.
/// And what one holder wrote must be seen by the next, so the table must order it.
#[test]
fn two_threads_exclude_each_other() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let inside = Arc::new(AtomicBool::new(false));
        let work = |table: Arc<SharedTable>, inside: Arc<AtomicBool>| {
            let guard = lock(&table).expect("the table is open");
            assert!(!inside.swap(true, Relaxed), "two holders at once");
            inside.store(false, Relaxed);
            drop(guard);
        };
        let other = {
            let (table, inside) = (Arc::clone(&table), Arc::clone(&inside));
            thread::spawn(move || work(table, inside))
        };
        work(Arc::clone(&table), inside);
        other.join().expect("the other thread");
        assert!(is_free(&table));
    });
}

/// A wait is dropped at the very moment of its grant, with another one behind it.
#[test]
fn a_grant_that_races_with_a_drop_is_passed_on() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let held = lock(&table).expect("the table is open");

        let mut dropped = Box::pin(exclusive(&table));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(dropped.as_mut().poll(&mut cx).is_pending());
        let waiting = {
            let table = Arc::clone(&table);
            thread::spawn(move || lock(&table).map(drop))
        };
        let releasing = thread::spawn(move || drop(held));
        drop(dropped);

        releasing.join().expect("the releasing thread");
        waiting
            .join()
            .expect("the waiting thread")
            .expect("granted");
        assert!(is_free(&table));
    });
}

/// A wait runs out of time at the very moment of its grant: it has the lock, or
/// the lock is free. Never neither.
#[test]
fn giving_up_takes_the_grant_or_leaves_it() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let held = lock(&table).expect("the table is open");
        let mut wait = exclusive(&table);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(std::pin::Pin::new(&mut wait).poll(&mut cx).is_pending());

        let releasing = thread::spawn(move || drop(held));
        let late = wait.give_up();
        releasing.join().expect("the releasing thread");
        assert_eq!(is_free(&table), late.is_err());
    });
}

#[test]
fn a_steal_wakes_who_watches_for_the_loss() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let victim = lock(&table).expect("the table is open");
        let thief = {
            let table = Arc::clone(&table);
            thread::spawn(move || shared::steal(&table, &key(&table), None).expect("open"))
        };
        block_on(victim.lost());
        assert!(victim.is_lost());
        let stolen = thief.join().expect("the thief");
        // The victim's release must not free what is the thief's now.
        drop(victim);
        assert!(!stolen.is_lost());
        assert!(!is_free(&table));
    });
}

#[test]
fn closing_ends_every_wait() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let held = lock(&table).expect("the table is open");
        let waiting = {
            let table = Arc::clone(&table);
            thread::spawn(move || lock(&table).is_err())
        };
        table.close("gone");
        assert!(waiting.join().expect("the waiting thread"));
        assert!(held.is_lost());
    });
}
