//! Processes that are stopped or forked, and what they hold.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{LockError, LockManager, LockMode};
use futures::executor::block_on;

use crate::folder;
use crate::process::{self, Forked, must_pass, shared_memory};
use crate::runtime;

const LONG: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Stage(AtomicU32);

impl Stage {
    fn reach(&self, stage: u32) {
        self.0.store(stage, SeqCst);
    }

    /// Forked processes have nothing by which they could tell each other.
    fn await_it(&self, stage: u32) {
        let began = Instant::now();
        while self.0.load(SeqCst) < stage {
            assert!(began.elapsed() < LONG, "stage {stage} is never reached");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_stopped_holder_is_waited_for() {
    must_pass("signals::stopped", folder::new().path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn stopped() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    let stage: &Stage = shared_memory();
    let holder = Forked::start(|| {
        let manager = SharedDatadirLockManager::new(&datadir).unwrap();
        let guard = block_on(manager.try_lock("key")).unwrap();
        stage.reach(1);
        stage.await_it(2);
        drop(guard);
    });
    stage.await_it(1);
    holder.signal(libc::SIGSTOP);
    stage.reach(2);
    // Not before: a runtime in which one forks is of no use to the child.
    let runtime = runtime::new();
    let manager = SharedDatadirLockManager::new(&datadir).unwrap();
    let lock = |timeout| runtime.block_on(manager.lock("key", timeout));
    let error = lock(Duration::from_millis(200)).unwrap_err();
    // It says that this is no holder which is merely slow.
    if cfg!(target_os = "linux") {
        let stopped = format!("held by process {} (stopped) for ", holder.id());
        assert!(error.to_string().contains(&stopped), "{error}");
    }
    let LockError::TimedOut { contention, .. } = error else {
        panic!("{error}");
    };
    assert!(contention.unwrap().held_for.unwrap() >= Duration::from_millis(200));
    assert!(block_on(manager.try_lock("key")).is_none());
    // Other keys are not held up.
    assert!(block_on(manager.try_lock("another")).is_some());
    holder.signal(libc::SIGCONT);
    drop(lock(LONG).unwrap());
    holder.finish();
}

#[test]
fn a_killed_waiter_is_in_nobodys_way() {
    must_pass("signals::killed_waiter", folder::new().path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn killed_waiter() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    let stage: &Stage = shared_memory();
    let waiter = Forked::start(|| {
        let manager = SharedDatadirLockManager::new(&datadir).unwrap();
        stage.reach(1);
        stage.await_it(2);
        let runtime = runtime::new();
        runtime.block_on(async {
            let mut wait = manager.lock("key", LONG);
            assert!(futures::poll!(&mut wait).is_pending());
            stage.reach(3);
            drop(wait.await.unwrap());
        });
    });
    stage.await_it(1);
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(&datadir).unwrap());
    let read = |manager: &SharedDatadirLockManager| {
        block_on(manager.try_acquire("key", LockMode::Shared)).unwrap()
    };
    let reading = read(&one).unwrap();
    stage.reach(2);
    stage.await_it(3);
    assert!(read(&other).is_none());
    waiter.kill();
    let too = read(&other);
    assert!(too.is_some(), "the dead waiter is still there");
    drop((reading, too));
    assert!(block_on(one.try_lock("key")).is_some());
}

#[test]
fn a_forked_child_gets_nothing_and_frees_nothing() {
    must_pass("signals::forker", folder::new().path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn forker() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    let manager = SharedDatadirLockManager::new(&datadir).unwrap();
    let guard = block_on(manager.try_lock("held")).unwrap();
    Forked::start(|| {
        assert!(block_on(manager.try_lock("held")).is_none());
        assert!(block_on(manager.try_lock("free")).is_none());
        let error = block_on(manager.lock("free", Duration::ZERO)).unwrap_err();
        assert!(matches!(error, LockError::Lost { .. }), "{error}");
        assert!(error.to_string().contains("forked"), "{error}");
        assert!(guard.is_lost());
        // SAFETY: each is read once here, and the child ends without dropping its own.
        drop(unsafe { (std::ptr::read(&guard), std::ptr::read(&manager)) });
    })
    .finish();
    // The child has dropped all it had, and the parent has lost nothing by that.
    guard.ensure_held().unwrap();
    let other = SharedDatadirLockManager::new(&datadir).unwrap();
    assert!(block_on(other.try_lock("held")).is_none());
    drop(guard);
    assert!(block_on(other.try_lock("held")).is_some());
}

/// A command does not inherit the open files, so it does not prolong what its parent held.
#[test]
fn a_command_does_not_keep_a_key() {
    let folder = folder::new();
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(folder.path()).unwrap());
    let guard = block_on(one.try_lock("key")).unwrap();
    let mut command = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    drop(guard);
    assert!(block_on(other.try_lock("key")).is_some());
    drop((one, other));
    crosslock::pid_fcntl::FcntlPidLockManager::new(folder.path()).unwrap();
    command.kill().unwrap();
    command.wait().unwrap();
}
