//! Which place a key has, and what is kept of those that had one.

use super::words::{KEPT, WAYS, Words};
use super::{KEEP_CAPACITY, RequestId, Sought, Table};
use crate::guard::LockMode::Exclusive;
use crate::key::Probe;

/// How many keys have different places whatever else is there.
const SETS: usize = KEPT / WAYS;

/// The name of a key of a set, and its hash. `choice` says which idle key makes way for it.
fn of_set(set: usize, nth: usize, choice: usize) -> (String, u64) {
    let name = format!("key.{set}.{nth}.{choice}");
    (name, (set | nth << 8 | choice << 16) as u64)
}

struct World {
    words: Words,
    table: Table<(), ()>,
}

impl World {
    fn new() -> Self {
        let (words, table) = (Words::new(), Table::new(0, 1));
        Self { words, table }
    }

    fn take(&mut self, (name, hash): &(String, u64)) -> Option<RequestId> {
        let (key, hash) = (Probe::new(name), *hash);
        let key = Sought { key, hash };
        let taken = self.table.try_acquire(&self.words, &key, Exclusive, ());
        taken.expect("it is open")
    }

    fn free(&mut self, id: RequestId) {
        self.table.remove(&self.words, id);
    }

    fn take_and_free(&mut self, key: &(String, u64)) {
        let id = self.take(key).expect("it is free");
        self.free(id);
    }

    fn is_kept(&mut self, (name, hash): &(String, u64)) -> bool {
        let (key, hash) = (Probe::new(name), *hash);
        self.table.entries.find(&Sought { key, hash }).is_some()
    }
}

#[test]
fn keys_of_all_sets_are_held_without_more_room() {
    let mut world = World::new();
    for set in 0..SETS {
        for nth in 0..WAYS {
            world.take(&of_set(set, nth, 0)).expect("it is free");
        }
    }
    assert_eq!(world.table.entries.capacity(), KEPT);
    world.take(&of_set(0, WAYS, 0)).expect("it is free");
    assert!(world.table.entries.capacity() > KEPT);
}

/// Whatever else is idle: there it would not be found again.
#[test]
fn a_key_takes_no_place_of_another_set() {
    for set in 0..SETS {
        for choice in 0..WAYS {
            let mut world = World::new();
            for other in 0..SETS {
                (0..WAYS).for_each(|nth| world.take_and_free(&of_set(other, nth, 0)));
            }
            for nth in 0..=WAYS {
                let key = of_set(set, nth, choice);
                assert!(world.take(&key).is_some(), "{key:?} is free");
                assert!(world.take(&key).is_none(), "{key:?} is held");
            }
        }
    }
}

#[test]
fn keys_that_take_turns_do_not_drive_each_other_out() {
    let mut world = World::new();
    (0..WAYS).for_each(|nth| world.take_and_free(&of_set(1, nth, 0)));
    let newcomers: Vec<_> = (0..WAYS).map(|choice| of_set(1, 7, choice)).collect();
    newcomers.iter().for_each(|key| world.take_and_free(key));
    assert!(newcomers.iter().all(|key| world.is_kept(key)));
}

#[test]
fn room_for_a_few_waiters_is_kept() {
    let words = Words::new();
    let mut table: Table<(), ()> = Table::new(0, 1);
    let key = Probe::new("key");
    let key = Sought { key, hash: 1 };
    let mut queue = || table.enqueue(&words, &key, Exclusive, ()).expect("open");
    let ids: Vec<_> = (0..=KEEP_CAPACITY).map(|_| queue()).collect();
    for id in ids {
        table.remove(&words, id);
    }
    assert_eq!(table.others.capacity(), KEEP_CAPACITY);
}

/// However many keys are held, a few that come and go do not have the map made anew each time.
#[test]
fn room_does_not_come_and_go_with_a_few_keys() {
    let mut world = World::new();
    let mut held = Vec::new();
    let mut count = 0;
    let mut take = |world: &mut World| {
        count += 1;
        world.take(&of_set(0, count, 0)).expect("it is free")
    };
    let room = KEPT + 8 * KEEP_CAPACITY;
    while world.table.entries.capacity() < room {
        held.push(take(&mut world));
    }
    for _ in 0..if cfg!(miri) { 2 } else { 10 } {
        for id in held.drain(held.len() - KEEP_CAPACITY / 2..) {
            world.free(id);
        }
        assert!(world.table.entries.capacity() >= room);
        held.extend((0..KEEP_CAPACITY / 2).map(|_| take(&mut world)));
    }
}

/// Which costs it half as much.
#[test]
fn whoever_is_alone_again_frees_its_key_without_the_mutex() {
    let mut world = World::new();
    let name = of_set(0, 0, 0);
    let holder = world.take(&name).expect("it is free");
    let (key, hash) = (Probe::new(&name.0), name.1);
    let key = Sought { key, hash };
    let World { words, table } = &mut world;
    let [next, last] = [(); 2].map(|()| table.enqueue(words, &key, Exclusive, ()).expect("open"));
    assert!(!words.free(holder.entry, holder.serial), "others wait");
    table.remove(words, last);
    table.remove(words, holder);
    assert!(words.is_first(next.entry, next.serial));
    assert!(words.free(next.entry, next.serial));
    let stolen = table.steal(words, &key, ()).expect("open").0;
    assert!(words.free(stolen.entry, stolen.serial));
}

/// Otherwise two holders could be shown that never held at the same time.
#[test]
fn nobody_frees_its_key_without_the_mutex_while_all_are_shown() {
    let mut world = World::new();
    let ids: Vec<_> = (0..SETS)
        .map(|set| world.take(&of_set(set, 0, 0)).expect("it is free"))
        .collect();
    world.table.hold_all_still(&world.words);
    for id in ids {
        assert!(!world.words.free(id.entry, id.serial));
        world.free(id);
    }
    world
        .table
        .for_each(&world.words, |request| panic!("{request:?} is left"));
}
