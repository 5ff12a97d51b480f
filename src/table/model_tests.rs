//! The table against a model that is too simple to be wrong: one list of requests
//! per key, and the specification's rule applied to it literally.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::words::{KEPT, WAYS, Words};
use super::{RequestId, Sought, Status, Table};
use crate::guard::LockMode;
use crate::hash::BuildHasher;
use crate::key::{LockKey, Probe};

#[derive(Debug, Clone)]
pub(crate) enum Step {
    TryAcquire(usize, LockMode),
    Enqueue(usize, LockMode),
    /// Removes the nth request that was ever made, whether it is there or not.
    Remove(usize),
    /// The same without the mutex first, as a guard does it.
    Free(usize),
    /// Takes and frees another key, which may want the place of an idle one.
    PassBy(u64),
    /// As if all were shown.
    HoldStill,
    Steal(usize),
    /// Has the nth request that was ever made go on in shared mode.
    Downgrade(usize),
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![Just(LockMode::Exclusive), Just(LockMode::Shared)];
    prop_oneof![
        2 => (0..KEYS, mode.clone()).prop_map(|(key, mode)| Step::TryAcquire(key, mode)),
        6 => (0..KEYS, mode).prop_map(|(key, mode)| Step::Enqueue(key, mode)),
        3 => (0..40usize).prop_map(Step::Remove),
        4 => (0..40usize).prop_map(Step::Free),
        1 => (0..KEYS).prop_map(Step::Steal),
        2 => (0..40usize).prop_map(Step::Downgrade),
        1 => (0..10u64).prop_map(Step::PassBy),
        1 => Just(Step::HoldStill),
    ]
}

/// A request in the model; its index in `Model::made` is its name.
#[derive(Debug, Clone, Copy)]
struct Modelled {
    name: usize,
    mode: LockMode,
    held: bool,
}

#[derive(Debug, Default)]
struct Model {
    queues: BTreeMap<usize, Vec<Modelled>>,
}

impl Model {
    /// Grants all that may be granted, in order, and names those newly granted.
    fn settle(&mut self, key: usize) -> Vec<usize> {
        let queue = self.queues.entry(key).or_default();
        let mut granted = Vec::new();
        for at in 0..queue.len() {
            let conflict = queue[..at].iter().any(|earlier| {
                earlier.mode == LockMode::Exclusive || queue[at].mode == LockMode::Exclusive
            });
            if !queue[at].held && !conflict {
                queue[at].held = true;
                granted.push(queue[at].name);
            }
        }
        granted
    }

    fn push(&mut self, key: usize, name: usize, mode: LockMode) -> bool {
        let held = false;
        let queue = self.queues.entry(key).or_default();
        queue.push(Modelled { name, mode, held });
        self.settle(key).contains(&name)
    }

    /// Whose turn came by the removal.
    fn remove(&mut self, name: usize) -> Vec<usize> {
        let keys: Vec<usize> = self.queues.keys().copied().collect();
        let mut granted = Vec::new();
        for key in keys {
            let queue = self.queues.get_mut(&key).expect("it was listed");
            queue.retain(|request| request.name != name);
            granted.extend(self.settle(key));
        }
        granted
    }

    /// Whose turn came by it; `None` if it is not held.
    fn downgrade(&mut self, name: usize) -> Option<Vec<usize>> {
        let held = |request: &&mut Modelled| request.name == name && request.held;
        let mut queues = self.queues.iter_mut();
        let key = queues.find_map(|(key, queue)| {
            queue.iter_mut().find(held)?.mode = LockMode::Shared;
            Some(*key)
        })?;
        Some(self.settle(key))
    }

    /// How many wait for `key` before `name`, or in all if it is not among them.
    fn ahead(&self, key: usize, name: usize) -> usize {
        let queue = self.queues.get(&key).into_iter().flatten();
        let before = queue.take_while(|request| request.held || request.name != name);
        before.filter(|request| !request.held).count()
    }

    fn status(&self, name: usize) -> Status {
        let mut requests = self.queues.values().flatten();
        match requests.find(|request| request.name == name) {
            None => Status::Gone,
            Some(request) if request.held => Status::Held,
            Some(_) => Status::Pending,
        }
    }
}

const KEYS: usize = 7;

/// All of one set, so that some must do without a word; two of them have the same hash.
fn keys() -> [Sought<'static>; KEYS] {
    const SETS: u64 = (KEPT / WAYS) as u64;
    let long = "a-key-too-long-to-be-stored-inline";
    let names = ["a", "lightning.send.42", long, "b", "c", "d", "e"];
    let hashes = [1, 2, 2, 3, 4, 5, 6];
    std::array::from_fn(|at| key(names[at], hashes[at] * SETS))
}

fn key(name: &str, hash: u64) -> Sought<'_> {
    let key = Probe::new(name);
    Sought { key, hash }
}

/// Miri takes a thousand times as long, and all are looked at after each step.
const STEPS: usize = if cfg!(miri) { 24 } else { 120 };

/// What the table is to go through.
pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..STEPS)
}

/// Panics where the table and the model differ.
pub(crate) fn agrees_with_the_model(steps: Vec<Step>) {
    let keys = keys();
    let words = Words::new();
    let mut table: Table<usize, usize> = Table::new(0, 1);
    let mut model = Model::default();
    let mut made: Vec<Option<(usize, RequestId)>> = Vec::new();

    for step in steps {
        let name = made.len();
        match step {
            Step::TryAcquire(key, mode) => {
                let id = table
                    .try_acquire(&words, &keys[key], mode, name)
                    .expect("open");
                if !model.push(key, name, mode) {
                    model.remove(name);
                }
                assert_eq!(id.is_some(), model.status(name) == Status::Held);
                made.push(id.map(|id| (key, id)));
            }
            Step::Enqueue(key, mode) => {
                let id = table.enqueue(&words, &keys[key], mode, name).expect("open");
                let waker = table.waker(id);
                let waits = waker.is_some();
                waker.into_iter().for_each(|waker| *waker = Some(name));
                assert_eq!(waits, !model.push(key, name, mode));
                made.push(Some((key, id)));
            }
            Step::Remove(nth) => {
                if let Some(&Some((_, id))) = made.get(nth) {
                    let (_, wakes) = table.remove(&words, id);
                    // The waker of a request is its name, so this compares who
                    // is granted, and in which order.
                    assert_eq!(wakes.to_vec(), model.remove(nth));
                }
            }
            Step::Free(nth) => {
                if let Some(&Some((_, id))) = made.get(nth) {
                    let wakes = match words.free(id.entry, id.serial) {
                        true => Vec::new(),
                        false => table.remove(&words, id).1.to_vec(),
                    };
                    assert_eq!(wakes, model.remove(nth));
                }
            }
            Step::PassBy(other) => {
                let key = key("passes-by", other);
                let id = table.try_acquire(&words, &key, LockMode::Exclusive, name);
                let id = id.expect("open").expect("nobody holds it");
                if !words.free(id.entry, id.serial) {
                    table.remove(&words, id);
                }
            }
            Step::Downgrade(nth) => {
                if let Some(&Some((_, id))) = made.get(nth) {
                    let wakes = table.downgrade(&words, id).map(|wakes| wakes.to_vec());
                    assert_eq!(wakes, model.downgrade(nth));
                }
            }
            Step::HoldStill => table.hold_all_still(&words),
            Step::Steal(key) => {
                let (id, _) = table.steal(&words, &keys[key], name).expect("open");
                let queue = model.queues.entry(key).or_default();
                queue.retain(|request| !request.held);
                let mode = LockMode::Exclusive;
                queue.insert(
                    0,
                    Modelled {
                        name,
                        mode,
                        held: true,
                    },
                );
                made.push(Some((key, id)));
            }
        }
        for (name, id) in made.iter().enumerate() {
            let &Some((key, id)) = id else {
                continue;
            };
            assert_eq!(table.status(&words, id), model.status(name));
            if model.status(name) == Status::Pending {
                for most in [0, 1, 2, usize::MAX] {
                    let contention = table.contention(&words, &keys[key], Some(id), most);
                    let ahead = contention.expect("somebody holds it").1;
                    assert_eq!(ahead, model.ahead(key, name).min(most));
                }
            }
        }
    }

    let mut shown: BTreeMap<LockKey, Vec<(usize, Status)>> = BTreeMap::new();
    table.for_each(&words, |request| {
        let queue = shown.entry(request.key.clone()).or_default();
        queue.push((*request.meta, request.status));
    });
    for (index, key) in keys.iter().enumerate() {
        let expected: Vec<_> = model
            .queues
            .get(&index)
            .into_iter()
            .flatten()
            .map(|request| (request.name, model.status(request.name)))
            .collect();
        assert_eq!(
            shown
                .remove(&LockKey::known(key.key.text))
                .unwrap_or_default(),
            expected
        );
    }
    assert!(shown.is_empty(), "a free key is shown");
}

proptest! {
    #[test]
    fn agrees_with_the_model_in_any_order(steps in steps()) {
        agrees_with_the_model(steps);
    }

    #[test]
    fn is_empty_when_all_is_removed(
        steps in prop::collection::vec((0..KEYS, any::<bool>()), 0..STEPS / 2),
        seed in any::<u64>(),
    ) {
        let keys = keys();
        let words = Words::new();
        let mut table: Table<(), ()> = Table::new(0, 1);
        let mut ids: Vec<_> = steps.iter().map(|&(key, shared)| {
            let mode = if shared { LockMode::Shared } else { LockMode::Exclusive };
            table.enqueue(&words, &keys[key], mode, ()).expect("open")
        }).collect();
        ids.sort_by_key(|id| id.serial.get().wrapping_mul(seed | 1));
        for id in ids {
            table.remove(&words, id);
        }
        table.for_each(&words, |request| panic!("{request:?} is left"));
        prop_assert!(table.entries.iter().count() <= KEPT);
        prop_assert!(table.others.is_empty());
    }
}

#[test]
fn a_closed_table_grants_nothing_and_wakes_everyone() {
    let key = &keys()[0];
    let words = Words::new();
    let mut table: Table<&str, ()> = Table::new(0, 1);
    let held = table.enqueue(&words, key, LockMode::Exclusive, ()).unwrap();
    let pending = table.enqueue(&words, key, LockMode::Exclusive, ()).unwrap();
    *table.waker(pending).unwrap() = Some("waiter");
    table.watch(&words, held, "watcher").unwrap();

    let mut woken = table.close(&words, "gone".into()).to_vec();
    woken.sort_unstable();
    assert_eq!(woken, ["waiter", "watcher"]);
    assert_eq!(table.closed(), Some("gone"));
    assert_eq!(table.status(&words, held), Status::Gone);
    assert_eq!(table.status(&words, pending), Status::Gone);
    assert!(
        table
            .try_acquire(&words, key, LockMode::Shared, ())
            .is_err()
    );
    assert!(table.enqueue(&words, key, LockMode::Shared, ()).is_err());
    assert!(table.steal(&words, key, ()).is_err());
    assert_eq!(table.watch(&words, held, "late"), Err("late"));
    assert!(!words.is_first(held.entry, held.serial));
    assert!(!words.free(held.entry, held.serial));
    let (own, wakes) = table.remove(&words, held);
    assert!(own.is_none() && wakes.is_empty());
}

/// What it asked for is not kept for a key that breaks the rules.
#[test]
fn a_bad_key_has_no_entry() {
    let words = Words::new();
    let mut table: Table<(), ()> = Table::new(0, 1);
    let bad = key("a/b", 1);
    let refused = Err(super::Refused::Invalid);
    assert_eq!(
        table.try_acquire(&words, &bad, LockMode::Shared, ()),
        refused
    );
    assert_eq!(table.steal(&words, &bad, ()).map(|_| None), refused);
    assert_eq!(table.entries.iter().count(), 0);
}

/// A bounded number of idle keys is left behind: what a burst of keys took beyond them is
/// given back, by the releases themselves.
#[test]
fn capacity_is_given_back() {
    /// More than is kept.
    const MANY: usize = if cfg!(miri) { 16 * KEPT } else { 100_000 };
    let hasher = BuildHasher::default();
    let words = Words::new();
    let mut table: Table<(), ()> = Table::new(0, 1);
    let keys: Vec<_> = (0..MANY).map(|n| format!("key.{n}")).collect();
    let ids: Vec<_> = keys
        .iter()
        .map(|key| {
            let key = Sought::new(key, &hasher);
            table
                .enqueue(&words, &key, LockMode::Exclusive, ())
                .unwrap()
        })
        .collect();
    assert_eq!(table.entries.iter().count(), MANY);
    let watch_all = |table: &mut Table<(), ()>| -> Vec<_> {
        let watch = |id: &RequestId| table.watch(&words, *id, ()).unwrap();
        ids.iter().map(watch).collect()
    };
    for watcher in watch_all(&mut table) {
        table.unwatch(watcher).unwrap();
    }
    assert!(table.watchers.capacity() <= super::KEEP_CAPACITY);
    // A loss takes all of them, and they may have gone before they hear of it.
    let watchers = watch_all(&mut table);
    let first = Sought::new(&keys[0], &hasher);
    let (thief, wakes) = table.steal(&words, &first, ()).unwrap();
    assert_eq!(wakes.len(), MANY);
    assert!(table.watchers.capacity() <= super::KEEP_CAPACITY);
    for watcher in watchers {
        assert_eq!(table.unwatch(watcher), None);
    }
    table.remove(&words, thief);
    for id in ids {
        table.remove(&words, id);
    }
    assert!(table.entries.iter().count() <= KEPT);
    assert!(table.entries.capacity() <= KEPT + 4 * super::KEEP_CAPACITY);
    assert!(table.others.capacity() <= 2 * super::KEEP_CAPACITY);
}

/// One key after the other, all of which are free again, needs no more than the places that
/// are there for idle ones.
#[test]
fn idle_keys_make_way() {
    let hasher = BuildHasher::default();
    let words = Words::new();
    let mut table: Table<(), ()> = Table::new(0, 1);
    for n in 0..10 * KEPT {
        let name = format!("key.{n}");
        let key = Sought::new(&name, &hasher);
        let id = table.try_acquire(&words, &key, LockMode::Exclusive, ());
        let id = id.unwrap().unwrap();
        assert!(words.free(id.entry, id.serial), "by its word alone");
    }
    assert!(table.entries.iter().count() <= KEPT);
}
