//! Every interleaving of the synchronised table, by loom. Run with
//! `RUSTFLAGS="--cfg loom" cargo test --lib --release loom`.

use std::sync::Arc;
use std::task::{Context, Waker};

use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;

use super::Status;
use super::acquire::Acquire;
use super::guard::TableGuard;
use super::operations;
use super::shards::SharedTable;
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};

/// Two keys of one shard, which has a place for one of them, and one of the other shard: by
/// the sum of their bytes.
const KEY: &str = "k1";
const BESIDE: &str = "k3";
const ELSEWHERE: &str = "k0";

type Guard = TableGuard<Arc<SharedTable>>;

fn exclusive(table: &Arc<SharedTable>) -> Acquire<'_, 'static, Arc<SharedTable>> {
    Acquire::new(table, KEY, LockMode::Exclusive, None)
}

fn try_in(mode: LockMode, key: &str, table: &Arc<SharedTable>) -> Option<Guard> {
    let taken = operations::try_acquire(table, key, mode, None, |guard| guard);
    taken.expect("the table is open")
}

fn try_lock(key: &str, table: &Arc<SharedTable>) -> Option<Guard> {
    try_in(LockMode::Exclusive, key, table)
}

/// The keys that are held, as of one moment.
fn held(table: &Arc<SharedTable>) -> Vec<String> {
    let mut held = Vec::new();
    table.for_each(|request| {
        if request.status == Status::Held {
            held.push(request.key.to_string());
        }
    });
    held
}

/// Waits for the lock.
fn lock(table: &Arc<SharedTable>) -> Result<Guard, LockError> {
    let mut wait = exclusive(table);
    block_on(&mut wait)?;
    Ok(wait.take_guard())
}

fn is_free(table: &Arc<SharedTable>) -> bool {
    try_lock(KEY, table).is_some()
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
            thread::spawn(move || operations::steal(&table, KEY, None).expect("open"))
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

/// A writer goes on as a reader while another reader asks: it is let in, whichever comes first,
/// and a writer is not.
#[test]
fn a_downgrade_lets_a_reader_in_once() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let mut writer = lock(&table).expect("the table is open");
        let reading = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let mut wait = Acquire::new(&table, KEY, LockMode::Shared, None);
                block_on(&mut wait).expect("the table is open");
                drop(wait.take_guard());
            })
        };
        writer.downgrade_now().expect("it is held");
        assert!(try_lock(KEY, &table).is_none());
        // The reader is granted while the writer still holds it, or this never ends.
        reading.join().expect("the reader");
        assert_eq!(writer.mode(), LockMode::Shared);
        assert!(!writer.is_lost());
        drop(writer);
        assert!(is_free(&table));
    });
}

/// A thief comes at the same moment: the lock was shared before it was stolen, or is lost.
#[test]
fn a_downgrade_that_races_with_a_steal_frees_nothing() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let mut victim = lock(&table).expect("the table is open");
        let thief = {
            let table = Arc::clone(&table);
            thread::spawn(move || operations::steal(&table, KEY, None).expect("open"))
        };
        let _shared_or_lost = victim.downgrade_now();
        let stolen = thief.join().expect("the thief");
        assert!(victim.is_lost());
        assert!(victim.downgrade_now().is_err());
        assert_eq!(stolen.mode(), LockMode::Exclusive);
        assert!(try_in(LockMode::Shared, KEY, &table).is_none());
        drop(victim);
        assert!(!stolen.is_lost());
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

/// Who looks at all shards sees no lock without the one that was taken before it, in another
/// shard.
#[test]
fn all_shards_are_shown_as_of_one_moment() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let holding = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let first = try_lock(KEY, &table);
                let second = try_lock(ELSEWHERE, &table);
                drop((second, first));
            })
        };
        let seen = held(&table);
        assert_ne!(seen, [ELSEWHERE], "the second lock without the first");
        holding.join().expect("the holding thread");
        assert!(held(&table).is_empty());
    });
}

/// Nobody who holds one shard waits for another, but for those who take all, in one order:
/// else some of these would wait for each other, which loom reports.
#[test]
fn shards_are_locked_in_one_order() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let held_first = lock(&table).expect("the table is open");
        let looking = {
            let table = Arc::clone(&table);
            thread::spawn(move || held(&table).len())
        };
        let closing = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.close("gone"))
        };
        let seen = held(&table).len();
        drop(held_first);
        assert!(seen <= 1 && looking.join().expect("who looks") <= 1);
        closing.join().expect("who closes");
    });
}

/// The same of those who free their locks, which they do without a mutex: who still holds the
/// lock that was freed first, holds the other one, too.
#[test]
fn what_is_freed_is_shown_as_of_one_moment() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let first = try_lock(KEY, &table).expect("it is free");
        let second = try_lock(ELSEWHERE, &table).expect("it is free");
        let freeing = thread::spawn(move || {
            drop(first);
            drop(second);
        });
        let seen = held(&table);
        assert_ne!(seen, [KEY], "the first lock without the second");
        freeing.join().expect("the freeing thread");
        assert!(held(&table).is_empty());
        assert!(is_free(&table));
    });
}

/// A key is taken and freed while another wants its place, and must do without while it is
/// held. Each entry is given to other keys, and none of them to two holders.
#[test]
fn idle_keys_make_way_and_held_ones_do_not() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let inside = Arc::new(AtomicBool::new(false));
        let work = |table: &Arc<SharedTable>, inside: &AtomicBool| {
            let Some(guard) = try_lock(KEY, table) else {
                return;
            };
            assert!(!inside.swap(true, Relaxed), "two holders at once");
            inside.store(false, Relaxed);
            drop(guard);
        };
        let other = {
            let (table, inside) = (Arc::clone(&table), Arc::clone(&inside));
            thread::spawn(move || work(&table, &inside))
        };
        let beside = try_lock(BESIDE, &table).expect("nobody else wants it");
        drop(beside);
        work(&table, &inside);
        other.join().expect("the other thread");
        assert!(is_free(&table));
        assert!(try_lock(BESIDE, &table).is_some());
        assert!(held(&table).is_empty());
    });
}

/// A lock is freed at the very moment at which it is stolen: then the thief has it.
#[test]
fn a_release_that_races_with_a_steal_frees_nothing_else() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let victim = try_lock(KEY, &table).expect("it is free");
        let freeing = thread::spawn(move || drop(victim));
        let stolen = operations::steal(&table, KEY, None).expect("open");
        freeing.join().expect("the freeing thread");
        assert!(!stolen.is_lost());
        assert!(!is_free(&table));
        drop(stolen);
        assert!(is_free(&table));
    });
}

/// A reader leaves while another joins it, and none of them while a writer holds.
#[test]
fn readers_come_and_go_beside_each_other() {
    loom::model(|| {
        let table = Arc::new(SharedTable::new());
        let first = try_in(LockMode::Shared, KEY, &table).expect("it is free");
        let leaving = thread::spawn(move || drop(first));
        let second = try_in(LockMode::Shared, KEY, &table).expect("there are readers alone");
        assert!(!is_free(&table));
        leaving.join().expect("the first reader");
        assert!(!second.is_lost());
        assert!(!is_free(&table));
        drop(second);
        assert!(is_free(&table));
    });
}

/// As the other tests rely on.
#[test]
fn keys_are_in_the_shards_that_are_said() {
    loom::model(|| {
        let table = SharedTable::new();
        let shard = |key| std::ptr::from_ref(table.shard_for(&table.sought(key)));
        assert_eq!(shard(KEY), shard(BESIDE));
        assert_ne!(shard(KEY), shard(ELSEWHERE));
    });
}
