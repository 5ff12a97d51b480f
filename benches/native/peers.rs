//! Ours, and what others do for the same purpose, each behind the same two functions.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use crosslock::memory::{MemoryLockGuard, MemoryLockManager};
use crosslock::pid_fcntl::FcntlPidLockManager;
use crosslock::{AcquireOptions, LockGuard, LockManager, LockMode};
use dashmap::DashMap;
use futures::FutureExt;
use tokio::time::Instant;

/// Something that locks keys.
pub(crate) trait Peer: Send + Sync + 'static {
    const NAME: &'static str;
    /// Whether it can wait without blocking the thread.
    const WAITS: bool = true;
    type Guard<'a>;

    fn new() -> Self;

    /// Takes `key`, which is free. Without a future, where the peer can do that.
    fn try_lock<'a>(&'a self, key: &'a str) -> Self::Guard<'a> {
        now(self.lock(key))
    }

    fn lock<'a>(&'a self, key: &'a str) -> impl Future<Output = Self::Guard<'a>> + Send;

    /// As one reader among others, where the peer has such locks.
    fn lock_shared<'a>(&'a self, key: &'a str) -> impl Future<Output = Self::Guard<'a>> + Send {
        self.lock(key)
    }

    /// Waits for `key`, which stays held, until `end`.
    fn time_out(&self, key: &str, end: Instant) -> impl Future<Output = ()> + Send {
        async move {
            let granted = tokio::time::timeout_at(end, self.lock(key)).await;
            assert!(granted.is_err(), "it is held");
        }
    }
}

/// Nearly always it is ready at once. In some peers, threads with keys of their own
/// have to wait for each other all the same.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future.as_mut().now_or_never() {
        Some(output) => output,
        None => futures::executor::block_on(future),
    }
}

/// As the peers wait.
const FOR_EVER: Duration = Duration::MAX;

pub(crate) struct Unboxed(MemoryLockManager);

impl Peer for Unboxed {
    const NAME: &'static str = "crosslock, unboxed";
    type Guard<'a> = MemoryLockGuard;

    fn new() -> Self {
        Self(MemoryLockManager::new())
    }

    fn try_lock(&self, key: &str) -> MemoryLockGuard {
        let guard = self.0.try_acquire_unboxed(key, LockMode::Exclusive);
        guard.expect("a valid key").expect("it is free")
    }

    async fn lock(&self, key: &str) -> MemoryLockGuard {
        let options = AcquireOptions::new(FOR_EVER);
        self.0.acquire_unboxed(key, options).await.expect("granted")
    }

    async fn lock_shared(&self, key: &str) -> MemoryLockGuard {
        let options = AcquireOptions::shared(FOR_EVER);
        self.0.acquire_unboxed(key, options).await.expect("granted")
    }

    async fn time_out(&self, key: &str, end: Instant) {
        let options = AcquireOptions::new(end - Instant::now());
        let granted = self.0.acquire_unboxed(key, options).await;
        assert!(granted.is_err(), "it is held");
    }
}

pub(crate) struct Boxed(Box<dyn LockManager>);

impl Peer for Boxed {
    const NAME: &'static str = "crosslock, `dyn LockManager`";
    type Guard<'a> = Box<dyn LockGuard>;

    fn new() -> Self {
        Self(Box::new(MemoryLockManager::new()))
    }

    fn try_lock(&self, key: &str) -> Box<dyn LockGuard> {
        now(self.0.try_lock(key)).expect("it is free")
    }

    async fn lock(&self, key: &str) -> Box<dyn LockGuard> {
        self.0.lock(key, FOR_EVER).await.expect("granted")
    }
}

/// The keys of a datadir: the same table, and a look after the lock file now and then.
pub(crate) struct Datadir {
    locks: Box<dyn LockManager>,
    _folder: tempfile::TempDir,
}

impl Peer for Datadir {
    const NAME: &'static str = "crosslock, fcntl on a datadir, `dyn LockManager`";
    type Guard<'a> = Box<dyn LockGuard>;

    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a new folder");
        let locks = FcntlPidLockManager::new(folder.path()).expect("it is free");
        Self {
            locks: Box::new(locks),
            _folder: folder,
        }
    }

    fn try_lock(&self, key: &str) -> Box<dyn LockGuard> {
        now(self.locks.try_lock(key)).expect("it is free")
    }

    async fn lock(&self, key: &str) -> Box<dyn LockGuard> {
        self.locks.lock(key, FOR_EVER).await.expect("granted")
    }
}

/// What wallets have of their own: a map of weak mutexes, behind the same trait. Without
/// the sweep that drops keys from the map.
#[derive(Debug)]
struct WeakMap(Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>);

#[derive(Debug)]
struct WeakMapGuard(#[expect(dead_code, reason = "held")] tokio::sync::OwnedMutexGuard<()>);

impl LockGuard for WeakMapGuard {}

#[async_trait::async_trait]
impl LockManager for WeakMap {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        let mutex = {
            let mut map = self.0.lock().unwrap();
            let found = map.get(key).and_then(Weak::upgrade);
            found.unwrap_or_else(|| {
                let mutex = Arc::new(tokio::sync::Mutex::new(()));
                map.insert(key.to_owned(), Arc::downgrade(&mutex));
                mutex
            })
        };
        let guard = mutex.try_lock_owned().ok()?;
        Some(Box::new(WeakMapGuard(guard)))
    }
}

pub(crate) struct BoxedWeakMap(Box<dyn LockManager>);

impl Peer for BoxedWeakMap {
    const NAME: &'static str = "HashMap of weak tokio mutexes, `dyn LockManager`";
    type Guard<'a> = Box<dyn LockGuard>;

    fn new() -> Self {
        Self(Box::new(WeakMap(Mutex::default())))
    }

    async fn lock(&self, key: &str) -> Box<dyn LockGuard> {
        self.0.try_lock(key).await.expect("it is free")
    }
}

pub(crate) struct Lockmap(lockmap::LockMap<String, ()>);

impl Peer for Lockmap {
    const NAME: &'static str = "lockmap (sync)";
    const WAITS: bool = false;
    type Guard<'a> = lockmap::Entry<'a, String, ()>;

    fn new() -> Self {
        Self(lockmap::LockMap::new())
    }

    fn try_lock(&self, key: &str) -> Self::Guard<'_> {
        self.0.try_entry_by_ref(key).expect("it is free")
    }

    async fn lock(&self, key: &str) -> Self::Guard<'_> {
        self.0.entry_by_ref(key)
    }
}

pub(crate) struct KeyedLock(keyed_lock::r#async::KeyedLock<String>);

impl Peer for KeyedLock {
    const NAME: &'static str = "keyed-lock";
    type Guard<'a> = keyed_lock::r#async::Guard<'a, String>;

    fn new() -> Self {
        Self(keyed_lock::r#async::KeyedLock::new())
    }

    async fn lock(&self, key: &str) -> Self::Guard<'_> {
        self.0.lock(key.to_owned()).await
    }
}

/// Sweeps its map at every thousandth lock, and locks all keys in turn for that: meanwhile
/// its `try_lock` finds a free key held, so it is not used here.
pub(crate) struct KeyLock(key_lock::KeyLock<String>);

impl Peer for KeyLock {
    const NAME: &'static str = "key-lock";
    type Guard<'a> = tokio::sync::OwnedMutexGuard<()>;

    fn new() -> Self {
        Self(key_lock::KeyLock::new())
    }

    async fn lock(&self, key: &str) -> Self::Guard<'_> {
        self.0.lock(key.to_owned()).await
    }
}

pub(crate) struct Lockable(lockable::LockPool<String>);

impl Peer for Lockable {
    const NAME: &'static str = "lockable";
    type Guard<'a> = <lockable::LockPool<String> as lockable::Lockable<String, ()>>::Guard<'a>;

    fn new() -> Self {
        Self(lockable::LockPool::new())
    }

    fn try_lock(&self, key: &str) -> Self::Guard<'_> {
        self.0.try_lock(key.to_owned()).expect("it is free")
    }

    async fn lock(&self, key: &str) -> Self::Guard<'_> {
        self.0.async_lock(key.to_owned()).await
    }
}

/// A mutex that can stand in a map, and is locked by whoever has found it there.
pub(crate) trait KeyMutex: Default + Send + Sync + 'static {
    type Guard;
    fn try_lock(self: Arc<Self>) -> Option<Self::Guard>;
    fn lock(self: Arc<Self>) -> impl Future<Output = Self::Guard> + Send;
}

impl KeyMutex for tokio::sync::Mutex<()> {
    type Guard = tokio::sync::OwnedMutexGuard<()>;

    fn try_lock(self: Arc<Self>) -> Option<Self::Guard> {
        self.try_lock_owned().ok()
    }

    async fn lock(self: Arc<Self>) -> Self::Guard {
        self.lock_owned().await
    }
}

impl KeyMutex for async_lock::Mutex<()> {
    type Guard = async_lock::MutexGuardArc<()>;

    fn try_lock(self: Arc<Self>) -> Option<Self::Guard> {
        self.try_lock_arc()
    }

    async fn lock(self: Arc<Self>) -> Self::Guard {
        self.lock_arc().await
    }
}

/// Maps from a key to its mutex. They never free a key.
macro_rules! map_of_mutexes {
    ($($peer:ident($map:ty, $mutex:ty), $name:literal, |$keys:ident, $key:ident| $find:expr;)*) => {$(
        pub(crate) struct $peer($map);

        impl $peer {
            fn find(&self, $key: &str) -> Arc<$mutex> {
                let $keys = &self.0;
                $find
            }
        }

        impl Peer for $peer {
            const NAME: &'static str = $name;
            type Guard<'a> = <$mutex as KeyMutex>::Guard;

            fn new() -> Self {
                Self(Default::default())
            }

            fn try_lock(&self, key: &str) -> Self::Guard<'_> {
                KeyMutex::try_lock(self.find(key)).expect("it is free")
            }

            async fn lock(&self, key: &str) -> Self::Guard<'_> {
                KeyMutex::lock(self.find(key)).await
            }
        }
    )*};
}

map_of_mutexes! {
    DashMapOfTokio(DashMap<String, Arc<tokio::sync::Mutex<()>>>, tokio::sync::Mutex<()>),
        "DashMap of tokio's mutex (leaks keys)", |keys, key| from_dash_map(keys, key);
    DashMapOfAsyncLock(DashMap<String, Arc<async_lock::Mutex<()>>>, async_lock::Mutex<()>),
        "DashMap of async-lock's mutex (leaks keys)", |keys, key| from_dash_map(keys, key);
    HashMapOfTokio(Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>, tokio::sync::Mutex<()>),
        "HashMap of tokio's mutex (leaks keys)", |keys, key| from_hash_map(keys, key);
    HashMapOfAsyncLock(Mutex<HashMap<String, Arc<async_lock::Mutex<()>>>>, async_lock::Mutex<()>),
        "HashMap of async-lock's mutex (leaks keys)", |keys, key| from_hash_map(keys, key);
}

fn from_dash_map<T: Default>(map: &DashMap<String, Arc<T>>, key: &str) -> Arc<T> {
    let found = map.get(key).map(|lock| Arc::clone(&lock));
    found.unwrap_or_else(|| Arc::clone(&map.entry(key.to_owned()).or_default()))
}

fn from_hash_map<T: Default>(map: &Mutex<HashMap<String, Arc<T>>>, key: &str) -> Arc<T> {
    let mut map = map.lock().unwrap();
    match map.get(key) {
        Some(lock) => Arc::clone(lock),
        None => Arc::clone(map.entry(key.to_owned()).or_default()),
    }
}

/// Knows its one lock beforehand: what is left when there is no key to look for.
pub(crate) struct Floor(tokio::sync::Mutex<()>);

impl Peer for Floor {
    const NAME: &'static str = "floor: one tokio mutex, no key";
    type Guard<'a> = tokio::sync::MutexGuard<'a, ()>;

    fn new() -> Self {
        Self(tokio::sync::Mutex::new(()))
    }

    fn try_lock(&self, _key: &str) -> Self::Guard<'_> {
        self.0.try_lock().expect("it is free")
    }

    async fn lock(&self, _key: &str) -> Self::Guard<'_> {
        self.0.lock().await
    }
}

/// Locks nothing: what a second thread is worth on this machine at this moment.
pub(crate) struct Nothing;

impl Peer for Nothing {
    const NAME: &'static str = "floor: arithmetic, no lock";
    type Guard<'a> = usize;

    fn new() -> Self {
        Self
    }

    async fn lock(&self, key: &str) -> usize {
        (0..16).fold(key.len(), |sum, _| black_box(sum).wrapping_mul(31))
    }
}
