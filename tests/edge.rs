//! The half of the Node addon that needs no Node: threads with event loops, which are called when there is something
//! to look at. For the tools of `npm run sanitize`; js/tests has what users see.
#![cfg(any(unix, windows))]

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::thread::{self, Thread};

use crosslock::edge::{Function, Kind, Locks, Request, State, Wakes};
use crosslock::{DatadirOptions, LockMode};

const THREADS: usize = 3;
const ROUNDS: usize = if cfg!(miri) { 8 } else { 1_000 };
const KEY: &str = "edge";

/// In the place of a thread-safe function of Node-API, which has nothing to do with Rust's memory.
#[derive(Debug)]
struct EventLoop(Thread);

impl Function for EventLoop {
    fn call(&self) -> bool {
        self.0.unpark();
        true
    }
}

/// What one thread of JavaScript has.
struct Client {
    locks: Locks,
    wakes: Arc<Wakes<EventLoop>>,
}

impl Client {
    fn new(locks: &Locks) -> Self {
        Self {
            locks: locks.clone(),
            wakes: Wakes::new(EventLoop(thread::current())),
        }
    }

    fn ask(&self, mode: LockMode) -> (Request, State) {
        let waker = || self.wakes.waker(0);
        let asked = self.locks.request(KEY, mode, None, Some(waker));
        asked.expect("the system works").expect("it may wait")
    }

    fn acquire(&self, mode: LockMode) -> Request {
        let (mut request, state) = self.ask(mode);
        if state == State::Pending {
            self.wait(&mut request);
        }
        request
    }

    /// Until it holds.
    fn wait(&self, request: &mut Request) {
        let mut state = State::Pending;
        while state == State::Pending {
            match self.wakes.next() {
                Some(_) => state = self.locks.state(request),
                None => thread::park(),
            }
        }
        assert_eq!(state, State::Held, "{}", self.locks.reason(request));
    }

    /// Returns whether it was held until now.
    fn free(&self, mut request: Request) -> bool {
        let (was_held, follows) = self.wakes.within(|| self.locks.free(&mut request));
        if follows {
            while self.wakes.next().is_some() {}
        }
        was_held
    }
}

impl Drop for Client {
    /// As at the end of an environment of Node: others may be about to wake a request of it.
    fn drop(&mut self) {
        assert!(self.wakes.end().is_some());
    }
}

/// Memory that the lock alone orders.
#[derive(Default)]
struct Money(UnsafeCell<u64>);

// SAFETY: it is used under a lock alone, which is what the tests are about.
unsafe impl Sync for Money {}

/// Threads that write as the only holders, read beside others, and leave while they wait.
fn take_turns(locks: &Locks, rounds: usize) {
    let money = Arc::new(Money::default());
    let threads = (0..THREADS).map(|number| {
        let (locks, money) = (locks.clone(), Arc::clone(&money));
        thread::spawn(move || {
            let mut written = 0;
            for round in 0..rounds {
                // A new one now and then, as threads of Node come and go.
                let client = Client::new(&locks);
                for _ in 0..4 {
                    let held = client.acquire(LockMode::Exclusive);
                    // SAFETY: nobody else holds the lock.
                    unsafe { *money.0.get() += 1 };
                    written += 1;
                    assert!(client.free(held));
                    let held = client.acquire(LockMode::Shared);
                    // SAFETY: whoever holds it beside us only reads, too.
                    assert!(unsafe { *money.0.get() } >= written);
                    assert!(client.free(held));
                }
                if (number + round) % 2 == 0 {
                    let (leaves, state) = client.ask(LockMode::Exclusive);
                    assert!(client.free(leaves) || state == State::Pending);
                }
            }
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().expect("a thread");
    }
    // SAFETY: all threads have ended.
    assert_eq!(unsafe { *money.0.get() }, (THREADS * rounds * 4) as u64);
}

/// `None` where there is no such lock.
fn open(kind: Kind, datadir: &std::path::Path) -> Option<Locks> {
    let opened = Locks::open(kind, DatadirOptions::new(datadir))?;
    Some(opened.expect("nobody else has it"))
}

#[test]
fn threads_take_turns_in_memory() {
    take_turns(&Locks::in_memory(), ROUNDS);
}

#[test]
fn threads_take_turns_in_a_datadir() {
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(locks) = open(Kind::Flock, folder.path()) {
        take_turns(&locks, ROUNDS / 4);
    }
}

/// Two on one datadir, as foreign to each other as two processes.
fn open_shared(datadir: &std::path::Path) -> Option<[Locks; 2]> {
    Some([open(Kind::Shared, datadir)?, open(Kind::Shared, datadir)?])
}

/// Another one on the same datadir has the key now and then, so threads wait for the kernel.
#[test]
fn threads_take_turns_with_other_processes() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some([locks, elsewhere]) = open_shared(folder.path()) else {
        return;
    };
    let other = thread::spawn(move || take_turns(&elsewhere, ROUNDS / 20));
    take_turns(&locks, ROUNDS / 20);
    other.join().expect("the other manager");
}

/// It is granted by the kernel, of which the thread is woken, and given back as it was taken: once.
#[test]
fn what_other_processes_have_is_granted_when_it_is_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some([locks, elsewhere]) = open_shared(folder.path()) else {
        return;
    };
    let (client, other) = (Client::new(&locks), Client::new(&elsewhere));
    let held = other.acquire(LockMode::Exclusive);
    let (mut first, state) = client.ask(LockMode::Exclusive);
    assert_eq!(state, State::Pending);
    assert_eq!(client.locks.state(&mut first), State::Pending);
    let (second, state) = client.ask(LockMode::Exclusive);
    assert_eq!(state, State::Pending);
    assert!(other.free(held));
    client.wait(&mut first);
    let (mut third, state) = other.ask(LockMode::Exclusive);
    assert_eq!(state, State::Pending);
    assert!(client.free(first));
    assert!(!client.free(second));
    other.wait(&mut third);
    assert!(other.free(third));
}

/// Each is told of its loss, whoever looks first.
#[test]
fn a_steal_is_heard_of() {
    let locks = Locks::in_memory();
    let threads = (0..THREADS).map(|_| {
        let locks = locks.clone();
        thread::spawn(move || {
            let client = Client::new(&locks);
            for _ in 0..ROUNDS {
                let (stolen, _) = client.wakes.within(|| client.locks.steal("stolen", None));
                let mut stolen = stolen.expect("the table is open");
                let watch = client.locks.watch(&mut stolen, client.wakes.waker(1));
                let state = client.locks.state(&mut stolen);
                assert!(matches!(state, State::Held | State::Lost), "{state:?}");
                if let Some(watch) = watch {
                    client.locks.unwatch(&mut stolen, watch);
                }
                client.free(stolen);
            }
        })
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().expect("a thread");
    }
}
