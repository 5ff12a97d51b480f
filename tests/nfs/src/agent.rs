//! What the agent has open and holds, and its commands.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crosslock::pid_fcntl::FcntlPidLockManager;
use crosslock::pid_flock::FlockPidLockManager;
use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{AcquireOptions, LockError, LockGuard, LockManager, LockMode, PidLockError};

type Manager = Arc<dyn LockManager>;
type Guard = Arc<dyn LockGuard>;

/// What the commands name.
struct Agent {
    started: Instant,
    managers: Mutex<HashMap<String, Manager>>,
    guards: Mutex<HashMap<String, Guard>>,
}

pub(crate) fn run() {
    let agent = Arc::new(Agent {
        started: Instant::now(),
        managers: Mutex::default(),
        guards: Mutex::default(),
    });
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("the host sends text");
        let agent = Arc::clone(&agent);
        thread::spawn(move || {
            let mut words = line.split_whitespace();
            let Some(id) = words.next() else { return };
            let words: Vec<_> = words.collect();
            let result = agent.carry_out(&words).unwrap_or_else(|error| error);
            let now = agent.micros();
            // In one piece, as other threads answer too. Nobody is left to tell of a failure.
            let _ = std::io::stdout().write_all(format!("{id} {now} {result}\n").as_bytes());
        });
    }
}

impl Agent {
    fn micros(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    /// `Err` is an answer too: why it could not be done.
    fn carry_out(&self, words: &[&str]) -> Result<String, String> {
        match *words {
            ["now"] => {}
            ["open", manager, kind, datadir] => {
                let opened = open(kind, datadir).map_err(|error| describe(&error))?;
                self.managers.lock().unwrap().insert(manager.into(), opened);
            }
            ["close", manager] => {
                let closed = self.managers.lock().unwrap().remove(manager);
                drop(closed.expect("there is such a manager"));
            }
            ["lock", manager, guard, key, mode, millis] => {
                let options = AcquireOptions::new(duration(millis)).with_mode(parse_mode(mode));
                let locks = self.manager(manager);
                let locked = block_on(async { locks.acquire(key, options).await });
                self.keep(guard, locked.map_err(describe_lock)?);
            }
            ["try", manager, guard, key, mode] => {
                let locks = self.manager(manager);
                let tried = block_on(async { locks.try_acquire(key, parse_mode(mode)).await });
                match tried.map_err(describe_lock)? {
                    Some(found) => self.keep(guard, found),
                    None => return Ok("held".into()),
                }
            }
            ["release", guard] => {
                let released = self.guards.lock().unwrap().remove(guard);
                drop(released.expect("there is such a guard"));
            }
            ["ensure", guard] => self.guard(guard).ensure_held().map_err(describe_lock)?,
            ["is-lost", guard] => return Ok(self.guard(guard).is_lost().to_string()),
            ["lost", guard] => {
                let guard = self.guard(guard);
                block_on(async { guard.lost().await });
            }
            ["use", manager, millis] => return self.use_until_lost(manager, duration(millis)),
            ["claims", guard, threads, millis] => {
                let threads = threads.parse().expect("a number");
                return Ok(self.claims(guard, threads, duration(millis)));
            }
            _ => return Err(format!("there is no command {words:?}")),
        }
        Ok("ok".into())
    }

    fn manager(&self, name: &str) -> Manager {
        let managers = self.managers.lock().unwrap();
        Arc::clone(managers.get(name).expect("there is such a manager"))
    }

    fn guard(&self, name: &str) -> Guard {
        let guards = self.guards.lock().unwrap();
        Arc::clone(guards.get(name).expect("there is such a guard"))
    }

    fn keep(&self, name: &str, guard: Box<dyn LockGuard>) {
        let replaced = self
            .guards
            .lock()
            .unwrap()
            .insert(name.into(), guard.into());
        assert!(replaced.is_none(), "two guards are called {name}");
    }

    /// Asks for locks all the time, until it is told that they are lost. It may be told before that
    /// the server does not answer.
    fn use_until_lost(&self, manager: &str, time: Duration) -> Result<String, String> {
        let (locks, begun) = (self.manager(manager), Instant::now());
        while begun.elapsed() < time {
            let tried = block_on(async { locks.try_acquire("used", LockMode::Exclusive).await });
            if let Err(error @ LockError::Lost { .. }) = tried {
                return Err(describe_lock(error));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok("ok".into())
    }

    /// Has many threads ask whether they still hold the lock, and says when one was told so last, in
    /// microseconds, and how many were told that it is lost.
    fn claims(&self, guard: &str, threads: usize, time: Duration) -> String {
        let (last, losses) = (AtomicU64::new(0), AtomicU64::new(0));
        let begun = Instant::now();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let guard = self.guard(guard);
                    while begun.elapsed() < time {
                        match guard.ensure_held() {
                            Ok(()) => last.fetch_max(self.micros(), Ordering::Relaxed),
                            Err(LockError::Lost { .. }) => {
                                losses.fetch_add(1, Ordering::Relaxed);
                                return;
                            }
                            Err(_) => 0,
                        };
                        thread::sleep(Duration::from_millis(20));
                    }
                });
            }
        });
        format!("{} {}", last.into_inner(), losses.into_inner())
    }
}

fn open(kind: &str, datadir: &str) -> Result<Manager, PidLockError> {
    Ok(match kind {
        "fcntl" => Arc::new(FcntlPidLockManager::new(datadir)?),
        "flock" => Arc::new(FlockPidLockManager::new(datadir)?),
        "shared" => Arc::new(SharedDatadirLockManager::new(datadir)?),
        _ => panic!("there is no kind {kind}"),
    })
}

/// The name of the variant, for the test, and the text, for its reader.
fn describe(error: &PidLockError) -> String {
    let kind = match error {
        PidLockError::AlreadyHeld { .. } => "already-held",
        PidLockError::OtherKind { .. } => "other-kind",
        _ => "failed",
    };
    format!("{kind}: {}", with_causes(error))
}

fn describe_lock(error: LockError) -> String {
    let kind = match error {
        LockError::Lost { .. } => "lost",
        LockError::TimedOut { .. } => "timed-out",
        LockError::Io { .. } => "io",
        _ => "other",
    };
    format!("{kind}: {}", with_causes(&error))
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build();
    runtime.expect("a runtime can be built").block_on(future)
}

fn duration(millis: &str) -> Duration {
    Duration::from_millis(millis.parse().expect("a number"))
}

fn parse_mode(mode: &str) -> LockMode {
    match mode {
        "shared" => LockMode::Shared,
        _ => LockMode::Exclusive,
    }
}
