//! A file server that forgets locks or does not answer. There is none here: the system
//! calls are real, but the test says what comes of some of them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crosslock::{LockError, LockGuard, LockMode};
use futures::executor::block_on;

use crate::folder;
use crate::intercept::{Call, Reply, intercept};
use crate::loss::{NOTICED, use_until_lost};
use crate::managers::{Kind, LONG, Manager, with_each_manager};

with_each_manager! {
    a_server_that_refuses_a_write_has_forgotten_the_lock
    a_full_server_has_not
    what_a_server_cannot_be_asked_is_no_loss_and_no_lock
    while_a_check_hangs_nobody_is_told_that_it_is_held
    a_server_is_not_asked_for_every_lock
    while_the_server_is_asked_others_go_on
    the_server_is_asked_by_one_thread_at_a_time
    a_late_answer_does_not_count
    a_server_that_hangs_holds_up_nobody_else
}

/// The call that says on which file system a file is, and which of its arguments is the answer.
#[cfg(not(target_arch = "x86"))]
const FSTATFS: (libc::c_long, usize) = (libc::SYS_fstatfs, 1);
#[cfg(target_arch = "x86")]
const FSTATFS: (libc::c_long, usize) = (libc::SYS_fstatfs64, 2);

/// Calls that reach the server, and may fail there.
const CALLS: [libc::c_long; 2] = [libc::SYS_pwrite64, libc::SYS_fdatasync];

/// What the server makes of one kind of call.
#[derive(Clone, Default)]
struct Server {
    /// The number that it fails with, unless that is zero.
    error: Arc<AtomicI32>,
    /// How often it was called.
    called: Arc<AtomicUsize>,
}

impl Server {
    fn serve(&self, failing: libc::c_long) -> bool {
        let server = self.clone();
        on_nfs(&CALLS, move |called| {
            if called != failing {
                return Reply::Continue;
            }
            server.called.fetch_add(1, SeqCst);
            match server.error.load(SeqCst) {
                0 => Reply::Continue,
                error => Reply::Fail(error),
            }
        })
    }
}

/// Makes this thread believe that its files are on NFS, and asks what comes of these calls. `false` where that
/// cannot be done.
fn on_nfs(
    calls: &[libc::c_long],
    mut answer: impl FnMut(libc::c_long) -> Reply + Send + 'static,
) -> bool {
    let calls = [&[FSTATFS.0], calls].concat();
    intercept(&calls, move |call| match libc::c_long::from(call.nr) {
        called if called == FSTATFS.0 => is_nfs(call),
        called => answer(called),
    })
}

fn is_nfs(call: &Call) -> Reply {
    let file = call.args[0] as libc::c_int;
    let answer = call.args[FSTATFS.1] as *mut libc::statfs64;
    // SAFETY: the thread that called waits, with its file open, for somebody to write
    // such a structure to the address, which is one of this very process.
    unsafe {
        assert_eq!(libc::fstatfs64(file, answer), 0);
        (*answer).f_type = libc::NFS_SUPER_MAGIC as _;
    }
    Reply::Done
}

/// For each call that may fail with each of `errors`: opens a datadir on a server, uses
/// it for a while, and lets `then` see what comes of the error.
fn on_a_server(
    kind: Kind,
    errors: &[libc::c_int],
    then: impl Fn(&Manager, &dyn LockGuard, &Path) + Sync,
) {
    let each = |call, error| {
        let server = Server::default();
        if !server.serve(call) {
            return;
        }
        let folder = folder::new();
        let manager = kind.open(folder.path()).unwrap();
        let guard = manager.try_lock("held").unwrap();
        // It is asked now and then, and as long as it answers all is well.
        let (opened, before) = (Instant::now(), server.called.load(SeqCst));
        while server.called.load(SeqCst) == before {
            assert!(manager.try_lock("used").is_some());
            assert!(opened.elapsed() < NOTICED, "the server is never asked");
            thread::sleep(Duration::from_millis(5));
        }
        guard.ensure_held().unwrap();
        server.error.store(error, SeqCst);
        then(&manager, &*guard, folder.path());
        server.error.store(0, SeqCst);
    };
    // In threads of their own, for the filter stays.
    thread::scope(|scope| {
        for call in CALLS {
            for &error in errors {
                let each = &each;
                scope.spawn(move || each(call, error));
            }
        }
    });
}

fn a_server_that_refuses_a_write_has_forgotten_the_lock(kind: Kind) {
    on_a_server(
        kind,
        &[libc::EIO, libc::ESTALE],
        |manager, guard, datadir| {
            let error = use_until_lost(manager).to_string();
            let lock = datadir.join("LOCK");
            let expected = format!("the server of {} no longer knows our lock", lock.display());
            assert!(error.contains(&expected), "{error}");
            assert!(guard.is_lost());
            let error = guard.ensure_held().unwrap_err();
            assert!(
                matches!(error, LockError::Lost { key: Some(_), .. }),
                "{error:?}"
            );
            assert!(manager.try_lock("new").is_none());
        },
    );
}

fn a_full_server_has_not(kind: Kind) {
    on_a_server(kind, &[libc::ENOSPC, libc::EDQUOT], |manager, guard, _| {
        let start = Instant::now();
        while start.elapsed() < NOTICED {
            assert!(manager.try_lock("used").is_some());
            thread::sleep(Duration::from_millis(20));
        }
        guard.ensure_held().unwrap();
    });
}

/// As over a mount with `softerr`, where the client gives up: see nfs(5).
fn what_a_server_cannot_be_asked_is_no_loss_and_no_lock(kind: Kind) {
    on_a_server(kind, &[libc::ETIMEDOUT], |manager, guard, datadir| {
        let start = Instant::now();
        let error = loop {
            match block_on(manager.0.try_acquire("used", LockMode::Exclusive)) {
                Ok(_) => assert!(start.elapsed() < NOTICED, "it grants locks all the same"),
                Err(error) => break error,
            }
            thread::sleep(Duration::from_millis(5));
        };
        assert!(matches!(error, LockError::Io { .. }), "{error:?}");
        let lock = datadir.join("LOCK");
        let expected = format!("cannot check whether {} is still ours", lock.display());
        assert!(error.to_string().contains(&expected), "{error}");
        // The next one who asks is told the same, at once.
        let error = guard.ensure_held().unwrap_err();
        assert!(matches!(error, LockError::Io { .. }), "{error:?}");
        assert!(!guard.is_lost());
    });
}

/// On a mount that waits for its server for ever, each check is stuck until the server is back. Meanwhile
/// the lock may be another machine's.
fn while_a_check_hangs_nobody_is_told_that_it_is_held(kind: Kind) {
    let hangs = Arc::new(AtomicBool::new(false));
    let (stuck, is_stuck) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let server = Arc::clone(&hangs);
    // It answers one call after the other, so all hang that come after the first.
    let intercepted = on_nfs(&[libc::SYS_pwrite64], move |_| {
        if server.load(SeqCst) {
            let _ = stuck.send(());
            let _ = released.recv();
        }
        Reply::Continue
    });
    if !intercepted {
        return;
    }
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let guard: Arc<dyn LockGuard> = manager.try_lock("held").unwrap().into();
    guard.ensure_held().unwrap();
    hangs.store(true, SeqCst);
    let last = Arc::new(Mutex::new(Instant::now()));
    let threads: Vec<_> = (0..40)
        .map(|_| {
            let (guard, last, hangs) = (Arc::clone(&guard), Arc::clone(&last), Arc::clone(&hangs));
            thread::spawn(move || {
                while hangs.load(SeqCst) && guard.ensure_held().is_ok() {
                    if hangs.load(SeqCst) {
                        *last.lock().unwrap() = Instant::now();
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            })
        })
        .collect();
    is_stuck.recv_timeout(LONG).unwrap();
    let since = Instant::now();
    thread::sleep(3 * NOTICED);
    let claimed = *last.lock().unwrap();
    hangs.store(false, SeqCst);
    drop(release);
    for thread in threads {
        thread.join().unwrap();
    }
    let for_so_long = claimed.saturating_duration_since(since);
    assert!(for_so_long < NOTICED, "it was told so for {for_so_long:?}");
    guard.ensure_held().unwrap();
}

/// An answer counts for a while: another one takes a way to the server and back.
fn a_server_is_not_asked_for_every_lock(kind: Kind) {
    let server = Server::default();
    if !server.serve(libc::SYS_fdatasync) {
        return;
    }
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let guard = manager.try_lock("held").unwrap();
    let (start, before) = (Instant::now(), server.called.load(SeqCst));
    for _ in 0..200 {
        assert!(manager.try_lock("used").is_some());
        guard.ensure_held().unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    let called = server.called.load(SeqCst) - before;
    let elapsed = start.elapsed();
    // However long each takes, so it is counted by the time.
    let most = 3 * (elapsed.as_millis() / NOTICED.as_millis() + 1);
    assert!(called as u128 <= most, "{called} times in {elapsed:?}");
}

/// Who asks waits for the answer. The others rely on the one before, as long as that counts.
fn while_the_server_is_asked_others_go_on(kind: Kind) {
    let answered = Arc::new(AtomicUsize::new(0));
    let (answers, over) = (Arc::clone(&answered), Arc::new(AtomicBool::new(false)));
    let (called, calls) = mpsc::channel();
    let intercepted = on_nfs(&[libc::SYS_fdatasync], move |_| {
        let _ = called.send(());
        thread::sleep(NOTICED / 4);
        answers.fetch_add(1, SeqCst);
        Reply::Continue
    });
    if !intercepted {
        return;
    }
    let folder = folder::new();
    let manager = Arc::new(kind.open(folder.path()).unwrap());
    let asks = {
        let (manager, over) = (Arc::clone(&manager), Arc::clone(&over));
        thread::spawn(move || {
            while !over.load(SeqCst) {
                assert!(manager.try_lock("used").is_some());
                thread::sleep(Duration::from_millis(5));
            }
        })
    };
    // More than once, as nothing was asked before the first time; and a machine that is busy may be too late now
    // and then.
    let went_on = (0..10).filter(|_| {
        // When it is asked the next time.
        while calls.try_recv().is_ok() {}
        calls.recv_timeout(LONG).unwrap();
        let before = answered.load(SeqCst);
        manager.try_lock("other").is_some() && answered.load(SeqCst) == before
    });
    let went_on = went_on.take(3).count();
    over.store(true, SeqCst);
    asks.join().unwrap();
    assert_eq!(went_on, 3);
}

/// Of those who flush a file at a time, the kernel tells one of an error: see fsync(2). The others would go on.
fn the_server_is_asked_by_one_thread_at_a_time(kind: Kind) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&asked);
    let intercepted = on_nfs(&CALLS, move |number| {
        calls.lock().unwrap().push(number);
        // So that others would come in between.
        thread::sleep(Duration::from_millis(5));
        Reply::Continue
    });
    if !intercepted {
        return;
    }
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let guard = manager.try_lock("held").unwrap();
    // Until all who ask have to ask the server.
    thread::sleep(NOTICED);
    asked.lock().unwrap().clear();
    let all_at_once = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                all_at_once.wait();
                guard.ensure_held().unwrap();
            });
        }
    });
    let asked = asked.lock().unwrap();
    assert!(!asked.is_empty());
    assert!(asked.chunks(2).all(|calls| calls == CALLS), "{asked:?}");
    // What one is told is good for all who waited for it.
    assert!(asked.chunks(2).len() < 8, "{asked:?}");
}

/// It may be an old one: what the server said before the network was cut, and said again when it was back.
fn a_late_answer_does_not_count(kind: Kind) {
    let late = Arc::new(AtomicUsize::new(0));
    let left = Arc::clone(&late);
    let intercepted = on_nfs(&[libc::SYS_fdatasync], move |_| match left.load(SeqCst) {
        0 => Reply::Continue,
        // What it says to the next question.
        1 => Reply::Fail(libc::EIO),
        left_over => {
            thread::sleep(NOTICED);
            left.store(left_over - 1, SeqCst);
            Reply::Continue
        }
    });
    if !intercepted {
        return;
    }
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let guard = manager.try_lock("held").unwrap();
    thread::sleep(NOTICED);
    // A server that is always late is no loss, but nothing that one can rely on.
    late.store(4, SeqCst);
    let error = guard.ensure_held().unwrap_err();
    assert!(matches!(error, LockError::Io { .. }), "{error:?}");
    late.store(2, SeqCst);
    let error = guard.ensure_held().unwrap_err();
    assert!(matches!(error, LockError::Lost { .. }), "{error:?}");
}

/// One thread opens a datadir on a server that does not answer, or gives one back; others
/// have theirs elsewhere.
fn a_server_that_hangs_holds_up_nobody_else(kind: Kind) {
    // In opening, and in the blanking of the record at the end.
    for hanging in [FSTATFS.0, libc::SYS_pwrite64] {
        let (here, elsewhere) = (folder::new(), folder::new());
        let (called, calls) = mpsc::channel();
        let (answer, answers) = mpsc::channel::<()>();
        let held = kind.open(elsewhere.path()).unwrap();
        let datadir = here.path().to_owned();
        let stuck = thread::spawn(move || {
            let opened = (hanging != FSTATFS.0).then(|| kind.open(&datadir).unwrap());
            let intercepted = intercept(&[hanging], move |_| {
                called.send(()).unwrap();
                // Until the end of the test, however that comes.
                let _ = answers.recv();
                Reply::Continue
            });
            if intercepted && opened.is_none() {
                drop(kind.open(&datadir));
            }
        });
        // An error where calls cannot be intercepted.
        if calls.recv_timeout(LONG).is_err() {
            return;
        }
        let (done, ended) = mpsc::channel();
        let path = elsewhere.path().to_owned();
        thread::spawn(move || {
            drop(held);
            drop(kind.open(path).unwrap());
            done.send(()).unwrap();
        });
        let ended = ended.recv_timeout(LONG / 4);
        drop(answer);
        ended.expect("the others go on");
        stuck.join().unwrap();
    }
}
