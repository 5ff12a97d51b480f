//! The table against a model that is too simple to be wrong: one list of requests
//! per key, and the specification's rule applied to it literally.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{HashedKey, RequestId, Status, Table};
use crate::guard::LockMode;
use crate::key::LockKey;

#[derive(Debug, Clone)]
enum Step {
    TryAcquire(usize, LockMode),
    Enqueue(usize, LockMode),
    /// Removes the nth request that was ever made, whether it is there or not.
    Remove(usize),
    Steal(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![Just(LockMode::Exclusive), Just(LockMode::Shared)];
    prop_oneof![
        2 => (0..3usize, mode.clone()).prop_map(|(key, mode)| Step::TryAcquire(key, mode)),
        6 => (0..3usize, mode).prop_map(|(key, mode)| Step::Enqueue(key, mode)),
        6 => (0..40usize).prop_map(Step::Remove),
        1 => (0..3usize).prop_map(Step::Steal),
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

    fn status(&self, name: usize) -> Status {
        let mut requests = self.queues.values().flatten();
        match requests.find(|request| request.name == name) {
            None => Status::Gone,
            Some(request) if request.held => Status::Held,
            Some(_) => Status::Pending,
        }
    }
}

/// Two of them have the same hash.
fn keys() -> Vec<HashedKey> {
    let names = [
        "a",
        "lightning.send.42",
        "a-key-too-long-to-be-stored-inline",
    ];
    let keys = names.iter().zip([1, 2, 2]);
    keys.map(|(name, hash)| key(name, hash)).collect()
}

fn key(name: &str, hash: u64) -> HashedKey {
    let key = LockKey::new(name).expect("a valid key");
    HashedKey { key, hash }
}

proptest! {
    #[test]
    fn agrees_with_the_model(steps in prop::collection::vec(step(), 0..120)) {
        let keys = keys();
        let mut table: Table<usize, usize> = Table::new();
        let mut model = Model::default();
        let mut made: Vec<Option<(usize, RequestId)>> = Vec::new();

        for step in steps {
            let name = made.len();
            match step {
                Step::TryAcquire(key, mode) => {
                    let id = table.try_acquire(&keys[key], mode, name).expect("open");
                    if !model.push(key, name, mode) {
                        model.remove(name);
                    }
                    prop_assert_eq!(id.is_some(), model.status(name) == Status::Held);
                    made.push(id.map(|id| (key, id)));
                }
                Step::Enqueue(key, mode) => {
                    let id = table.enqueue(&keys[key], mode, name).expect("open");
                    let waits = table.set_waker(id, name).is_none();
                    prop_assert_eq!(waits, !model.push(key, name, mode));
                    made.push(Some((key, id)));
                }
                Step::Remove(nth) => {
                    if let Some(&Some((key, id))) = made.get(nth) {
                        let (_, wakes) = table.remove(&keys[key], id);
                        // The waker of a request is its name, so this compares who
                        // is granted, and in which order.
                        prop_assert_eq!(wakes.to_vec(), model.remove(nth));
                    }
                }
                Step::Steal(key) => {
                    let (id, _) = table.steal(&keys[key], name).expect("open");
                    let queue = model.queues.entry(key).or_default();
                    queue.retain(|request| !request.held);
                    let mode = LockMode::Exclusive;
                    queue.insert(0, Modelled { name, mode, held: true });
                    made.push(Some((key, id)));
                }
            }
            for (name, id) in made.iter().enumerate() {
                if let &Some((key, id)) = id {
                    prop_assert_eq!(table.status(&keys[key], id), model.status(name));
                }
            }
        }

        let mut shown: BTreeMap<LockKey, Vec<(usize, Status)>> = BTreeMap::new();
        table.for_each(|request| {
            let queue = shown.entry(request.key.clone()).or_default();
            queue.push((*request.meta, request.status));
        });
        for (index, key) in keys.iter().enumerate() {
            let expected: Vec<_> = model.queues.get(&index).into_iter().flatten()
                .map(|request| (request.name, model.status(request.name)))
                .collect();
            prop_assert_eq!(shown.remove(&key.key).unwrap_or_default(), expected);
        }
    }

    #[test]
    fn is_empty_when_all_is_removed(
        steps in prop::collection::vec((0..3usize, any::<bool>()), 0..60),
        seed in any::<u64>(),
    ) {
        let keys = keys();
        let mut table: Table<(), ()> = Table::new();
        let mut ids: Vec<_> = steps.iter().map(|&(key, shared)| {
            let mode = if shared { LockMode::Shared } else { LockMode::Exclusive };
            (key, table.enqueue(&keys[key], mode, ()).expect("open"))
        }).collect();
        ids.sort_by_key(|(_, id)| id.serial.get().wrapping_mul(seed | 1));
        for (key, id) in ids {
            table.remove(&keys[key], id);
        }
        prop_assert!(table.queues.is_empty());
        prop_assert!(table.others.is_empty());
    }
}

#[test]
fn a_closed_table_grants_nothing_and_wakes_everyone() {
    let key = &keys()[0];
    let mut table: Table<&str, ()> = Table::new();
    let held = table.enqueue(key, LockMode::Exclusive, ()).unwrap();
    let pending = table.enqueue(key, LockMode::Exclusive, ()).unwrap();
    assert_eq!(table.set_waker(pending, "waiter"), None);
    table.watch(key, held, "watcher").unwrap();

    let mut woken = table.close("gone".into()).to_vec();
    woken.sort_unstable();
    assert_eq!(woken, ["waiter", "watcher"]);
    assert_eq!(table.closed(), Some("gone"));
    assert_eq!(table.status(key, held), Status::Gone);
    assert_eq!(table.status(key, pending), Status::Gone);
    assert!(table.try_acquire(key, LockMode::Shared, ()).is_err());
    assert!(table.enqueue(key, LockMode::Shared, ()).is_err());
    assert!(table.steal(key, ()).is_err());
    assert_eq!(table.watch(key, held, "late"), Err("late"));
    let (own, wakes) = table.remove(key, held);
    assert!(own.is_none() && wakes.is_empty());
}

/// "Nothing left behind": what a burst of keys took is given back, by the releases
/// themselves.
#[test]
fn capacity_is_given_back() {
    let hasher = foldhash::fast::RandomState::default();
    let mut table: Table<(), ()> = Table::new();
    let ids: Vec<_> = (0..100_000)
        .map(|n| {
            let key = HashedKey::new(LockKey::new(&format!("key.{n}")).unwrap(), &hasher);
            let id = table.enqueue(&key, LockMode::Exclusive, ()).unwrap();
            (key, id)
        })
        .collect();
    assert!(table.queues.capacity() >= 100_000);
    let watch_all = |table: &mut Table<(), ()>| -> Vec<_> {
        let watch = |(key, id): &(HashedKey, RequestId)| table.watch(key, *id, ()).unwrap();
        ids.iter().map(watch).collect()
    };
    for watcher in watch_all(&mut table) {
        table.unwatch(watcher).unwrap();
    }
    assert!(table.watchers.capacity() <= super::KEEP_CAPACITY);
    // A loss takes all of them, and they may have gone before they hear of it.
    let watchers = watch_all(&mut table);
    let (key, _) = &ids[0];
    let (thief, wakes) = table.steal(key, ()).unwrap();
    assert_eq!(wakes.len(), 100_000);
    assert!(table.watchers.capacity() <= super::KEEP_CAPACITY);
    for watcher in watchers {
        assert_eq!(table.unwatch(watcher), None);
    }
    table.remove(key, thief);
    for (key, id) in ids {
        table.remove(&key, id);
    }
    assert!(table.queues.capacity() <= 2 * super::KEEP_CAPACITY);
    assert!(table.others.capacity() <= 2 * super::KEEP_CAPACITY);
}
