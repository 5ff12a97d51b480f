//! `LOCK`, `LOCKS` or a file in it is deleted or replaced while the datadir is shared.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::{Duration, Instant};

use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{LockError, LockManager, LockMode};
use futures::executor::block_on;

use crate::folder;
use crate::wakes::Waiting;

/// The time within which a loss has to be noticed.
const NOTICED: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

/// The file in `LOCKS` that has this key. It is open, and Linux says which one it is.
#[cfg(target_os = "linux")]
fn file_of(datadir: &Path, key: &str) -> std::path::PathBuf {
    let other = SharedDatadirLockManager::new(datadir).unwrap();
    let _guard = block_on(other.try_acquire(key, LockMode::Shared))
        .unwrap()
        .unwrap();
    let locks = datadir.join("LOCKS");
    let found = crate::process::open_files(&locks).next();
    found.expect("the file is open")
}

fn is_lost_after(change: impl FnOnce(&Path)) {
    let folder = folder::new();
    let datadir = fs::canonicalize(folder.path()).unwrap();
    let manager = SharedDatadirLockManager::new(&datadir).unwrap();
    let guard = block_on(manager.try_acquire("held", LockMode::Shared))
        .unwrap()
        .unwrap();
    change(&datadir);
    // A guard is asked for the very moment.
    assert!(guard.is_lost());
    let error = guard.ensure_held().unwrap_err().to_string();
    assert!(error.starts_with("lock \"held\" lost: "), "{error}");
    assert!(error.contains("was deleted or replaced"), "{error}");
    let refused = [
        block_on(manager.try_acquire("new", LockMode::Exclusive)).map(drop),
        block_on(manager.lock("new", LONG)).map(drop),
        block_on(manager.query()).map(drop),
    ];
    for error in refused {
        assert!(
            matches!(error, Err(LockError::Lost { key: None, .. })),
            "{error:?}"
        );
    }
    // To go on, the datadir is opened anew.
    drop((manager, guard));
    let new = SharedDatadirLockManager::new(&datadir).unwrap();
    assert!(block_on(new.try_lock("held")).is_some());
}

#[test]
fn a_deleted_lock_file_is_a_loss() {
    is_lost_after(|datadir| fs::remove_file(datadir.join("LOCK")).unwrap());
}

#[test]
fn a_deleted_folder_is_a_loss() {
    is_lost_after(|datadir| fs::remove_dir_all(datadir.join("LOCKS")).unwrap());
}

#[test]
fn a_replaced_folder_is_a_loss() {
    is_lost_after(|datadir| {
        fs::rename(datadir.join("LOCKS"), datadir.join("aside")).unwrap();
        // Whoever opens the datadir now makes a new one.
        SharedDatadirLockManager::new(datadir).unwrap();
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_replaced_file_is_a_loss() {
    is_lost_after(|datadir| {
        let file = file_of(datadir, "held");
        fs::rename(&file, datadir.join("aside")).unwrap();
        fs::write(&file, "").unwrap();
    });
}

/// Who comes to a key for the first time finds its file gone.
#[test]
fn a_file_that_is_gone_is_a_loss() {
    let folder = folder::new();
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    let guard = block_on(manager.try_lock("held")).unwrap();
    fs::remove_dir_all(folder.path().join("LOCKS")).unwrap();
    let began = Instant::now();
    // At the latest by the check that is due.
    let error = loop {
        match block_on(manager.try_acquire("new", LockMode::Exclusive)) {
            Err(error) => break error,
            Ok(_) => std::thread::sleep(Duration::from_millis(5)),
        }
        assert!(began.elapsed() < NOTICED, "it was not noticed");
    };
    assert!(
        matches!(error, LockError::Lost { key: None, .. }),
        "{error}"
    );
    assert!(guard.is_lost());
}

/// With classic record locks, whoever closes a descriptor of the file frees all that the process has.
#[test]
fn what_others_open_and_close_stays_locked() {
    let folder = folder::new();
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(folder.path()).unwrap());
    let guard = block_on(one.try_lock("held")).unwrap();
    let files = fs::read_dir(folder.path().join("LOCKS")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    for file in files.chain([folder.path().join("LOCK")]) {
        drop(fs::File::open(&file).unwrap());
        drop(fs::read(&file).unwrap());
    }
    guard.ensure_held().unwrap();
    assert!(block_on(other.try_lock("held")).is_none());
    crosslock::pid_fcntl::FcntlPidLockManager::new(folder.path()).unwrap_err();
    drop((guard, one));
    assert!(block_on(other.try_lock("held")).is_some());
}

/// One waits for another process when `LOCKS` goes, and somebody else notices.
#[tokio::test]
async fn whoever_waits_for_others_hears_of_the_loss() {
    let folder = folder::new();
    let (one, other) = [(); 2]
        .map(|()| SharedDatadirLockManager::new(folder.path()).unwrap())
        .into();
    let held = one.try_lock("key").await.unwrap();
    let kept = other.try_lock("kept").await.unwrap();
    let waiting = Waiting::new(other.lock("key", Duration::MAX)).await;
    let lost = Waiting::new(kept.lost()).await;
    fs::remove_dir_all(folder.path().join("LOCKS")).unwrap();
    assert!(kept.is_lost());
    lost.end().await;
    let error = waiting.end().await.unwrap_err();
    assert!(
        matches!(error, LockError::Lost { key: None, .. }),
        "{error}"
    );
    assert!(held.is_lost());
}

/// A grant after a long wait is looked at.
#[tokio::test]
async fn a_grant_on_what_was_replaced_is_none() {
    let folder = folder::new();
    let (one, other): (SharedDatadirLockManager, _) = [(); 2]
        .map(|()| SharedDatadirLockManager::new(folder.path()).unwrap())
        .into();
    let held = one.try_lock("key").await.unwrap();
    let mut waiting = other.lock("key", LONG);
    assert!(futures::poll!(&mut waiting).is_pending());
    fs::rename(folder.path().join("LOCKS"), folder.path().join("aside")).unwrap();
    tokio::time::sleep(NOTICED).await;
    drop(held);
    let error = waiting.await.unwrap_err();
    assert!(matches!(error, LockError::Lost { .. }), "{error}");
}

/// What happens while a waker is cloned, and whether it was woken.
type Moment = (Box<dyn Fn() + Send + Sync>, AtomicBool);

/// A waker whose clone is the moment at which something else happens: a request clones it after it has looked for
/// a loss, and before the waker is where it is woken.
fn waker_at(moment: &Moment) -> Waker {
    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: all of these wakers are of a test that outlives them.
        let (happens, _) = unsafe { &*data.cast::<Moment>() };
        happens();
        RawWaker::new(data, &VTABLE)
    }
    unsafe fn wake(data: *const ()) {
        // SAFETY: as above.
        let (_, was_woken) = unsafe { &*data.cast::<Moment>() };
        was_woken.store(true, Relaxed);
    }
    unsafe fn forget(_: *const ()) {}
    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, forget);
    // SAFETY: the functions above may be called by any thread, as both halves of a `Moment` may.
    unsafe { Waker::new(std::ptr::from_ref(moment).cast(), &VTABLE) }
}

#[test]
fn a_loss_that_is_found_while_a_wait_begins_is_heard_of() {
    let folder = folder::new();
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(folder.path()).unwrap());
    let _held = block_on(one.try_lock("key")).unwrap();
    let kept = block_on(other.try_lock("kept")).unwrap();
    let locks = folder.path().join("LOCKS");
    let finds_loss = move || {
        let _gone_before = fs::remove_dir_all(&locks);
        assert!(kept.is_lost());
    };
    let moment: Moment = (Box::new(finds_loss), AtomicBool::new(false));
    let waker = waker_at(&moment);
    let mut wait = other.lock("key", Duration::MAX);
    let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
    let is_told = moment.1.load(Relaxed);
    match polled {
        Poll::Ready(Err(LockError::Lost { .. })) => {}
        polled => assert!(is_told, "it waits for ever: {polled:?}"),
    }
    drop(wait);
}
