//! What the storms of kills have in common: processes that lock and free keys, and a witness in shared
//! memory that a kill cannot fool.

use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{AcquireOptions, LockError, LockManager, LockMode};
use futures::executor::block_on;

use crate::runtime;

/// How many are killed unless this environment variable says otherwise. CONTRIBUTING.md has
/// the command for the long run. Wine takes a tenth of a second to start a process.
const KILLS: usize = if cfg!(windows) { 50 } else { 1000 };
const KILLS_VARIABLE: &str = "CROSSLOCK_TEST_KILLS";

const PROCESSES: usize = if cfg!(windows) { 6 } else { 12 };
/// In each process, so that tickets are handed on within it.
const TASKS: usize = 2;
const KEYS: [&str; 2] = ["wallet", "channel.7"];

/// Nobody holds a key for longer than a moment. It must be less than the storm takes: a kill may
/// free what was stuck.
const STUCK: Duration = Duration::from_secs(10);

fn kills() -> usize {
    std::env::var(KILLS_VARIABLE).map_or(KILLS, |kills| kills.parse().unwrap())
}

/// What a task of a process has at this moment: the number of the process, and two bits for the mode.
/// Only it writes there, and the master when the process is dead.
#[derive(Default)]
pub(crate) struct Witness {
    holds: [[[AtomicU64; TASKS]; PROCESSES]; KEYS.len()],
    /// Set before a process is killed. The kernel frees its locks after that, and whoever is
    /// granted one of them sees the mark.
    dying: [AtomicU32; PROCESSES],
    overlaps: AtomicU64,
    stuck: AtomicU64,
    grants: [AtomicU64; 2],
    over: AtomicU32,
}

impl Witness {
    /// Looks for others that hold the key, while this one does.
    fn enter(&self, key: usize, own: (usize, usize), number: u64, mode: LockMode) {
        let exclusive = mode == LockMode::Exclusive;
        let mark = number << 2 | if exclusive { 2 } else { 1 };
        // Before it looks: of two that overlap, the second one sees the first.
        self.holds[key][own.0][own.1].store(mark, SeqCst);
        self.grants[usize::from(exclusive)].fetch_add(1, SeqCst);
        for (process, tasks) in self.holds[key].iter().enumerate() {
            for (task, holds) in tasks.iter().enumerate() {
                let found = holds.load(SeqCst);
                let conflicts = found != 0 && (exclusive || found & 2 != 0);
                if (process, task) == own || !conflicts {
                    continue;
                }
                // Not one that is dead, nor one that has left since.
                let dying = || self.dying[process].load(SeqCst) != 0;
                if !dying() && holds.load(SeqCst) == found && !dying() {
                    self.overlaps.fetch_add(1, SeqCst);
                }
            }
        }
    }

    fn leave(&self, key: usize, own: (usize, usize)) {
        self.holds[key][own.0][own.1].store(0, SeqCst);
    }

    fn bury(&self, process: usize) {
        for key in &self.holds {
            key[process].iter().for_each(|holds| holds.store(0, SeqCst));
        }
        self.dying[process].store(0, SeqCst);
    }

    /// Kills one process after the other, and starts another in its place; then has all of them finish. No event
    /// says when it is a good moment to kill: any moment is, and `pause` says how long it takes to the next.
    pub(crate) fn storm<P>(
        &self,
        datadir: &Path,
        pause: impl Fn(&mut Random) -> Duration,
        start: impl Fn(usize, u64) -> P,
        kill: impl Fn(P),
        finish: impl Fn(P),
    ) {
        let kills = kills();
        let mut number = 0;
        let mut start = |process: usize| {
            number += 1;
            start(process, number)
        };
        let mut processes: Vec<Option<P>> =
            (0..PROCESSES).map(|process| Some(start(process))).collect();
        let mut random = Random(1);
        let began = Instant::now();
        for _ in 0..kills {
            std::thread::sleep(pause(&mut random));
            let victim = random.below(PROCESSES as u64) as usize;
            let process = processes[victim].take().expect("it runs");
            self.dying[victim].store(1, SeqCst);
            kill(process);
            self.bury(victim);
            processes[victim] = Some(start(victim));
        }
        let took = began.elapsed();
        self.over.store(1, SeqCst);
        processes.into_iter().flatten().for_each(finish);
        self.must_have_seen_none(datadir, kills, took);
    }

    /// Neither two holders nor a stuck key, in a storm in which enough happened.
    fn must_have_seen_none(&self, datadir: &Path, kills: usize, took: Duration) {
        let (overlaps, stuck) = (self.overlaps.load(SeqCst), self.stuck.load(SeqCst));
        let [shared, exclusive] = [0, 1].map(|mode| self.grants[mode].load(SeqCst));
        eprintln!(
            "{kills} kills in {took:?}: {shared} shared and {exclusive} exclusive grants, \
             {overlaps} overlaps, {stuck} stuck"
        );
        assert_eq!((overlaps, stuck), (0, 0));
        let grants = shared.min(exclusive);
        assert!(grants > kills as u64, "hardly anybody got in: {grants}");
        let manager = SharedDatadirLockManager::new(datadir).unwrap();
        for key in KEYS {
            assert!(block_on(manager.try_lock(key)).is_some(), "{key} is stuck");
        }
    }
}

/// Locks and frees the keys until it is killed or all is over.
pub(crate) fn work(datadir: &Path, process: usize, number: u64, witness: &'static Witness) {
    let manager = SharedDatadirLockManager::open_timeout(datadir, STUCK).unwrap();
    let runtime = runtime::new();
    runtime.block_on(async {
        let tasks = (0..TASKS).map(|task| use_keys(&manager, (process, task), number, witness));
        futures::future::join_all(tasks).await;
    });
}

async fn use_keys(
    manager: &SharedDatadirLockManager,
    own: (usize, usize),
    number: u64,
    witness: &Witness,
) {
    let mut random = Random(number * 7919 + own.1 as u64);
    while witness.over.load(SeqCst) == 0 {
        let key = random.below(KEYS.len() as u64) as usize;
        let mode = match random.below(2) {
            0 => LockMode::Exclusive,
            _ => LockMode::Shared,
        };
        let name = KEYS[key];
        let guard = match random.below(8) {
            0 => manager.try_acquire(name, mode).await.unwrap(),
            // It may be cancelled at whatever point it has come to.
            1 => {
                let timeout = Duration::from_micros(random.below(2000));
                let options = AcquireOptions::new(timeout).with_mode(mode);
                manager.acquire(name, options).await.ok()
            }
            _ => {
                let options = AcquireOptions::new(STUCK).with_mode(mode);
                match manager.acquire(name, options).await {
                    Ok(guard) => Some(guard),
                    Err(LockError::TimedOut { .. }) => {
                        witness.stuck.fetch_add(1, SeqCst);
                        None
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let Some(guard) = guard else {
            tokio::task::yield_now().await;
            continue;
        };
        witness.enter(key, own, number, mode);
        if random.below(4) == 0 {
            tokio::task::yield_now().await;
        }
        witness.leave(key, own);
        guard.release().await;
    }
}

/// Good enough to vary what happens, and the same in every run.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}
