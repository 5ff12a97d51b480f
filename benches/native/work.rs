//! What is done with the locks, the same for every peer.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::peers::{self, Peer, now};

/// 17 bytes, as long as keys are wont to be.
pub(crate) const KEY: &str = "lightning.send.42";

/// A [`Peer`] whose name and work can stand in a list with those of the others.
pub(crate) trait Work: Sync {
    fn name(&self) -> &'static str;
    fn waits(&self) -> bool;

    /// Locks `key`, which is free, and frees it.
    fn try_lock(&self, key: &str);
    /// The same by what waits if it has to.
    fn lock(&self, key: &str);

    /// Locks and frees, so often in all, by threads that have a key each.
    fn on_threads(&self, keys: &[String], times: u32) -> Duration;
    /// Locks and frees, so often in all, by tasks that want some of `keys` much more often than
    /// others, every second time as readers.
    fn by_tasks(&'static self, runtime: &Runtime, keys: &Arc<Zipfian>, times: u32) -> Duration;
    /// From a release until the last of so many who wait has had its turn.
    fn hand_off(&'static self, runtime: &Runtime, waiters: u32) -> Duration;
    /// From the moment at which so many who wait run out of time until all have left.
    fn time_out(&'static self, runtime: &Runtime, waiters: u32) -> Duration;
    /// Lets so many who wait leave, none of them from an end of the queue.
    fn cancel(&self, waiters: u32) -> Duration;

    /// Holds all `keys` at once.
    fn hold_all(&self, keys: &[String]);
    /// For each of `keys`, drops a wait that was granted and has not yet noticed.
    fn drop_granted(&self, keys: &[String]);
}

impl<P: Peer> Work for P {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn waits(&self) -> bool {
        P::WAITS
    }

    fn try_lock(&self, key: &str) {
        drop(black_box(Peer::try_lock(self, black_box(key))));
    }

    fn lock(&self, key: &str) {
        drop(black_box(now(Peer::lock(self, black_box(key)))));
    }

    fn on_threads(&self, keys: &[String], times: u32) -> Duration {
        let ready = AtomicUsize::new(0);
        let run = &|key: &str, processor: usize| {
            // Else the scheduler may have them run one after the other on the same one.
            let mut own = CpuSet::new();
            own.set(processor);
            sched_setaffinity(None, &own).expect("there are as many processors as threads");
            ready.fetch_add(1, Relaxed);
            while ready.load(Relaxed) < keys.len() {
                std::hint::spin_loop();
            }
            let start = Instant::now();
            (0..times / keys.len() as u32).for_each(|_| Work::try_lock(self, key));
            (start, Instant::now())
        };
        thread::scope(|scope| {
            let threads: Vec<_> = keys
                .iter()
                .enumerate()
                .map(|(processor, key)| scope.spawn(move || run(key, processor)))
                .collect();
            let times = threads
                .into_iter()
                .map(|thread| thread.join().expect("it ran"));
            let (starts, ends): (Vec<_>, Vec<_>) = times.unzip();
            let (first, last) = (starts.into_iter().min(), ends.into_iter().max());
            last.zip(first)
                .map(|(last, first)| last - first)
                .expect("there are keys")
        })
    }

    fn by_tasks(&'static self, runtime: &Runtime, keys: &Arc<Zipfian>, times: u32) -> Duration {
        const TASKS: usize = 8;
        runtime.block_on(async {
            let start = Instant::now();
            let tasks = (0..TASKS).map(|task| {
                let keys = Arc::clone(keys);
                tokio::spawn(async move {
                    for n in 0..times as usize / TASKS {
                        let key = keys.pick(task * 7919 + n);
                        match n % 2 {
                            0 => drop(black_box(Peer::lock(self, key).await)),
                            _ => drop(black_box(Peer::lock_shared(self, key).await)),
                        }
                        // Else each task would run to its end before the next one starts.
                        if n % 8 == 0 {
                            tokio::task::yield_now().await;
                        }
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await.expect("it ran");
            }
            start.elapsed()
        })
    }

    fn hand_off(&'static self, runtime: &Runtime, waiters: u32) -> Duration {
        runtime.block_on(async {
            let held = Peer::lock(self, KEY).await;
            let queue = Queue::new(waiters, || async { drop(Peer::lock(self, KEY).await) }).await;
            let start = Instant::now();
            drop(held);
            queue.ended().await;
            start.elapsed()
        })
    }

    fn time_out(&'static self, runtime: &Runtime, waiters: u32) -> Duration {
        runtime.block_on(async {
            let held = Peer::lock(self, KEY).await;
            // Time for all to join the queue.
            let enough = Duration::from_millis(1) + Duration::from_micros(5) * waiters;
            let end = tokio::time::Instant::now() + enough;
            let queue = Queue::new(waiters, || Peer::time_out(self, KEY, end)).await;
            queue.ended().await;
            let took = end.elapsed();
            drop(held);
            took
        })
    }

    fn cancel(&self, waiters: u32) -> Duration {
        let held = now(Peer::lock(self, KEY));
        let mut cx = Context::from_waker(Waker::noop());
        let mut queue: Vec<_> = (0..waiters + 2)
            .map(|_| Box::pin(Peer::lock(self, KEY)))
            .collect();
        for wait in &mut queue {
            assert!(wait.as_mut().poll(&mut cx).is_pending());
        }
        let ends = (queue.remove(0), queue.pop());
        // Neither in their order nor against it.
        let half = queue.split_off(queue.len() / 2);
        let start = Instant::now();
        for pair in half.into_iter().zip(queue) {
            drop(pair);
        }
        let took = start.elapsed();
        drop((ends, held));
        took
    }

    fn hold_all(&self, keys: &[String]) {
        let guards: Vec<_> = keys.iter().map(|key| Peer::try_lock(self, key)).collect();
        drop(black_box(guards));
    }

    fn drop_granted(&self, keys: &[String]) {
        let mut cx = Context::from_waker(Waker::noop());
        for key in keys {
            let held = Peer::try_lock(self, key);
            let mut wait = pin!(Peer::lock(self, key));
            assert!(wait.as_mut().poll(&mut cx).is_pending());
            drop(held);
        }
    }
}

/// Keys of which the nth is wanted an nth as often as the first.
pub(crate) struct Zipfian {
    keys: Vec<String>,
    /// Which of them, one time after the other.
    picks: Vec<usize>,
}

impl Zipfian {
    pub(crate) fn new(keys: Vec<String>) -> Self {
        let mut sum = 0.0;
        let sums: Vec<f64> = (1..=keys.len())
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        // The same in every run. (Numerical Recipes, "Quick and dirty generators".)
        let mut random = 1_u32;
        let picks = (0..1 << 16).map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = f64::from(random) / f64::from(u32::MAX) * sum;
            sums.partition_point(|&sum| sum < at).min(keys.len() - 1)
        });
        let picks = picks.collect();
        Self { keys, picks }
    }

    fn pick(&self, time: usize) -> &str {
        &self.keys[self.picks[time % self.picks.len()]]
    }
}

/// So many tasks that wait.
struct Queue {
    left: Arc<AtomicUsize>,
    last: Arc<Notify>,
}

impl Queue {
    /// Starts them, and returns when they wait.
    async fn new<F>(waiters: u32, wait: impl Fn() -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let started = Arc::new(AtomicUsize::new(0));
        let left = Arc::new(AtomicUsize::new(waiters as usize));
        let last = Arc::new(Notify::new());
        for _ in 0..waiters {
            let (started, left, last) = (started.clone(), left.clone(), last.clone());
            let wait = wait();
            tokio::spawn(async move {
                started.fetch_add(1, Relaxed);
                wait.await;
                if left.fetch_sub(1, AcqRel) == 1 {
                    last.notify_one();
                }
            });
        }
        while started.load(Relaxed) < waiters as usize {
            tokio::task::yield_now().await;
        }
        Self { left, last }
    }

    /// Returns when all of them have ended.
    async fn ended(self) {
        self.last.notified().await;
        assert_eq!(self.left.load(Acquire), 0);
    }
}

fn fresh<P: Peer>() -> &'static dyn Work {
    Box::leak(Box::new(P::new()))
}

/// Ours, and fresh ones of those that free their keys and of those that do not.
pub(crate) fn all() -> Vec<&'static dyn Work> {
    vec![
        fresh::<peers::Unboxed>(),
        fresh::<peers::Lockmap>(),
        fresh::<peers::KeyedLock>(),
        fresh::<peers::KeyLock>(),
        fresh::<peers::Lockable>(),
        fresh::<peers::DashMapOfTokio>(),
        fresh::<peers::DashMapOfAsyncLock>(),
        fresh::<peers::HashMapOfTokio>(),
        fresh::<peers::HashMapOfAsyncLock>(),
    ]
}

/// With what there is without a key to look for.
pub(crate) fn with_floor(mut all: Vec<&'static dyn Work>) -> Vec<&'static dyn Work> {
    all.push(fresh::<peers::Floor>());
    all
}

/// With what there is without a lock.
pub(crate) fn with_nothing(mut all: Vec<&'static dyn Work>) -> Vec<&'static dyn Work> {
    all.push(fresh::<peers::Nothing>());
    all
}

/// Those that wait, and the floor.
pub(crate) fn waiting() -> Vec<&'static dyn Work> {
    let waiting = all().into_iter().filter(|work| work.waits());
    with_floor(waiting.collect())
}

/// With ours behind the trait that applications use.
pub(crate) fn through_dyn(mut all: Vec<&'static dyn Work>) -> Vec<&'static dyn Work> {
    all[0] = fresh::<peers::Boxed>();
    all
}

/// A datadir, and with what it competes behind the same trait or another.
pub(crate) fn of_a_datadir() -> Vec<&'static dyn Work> {
    vec![
        fresh::<peers::Datadir>(),
        fresh::<peers::Boxed>(),
        fresh::<peers::BoxedWeakMap>(),
        fresh::<peers::KeyedLock>(),
        fresh::<peers::Lockable>(),
    ]
}
