//! What is compared.

use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crosslock::memory::MemoryLockManager;
use crosslock::pid_fcntl::FcntlPidLockManager;
use crosslock::pid_flock::FlockPidLockManager;
use crosslock::{AcquireOptions, LockMode};
use tokio::runtime::{Builder, Runtime};

use crate::harness::{Table, heap};
use crate::peers::now;
use crate::work::{self, KEY, Work, Zipfian};

/// A way to lock a free key and free it.
type Cycle = fn(&dyn Work, &str);

/// A scene and what it is called on the command line.
type Scene = (&'static str, fn());

const SCENES: &[Scene] = &[
    ("one", one_key),
    ("lock", lock_with_timeout),
    ("datadir", datadir),
    ("many", many_keys),
    ("threads", two_threads),
    ("zipfian", zipfian),
    ("hand-off", hand_off),
    ("time-out", time_out),
    ("cancel", cancel),
    ("left", left_behind),
    ("pid", pid_lock),
];

/// Shows the scenes that are named, or all.
pub(crate) fn run() {
    // Cargo adds `--bench` to what it is given.
    let named: Vec<_> = std::env::args().skip(1).collect();
    let named: Vec<_> = named.iter().filter(|name| !name.starts_with('-')).collect();
    let start = Instant::now();
    for (name, scene) in SCENES {
        if named.is_empty() || named.iter().any(|named| named == name) {
            scene();
        }
    }
    println!("\nTook {} s.", start.elapsed().as_secs());
}

fn one_key() {
    let ways: [(_, Cycle); 2] = [
        ("`try_lock`", |work, key| work.try_lock(key)),
        ("`lock`", |work, key| work.lock(key)),
    ];
    for (way, cycle) in ways {
        for all in [work::all(), work::through_dyn(work::all())].map(work::with_floor) {
            let title = format!("{way} and drop, one hot key");
            let mut table = Table::new(title, 50_000, 31);
            for work in all {
                table.add(work.name(), move || cycle(work, KEY));
            }
            table.show();
        }
    }
}

/// What the future of `lock` adds to a lock that is free. The peers do not stand between: what
/// wraps them in this benchmark copies what they return.
fn lock_with_timeout() {
    let locks = MemoryLockManager::new();
    let options = AcquireOptions::new(Duration::from_secs(10));
    // Once, and not for each turn: it writes the two words of the text apart, which the future
    // takes together, and the processor waits for that.
    let key = black_box(KEY);
    let acquire = || locks.acquire_unboxed(key, options);
    let title = "`try_lock`, and `lock` with a timeout, and drop, unboxed, one hot key";
    let mut table = Table::new(title, 50_000, 31);
    table.add("`lock`", || {
        drop(black_box(now(acquire()).expect("it is free")));
    });
    table.add("`try_lock`", || {
        let guard = locks.try_acquire_unboxed(key, LockMode::Exclusive);
        drop(black_box(guard.expect("a valid key").expect("it is free")));
    });
    table.add("`lock` within another future", || {
        let guard = now(async { acquire().await.expect("it is free") });
        drop(black_box(guard));
    });
    table.show();
}

fn datadir() {
    let title = "`try_lock` and drop of a datadir's key, one hot key";
    let mut table = Table::new(title, 50_000, 31);
    for work in work::with_floor(work::of_a_datadir()) {
        table.add(work.name(), move || work.try_lock(KEY));
    }
    table.show();
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("lightning.send.{n}")).collect()
}

fn many_keys() {
    let keys = keys(100_000);
    let title = "`try_lock` and drop, 100,000 keys round robin";
    let mut table = Table::new(title, 100_000, 15);
    for work in work::with_floor(work::all()) {
        let mut keys = keys.iter().cycle();
        table.add(work.name(), move || {
            work.try_lock(keys.next().expect("it never ends"));
        });
    }
    table.show();
}

fn two_threads() {
    let keys = keys(2);
    let title = "`try_lock` and drop by two threads, each with a key of its own";
    let mut table = Table::new(title, 20_000, 21);
    for work in work::with_nothing(work::all()) {
        for threads in [1, 2] {
            let keys = &keys[..threads];
            table.add_run(work.name(), move |times| work.on_threads(keys, times));
        }
    }
    table.show_pairs(["one thread", "two"]);
}

fn zipfian() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let keys = Arc::new(Zipfian::new(keys(1_000)));
    let title = "`lock` and drop by 8 tasks on two threads, zipfian over 1,000 keys, half shared";
    let mut table = Table::new(title, 80_000, 21);
    for work in work::waiting() {
        let (runtime, keys) = (&runtime, &keys);
        table.add_run(work.name(), move |times| {
            work.by_tasks(runtime, keys, times)
        });
    }
    table.show();
}

fn runtimes() -> [(&'static str, Runtime); 2] {
    let mut builders = [
        ("current-thread runtime", Builder::new_current_thread()),
        ("multi-thread runtime", Builder::new_multi_thread()),
    ];
    builders.each_mut().map(|(name, builder)| {
        let runtime = builder.enable_time().build().expect("a runtime");
        (*name, runtime)
    })
}

fn hand_off() {
    for (name, runtime) in runtimes() {
        for (waiters, rounds) in [(100, 301), (10_000, 15), (100_000, 5)] {
            let title = format!("one hand-off among {waiters} waiters, {name}");
            let mut table = Table::new(title, waiters, rounds);
            let all = work::waiting();
            let through_dyn = work::through_dyn(work::waiting())[0];
            for work in [all[0], through_dyn]
                .into_iter()
                .chain(all.into_iter().skip(1))
            {
                let runtime = &runtime;
                table.add_run(work.name(), move |waiters| work.hand_off(runtime, waiters));
            }
            table.show();
        }
    }
}

fn time_out() {
    for (name, runtime) in runtimes() {
        let title = format!("one of 10,000 waiters that run out of time, {name}");
        let mut table = Table::new(title, 10_000, 11);
        for work in work::waiting() {
            let runtime = &runtime;
            table.add_run(work.name(), move |waiters| work.time_out(runtime, waiters));
        }
        table.show();
    }
}

fn cancel() {
    for (waiters, rounds) in [(100, 301), (10_000, 15), (100_000, 5)] {
        let title = format!("one cancelled wait among {waiters}");
        let mut table = Table::new(title, waiters, rounds);
        for work in work::waiting() {
            table.add_run(work.name(), move |waiters| work.cancel(waiters));
        }
        table.show();
    }
}

/// What a key costs that nobody holds any more.
fn left_behind() {
    const KEYS: usize = 100_000;
    type UseUp = fn(&dyn Work, &[String]);
    let in_turn: UseUp = |work, keys| keys.iter().for_each(|key| work.try_lock(key));
    let at_once: UseUp = |work, keys| work.hold_all(keys);
    let in_vain: UseUp = |work, keys| _ = work.cancel(keys.len() as u32);
    let too_late: UseUp = |work, keys| work.drop_granted(keys);
    let columns = [
        (false, in_turn),
        (false, at_once),
        (true, in_vain),
        (true, too_late),
    ];

    println!("\n### Left of 100,000 keys or waits, bytes each\n");
    println!(
        "| | taken and freed in turn | held at once | waits given up | dropped after the grant |"
    );
    println!("| --- | --: | --: | --: | --: |");
    let keys = keys(KEYS);
    for (place, work) in work::all().into_iter().enumerate() {
        let left = columns.map(|(waits, use_up)| {
            if waits && !work.waits() {
                return String::from("–");
            }
            // A new one for each column: what one leaves behind, another would find.
            let work = work::all()[place];
            // Not charged: what it keeps ready however many keys there are.
            work.try_lock(KEY);
            let left = heap(|| use_up(work, &keys)).left;
            format!("{:.1}", left as f64 / KEYS as f64)
        });
        println!("| {} | {} |", work.name(), left.join(" | "));
    }
}

fn pid_lock() {
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a new folder");
    let memory = tempfile::tempdir_in("/dev/shm").expect("a new folder");
    for (name, folder) in [("on a disk", disk.path()), ("in memory", memory.path())] {
        let title = format!("open and close a datadir {name}");
        let mut table = Table::new(title, 1_000, 31);
        table.add("crosslock, fcntl", || {
            drop(FcntlPidLockManager::new(folder).expect("it is free"));
        });
        table.add("crosslock, flock", || {
            drop(FlockPidLockManager::new(folder).expect("it is free"));
        });
        table.add("floor: open, flock, write the PID, close", || bare(folder));
        table.show();
    }
}

/// What it takes at the least, with no look at anything.
fn bare(folder: &Path) {
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join("BARE"))
        .expect("it can be opened");
    file.lock().expect("it is free");
    let record = std::process::id().to_string();
    file.write_all_at(record.as_bytes(), 0)
        .expect("there is space");
    file.unlock().expect("it was locked");
}
