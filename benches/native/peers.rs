//! What others do for the same purpose, each behind the same two functions.

use std::collections::HashMap;
use std::hint::black_box;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use dashmap::DashMap;

/// Something that locks a key and frees it again.
pub(crate) trait Peer: Sync {
    fn name(&self) -> &'static str;
    /// Locks `key`, which is free, and frees it.
    fn cycle(&self, key: &str);
}

macro_rules! peer {
    ($(#[$doc:meta])* $peer:ident($inner:ty) = $new:expr, $name:literal, |$locks:ident, $key:ident| $cycle:expr) => {
        $(#[$doc])*
        pub(crate) struct $peer(pub(crate) $inner);

        impl $peer {
            pub(crate) fn new() -> Self {
                Self($new)
            }
        }

        impl Peer for $peer {
            fn name(&self) -> &'static str {
                $name
            }

            fn cycle(&self, $key: &str) {
                let $locks = &self.0;
                drop(black_box($cycle));
            }
        }
    };
}

/// Nearly always it is ready at once. In some peers, threads with keys of their own
/// have to wait for each other all the same.
fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => futures::executor::block_on(future),
    }
}

peer!(Lockmap(lockmap::LockMap<String, ()>) = lockmap::LockMap::new(), "lockmap (sync)",
    |locks, key| locks.try_entry_by_ref(key).expect("the key is free"));

peer!(KeyedLock(keyed_lock::r#async::KeyedLock<String>) = keyed_lock::r#async::KeyedLock::new(), "keyed-lock",
    |locks, key| now(locks.lock(key.to_owned())));

peer!(KeyLock(key_lock::KeyLock<String>) = key_lock::KeyLock::new(), "key-lock",
    |locks, key| now(locks.lock(key.to_owned())));

peer!(Lockable(lockable::LockPool<String>) = lockable::LockPool::new(), "lockable",
    |locks, key| now(locks.async_lock(key.to_owned())));

peer!(
/// Never frees a key.
DashMapOfTokio(DashMap<String, Arc<tokio::sync::Mutex<()>>>) = DashMap::new(), "DashMap of tokio's mutex (leaks keys)",
|locks, key| {
    let found = locks.get(key).map(|lock| Arc::clone(&lock));
    let lock = found.unwrap_or_else(|| Arc::clone(&locks.entry(key.to_owned()).or_default()));
    now(lock.lock_owned())
});

peer!(
/// Never frees a key.
HashMapOfTokio(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>) = Mutex::default(), "HashMap of tokio's mutex (leaks keys)",
|locks, key| {
    let lock = from_map(locks, key);
    now(lock.lock_owned())
});

peer!(
/// Never frees a key.
HashMapOfAsyncLock(Mutex<HashMap<String, Arc<async_lock::Mutex<()>>>>) = Mutex::default(), "HashMap of async-lock's mutex (leaks keys)",
|locks, key| {
    let lock = from_map(locks, key);
    now(lock.lock_arc())
});

peer!(
    /// Knows its one lock beforehand: what is left when there is no key to look for.
    Floor(tokio::sync::Mutex<()>) = tokio::sync::Mutex::new(()), "floor: one tokio mutex, no key",
    |lock, _key| now(lock.lock()));

fn from_map<T: Default>(map: &Mutex<HashMap<String, Arc<T>>>, key: &str) -> Arc<T> {
    let mut map = map.lock().unwrap();
    match map.get(key) {
        Some(lock) => Arc::clone(lock),
        None => Arc::clone(map.entry(key.to_owned()).or_default()),
    }
}

/// Fresh ones of all that free their keys, and of those that do not.
pub(crate) fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(Lockmap::new()),
        Box::new(KeyedLock::new()),
        Box::new(KeyLock::new()),
        Box::new(Lockable::new()),
        Box::new(DashMapOfTokio::new()),
        Box::new(HashMapOfTokio::new()),
        Box::new(HashMapOfAsyncLock::new()),
        Box::new(Floor::new()),
    ]
}
