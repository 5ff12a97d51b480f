//! Locks between processes, side by side with what else there is: `cargo bench --bench processes`.
//!
//! Every contestant runs in every round. What counts is the median over the rounds of the ratio
//! in the same round.

fn main() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
    linux::run();
}

#[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
mod linux {
    use std::fs::File;
    use std::future::Future;
    use std::io::{PipeReader, PipeWriter, Read, Write};
    use std::os::fd::AsRawFd;
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::time::{Duration, Instant};

    use crosslock::shared_datadir::SharedDatadirLockManager;
    use crosslock::{AcquireOptions, LockManager};
    use named_lock::NamedLock;

    const ROUNDS: usize = 15;
    const LONG: Duration = Duration::from_secs(60);
    const KEY: &str = "lightning.send.42";

    pub(super) fn run() {
        let folder = std::env::var_os("CROSSLOCK_BENCH_FOLDER")
            .unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        let folder = tempfile::tempdir_in(folder).unwrap();
        // First what forks: before there are threads.
        hand_off(folder.path());
        fairness(folder.path());
        uncontended(folder.path());
        many_keys(folder.path());
    }

    fn median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    /// Nanoseconds for each of `times` calls.
    fn time(times: u32, mut work: impl FnMut()) -> f64 {
        let began = Instant::now();
        (0..times).for_each(|_| work());
        began.elapsed().as_nanos() as f64 / f64::from(times)
    }

    fn wait_for<T>(work: impl Future<Output = T>) -> T {
        // Nothing here has to wait, so no waker is needed.
        futures::FutureExt::now_or_never(work).expect("nobody else has it")
    }

    /// The contestants' names, and a round of each.
    type Contestants<'a> = Vec<(&'static str, Box<dyn FnMut() -> f64 + 'a>)>;

    /// Prints the medians, and the ratios of the first one to each.
    fn compare(title: &str, mut contestants: Contestants<'_>) {
        let mut rounds = vec![Vec::new(); contestants.len()];
        for round in 0..=ROUNDS {
            for (all, (_, work)) in rounds.iter_mut().zip(&mut contestants) {
                let took = work();
                // The first round warms up.
                if round > 0 {
                    all.push(took);
                }
            }
        }
        println!("\n{title}");
        for (all, (name, _)) in rounds.iter().zip(&contestants) {
            let ratios = rounds[0]
                .iter()
                .zip(all)
                .map(|(ours, theirs)| ours / theirs);
            let (ns, ratio) = (median(all.clone()), median(ratios.collect()));
            println!("  {name:<45} {ns:>9.0} ns   {ratio:>5.2} x");
        }
    }

    /// A lock on bytes, as the prototype takes it.
    fn lock(file: &File, command: i32, kind: i32, start: i64, length: i64) -> bool {
        // SAFETY: the structure consists of integers, and zero is a valid value of each.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        (lock.l_type, lock.l_start, lock.l_len) = (kind as _, start, length);
        // SAFETY: the command reads a lock structure, which lives until the call is over.
        unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const lock) == 0 }
    }

    /// The way of `prototypes/ticket_ranges.c` where nobody else is.
    fn prototype(file: &File, shared: bool) {
        const START: i64 = 1 << 40;
        const GATE: i64 = 1 << 22;
        let set = libc::F_OFD_SETLK;
        assert!(lock(file, set, libc::F_WRLCK, START, GATE + 1));
        if shared {
            lock(file, set, libc::F_RDLCK, START, 1);
        }
        lock(file, set, libc::F_UNLCK, START + 1, GATE);
        lock(file, set, libc::F_UNLCK, START, 1);
    }

    fn flock_a_file(path: &Path) {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        let file = file.unwrap();
        // SAFETY: it takes a descriptor, which is open, and a number.
        unsafe { assert_eq!(libc::flock(file.as_raw_fd(), libc::LOCK_EX), 0) };
        // SAFETY: as above.
        unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_UN) };
    }

    fn uncontended(folder: &Path) {
        const TIMES: u32 = 20_000;
        let manager = SharedDatadirLockManager::new(folder.join("uncontended")).unwrap();
        let locks: &dyn LockManager = &manager;
        let file = File::create(folder.join("prototype")).unwrap();
        let file = File::options()
            .read(true)
            .write(true)
            .open(folder.join("prototype"))
            .map_or(file, |file| file);
        let (per_key, named) = (folder.join("per-key"), folder.join("named"));
        let named = NamedLock::with_path(named).unwrap();
        let exclusive: Contestants<'_> = vec![
            (
                "SharedDatadir, lock and drop",
                Box::new(|| time(TIMES, || drop(wait_for(locks.lock(KEY, LONG)).unwrap()))),
            ),
            (
                "SharedDatadir, try_lock and drop",
                Box::new(|| time(TIMES, || drop(wait_for(locks.try_lock(KEY)).unwrap()))),
            ),
            (
                "open, flock, unlock, close: a file for a key",
                Box::new(|| time(TIMES, || flock_a_file(&per_key))),
            ),
            (
                "named-lock (its file stays open, no order)",
                Box::new(|| time(TIMES, || drop(named.lock().unwrap()))),
            ),
            (
                "prototype",
                Box::new(|| time(TIMES, || prototype(&file, false))),
            ),
        ];
        compare("uncontended, exclusive", exclusive);
        let options = AcquireOptions::shared(LONG);
        let shared: Contestants<'_> = vec![
            (
                "SharedDatadir, shared",
                Box::new(|| {
                    time(TIMES, || {
                        drop(wait_for(locks.acquire(KEY, options)).unwrap())
                    })
                }),
            ),
            (
                "prototype, shared",
                Box::new(|| time(TIMES, || prototype(&file, true))),
            ),
        ];
        compare("uncontended, shared", shared);
    }

    /// Two managers in one process have open files of their own, like two processes.
    fn many_keys(folder: &Path) {
        const HELD: usize = 5_000;
        const TIMES: u32 = 5_000;
        let open = |name| SharedDatadirLockManager::new(folder.join(name)).unwrap();
        let (few, many, other) = (open("few"), open("many"), open("many"));
        let _one = wait_for(few.try_lock("held")).unwrap();
        let held: Vec<_> = (0..HELD)
            .flat_map(|n| {
                let (one, two) = (format!("one.{n}"), format!("two.{n}"));
                [
                    wait_for(many.try_lock(&one)).unwrap(),
                    wait_for(other.try_lock(&two)).unwrap(),
                ]
            })
            .collect();
        // Over keys, because what is held is spread by their hash.
        let keys: Vec<_> = (0..1000).map(|n| format!("key.{n}")).collect();
        let lock = |manager: &SharedDatadirLockManager| {
            let mut next = keys.iter().cycle();
            time(TIMES, || {
                drop(wait_for(manager.lock(next.next().unwrap(), LONG)).unwrap())
            })
        };
        let contestants: Contestants<'_> = vec![
            ("10,000 keys are held by two", Box::new(|| lock(&many))),
            ("one key is held", Box::new(|| lock(&few))),
        ];
        compare("lock and drop while others hold", contestants);
        drop(held);
    }

    /// Runs `work` in a forked child.
    fn fork(work: impl FnOnce()) -> libc::pid_t {
        // SAFETY: this process has one thread, so the child can use what it has inherited.
        match unsafe { libc::fork() } {
            -1 => panic!("{}", std::io::Error::last_os_error()),
            0 => {
                work();
                // SAFETY: it ends the process without any clean-up.
                unsafe { libc::_exit(0) }
            }
            child => child,
        }
    }

    fn finish(child: libc::pid_t) {
        let mut status = 0;
        // SAFETY: it writes to `status`, which lives until the call is over.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0, "a child failed");
    }

    fn shared_memory<const N: usize>() -> &'static [AtomicU64; N] {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping of zeros at an address of the kernel's choice. It is large enough,
        // aligned to a page, and never unmapped.
        unsafe {
            let page = libc::mmap(std::ptr::null_mut(), N * 8, access, kind, -1, 0);
            assert_ne!(page, libc::MAP_FAILED);
            &*page.cast()
        }
    }

    /// A runtime of one thread, as a program without many of them has.
    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().unwrap().block_on(work)
    }

    /// Two processes that want one key all the time take turns. The median of the nanoseconds from
    /// the release in the one until the other, which waits, has the guard.
    fn take_turns(datadir: &Path, turns: u64) -> f64 {
        let [ready, last, released, one, two] = shared_memory();
        let start = Instant::now();
        let now = || start.elapsed().as_nanos() as u64;
        let work = |number: u64, median_of_this: &AtomicU64| {
            let manager = SharedDatadirLockManager::new(datadir).unwrap();
            let mut took = Vec::new();
            block_on(async {
                ready.fetch_add(1, SeqCst);
                while ready.load(SeqCst) < 2 {
                    std::thread::yield_now();
                }
                for _ in 0..turns {
                    let began = now();
                    let guard = manager.lock(KEY, LONG).await.unwrap();
                    let granted = now();
                    let before = released.load(SeqCst);
                    // Not if the other one came too late to wait.
                    if last.swap(number, SeqCst) != number && began < before {
                        took.push((granted - before) as f64);
                    }
                    released.store(now(), SeqCst);
                    drop(guard);
                }
            });
            if !took.is_empty() {
                median_of_this.store(median(took) as u64, SeqCst);
            }
        };
        let children = [(1, one), (2, two)].map(|(number, place)| fork(|| work(number, place)));
        children.into_iter().for_each(finish);
        (one.load(SeqCst) + two.load(SeqCst)) as f64 / 2.0
    }

    /// A byte goes to and fro between two processes. Nanoseconds for each way.
    fn ping_pong(turns: u64) -> f64 {
        fn pass((from, to): (&mut PipeReader, &mut PipeWriter), turns: u64) {
            let mut byte = [0];
            for _ in 0..turns {
                from.read_exact(&mut byte).unwrap();
                to.write_all(&byte).unwrap();
            }
        }
        let (mut there, mut send) = std::io::pipe().unwrap();
        let (mut back, mut reply) = std::io::pipe().unwrap();
        let child = fork(|| pass((&mut there, &mut reply), turns));
        let began = Instant::now();
        send.write_all(&[0]).unwrap();
        pass((&mut back, &mut send), turns);
        let took = began.elapsed();
        finish(child);
        took.as_nanos() as f64 / (2 * turns) as f64
    }

    /// How long those sleep whom the next two measures wake, and the one who wakes them. The
    /// processors have nothing else to do meanwhile.
    const ASLEEP: Duration = Duration::from_micros(300);

    /// A process that waits in the kernel for a byte that another one has locked: nanoseconds from
    /// the unlock until it is back from the call.
    fn wake_by_the_kernel(file: &Path, times: usize) -> f64 {
        let [released, rounds, result] = shared_memory();
        let start = Instant::now();
        let now = || start.elapsed().as_nanos() as u64;
        let open = || {
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(file);
            file.unwrap()
        };
        let holder = open();
        assert!(lock(&holder, libc::F_OFD_SETLK, libc::F_WRLCK, 0, 1));
        let child = fork(|| {
            let file = open();
            let mut took = Vec::new();
            for round in 1..=times as u64 {
                assert!(lock(&file, libc::F_OFD_SETLKW, libc::F_WRLCK, 0, 1));
                took.push((now() - released.load(SeqCst)) as f64);
                lock(&file, libc::F_OFD_SETLK, libc::F_UNLCK, 0, 1);
                rounds.store(round, SeqCst);
                while released.load(SeqCst) != 0 {
                    std::thread::yield_now();
                }
            }
            result.store(median(took) as u64, SeqCst);
        });
        for round in 1..=times as u64 {
            std::thread::sleep(ASLEEP);
            released.store(now(), SeqCst);
            lock(&holder, libc::F_OFD_SETLK, libc::F_UNLCK, 0, 1);
            while rounds.load(SeqCst) < round {
                std::thread::yield_now();
            }
            assert!(lock(&holder, libc::F_OFD_SETLKW, libc::F_WRLCK, 0, 1));
            released.store(0, SeqCst);
        }
        finish(child);
        result.load(SeqCst) as f64
    }

    /// A thread that wakes a task of a runtime with nothing to do: nanoseconds until it runs.
    fn wake_of_a_task(times: usize) -> f64 {
        let [result] = shared_memory();
        let child = fork(|| {
            let start = Instant::now();
            let took = block_on(async {
                let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
                std::thread::spawn(move || {
                    for _ in 0..times {
                        std::thread::sleep(ASLEEP);
                        sender.send(start.elapsed()).unwrap();
                    }
                });
                let mut took = Vec::new();
                while let Some(sent) = receiver.recv().await {
                    took.push((start.elapsed() - sent).as_nanos() as f64);
                }
                median(took)
            });
            result.store(took as u64, SeqCst);
        });
        finish(child);
        result.load(SeqCst) as f64
    }

    fn hand_off(folder: &Path) {
        const TURNS: u64 = 5_000;
        const WAKES: usize = 20;
        let datadir = folder.join("hand-off");
        let byte = folder.join("byte");
        let contestants: Contestants<'_> = vec![
            (
                "SharedDatadir, from process to process",
                Box::new(|| take_turns(&datadir, TURNS)),
            ),
            ("a byte through a pipe", Box::new(|| ping_pong(TURNS))),
            (
                "its parts: the kernel wakes who waits",
                Box::new(|| wake_by_the_kernel(&byte, WAKES)),
            ),
            (
                "its parts: a thread wakes a task",
                Box::new(|| wake_of_a_task(WAKES)),
            ),
        ];
        compare("hand-off", contestants);
    }

    /// Eight processes that want one key all the time: how long they wait for it.
    fn fairness(folder: &Path) {
        const PROCESSES: usize = 8;
        const TURNS: u64 = 1_000;
        let datadir = folder.join("fairness");
        let [ready, longest, sum] = shared_memory();
        let work = || {
            let manager = SharedDatadirLockManager::new(&datadir).unwrap();
            block_on(async {
                ready.fetch_add(1, SeqCst);
                while ready.load(SeqCst) < PROCESSES as u64 {
                    std::thread::yield_now();
                }
                for turn in 0..TURNS {
                    let began = Instant::now();
                    let guard = manager.lock(KEY, LONG).await.unwrap();
                    let waited = began.elapsed().as_nanos() as u64;
                    // Until all are there, and after the first has gone, the queue is shorter.
                    if (TURNS / 10..TURNS * 9 / 10).contains(&turn) {
                        longest.fetch_max(waited, SeqCst);
                        sum.fetch_add(waited, SeqCst);
                    }
                    let held = Instant::now();
                    while held.elapsed() < Duration::from_micros(20) {}
                    drop(guard);
                }
            });
        };
        let children: Vec<_> = (0..PROCESSES).map(|_| fork(work)).collect();
        children.into_iter().for_each(finish);
        let mean = sum.load(SeqCst) as f64 / (PROCESSES as u64 * TURNS * 8 / 10) as f64;
        let longest = longest.load(SeqCst) as f64;
        println!(
            "\n8 contenders: they wait {:.0} µs on average, {:.0} µs at most, {:.1} x",
            mean / 1e3,
            longest / 1e3,
            longest / mean
        );
    }
}
