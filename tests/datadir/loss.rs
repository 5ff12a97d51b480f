//! `LOCK` is deleted or replaced while it is held.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crosslock::{AcquireOptions, LockError};
use futures::FutureExt;
use futures::executor::block_on;

use crate::child::{Answer, open_elsewhere};
use crate::folder;
use crate::managers::LONG;
use crate::managers::{Kind, Manager, with_each_manager};

with_each_manager! {
    a_deleted_lock_file_is_a_loss
    a_replaced_lock_file_is_a_loss
    a_moved_datadir_is_a_loss
    whoever_waits_hears_of_the_loss
    a_grant_after_a_long_wait_is_looked_at
    after_a_loss_one_can_open_anew
    what_cannot_be_looked_at_is_no_loss
    deletes_and_opens_never_make_two_owners
}

/// The time within which a loss has to be noticed.
pub(crate) const NOTICED: Duration = Duration::from_secs(1);

/// Waits for the manager to notice, as a program would: by using it.
pub(crate) fn use_until_lost(manager: &Manager) -> LockError {
    let start = std::time::Instant::now();
    loop {
        match block_on(manager.0.try_acquire("used", Default::default())) {
            Err(error @ LockError::Lost { key: None, .. }) => return error,
            Ok(Some(_guard)) => {}
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() < NOTICED, "it was not noticed");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn assert_lost(manager: &Manager, guard: &dyn crosslock::LockGuard, path: &Path) {
    // A guard is asked for the very moment.
    assert!(guard.is_lost());
    let error = guard.ensure_held().unwrap_err().to_string();
    let expected = format!(
        "lock \"held\" lost: {} was deleted or replaced",
        path.display()
    );
    assert!(error.starts_with(&expected), "{error}");

    let error = use_until_lost(manager).to_string();
    let expected = format!(
        "lock manager lost: {} was deleted or replaced",
        path.display()
    );
    assert!(error.starts_with(&expected), "{error}");
    assert!(!error.contains("delete it"), "{error}");

    let timeout = Duration::from_secs(60);
    for error in [
        block_on(manager.0.lock("new", timeout)).unwrap_err(),
        block_on(manager.0.acquire("new", AcquireOptions::shared(timeout))).unwrap_err(),
        block_on(manager.0.steal("held")).unwrap_err(),
        block_on(manager.0.query()).unwrap_err(),
    ] {
        assert!(
            matches!(error, LockError::Lost { key: None, .. }),
            "{error:?}"
        );
    }
    assert!(manager.try_lock("new").is_none());
    assert!(guard.is_lost());
}

fn a_deleted_lock_file_is_a_loss(kind: Kind) {
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let guard = manager.try_lock("held").unwrap();
    let lock = folder.path().join("LOCK");
    fs::remove_file(&lock).unwrap();
    assert_lost(&manager, &*guard, &lock);
}

fn a_replaced_lock_file_is_a_loss(kind: Kind) {
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let guard = manager.try_lock("held").unwrap();
    let lock = folder.path().join("LOCK");
    // With the same content, the same length and the same times, as a backup would.
    let copy = folder.path().join("copy");
    fs::copy(&lock, &copy).unwrap();
    fs::rename(&copy, &lock).unwrap();
    assert_lost(&manager, &*guard, &lock);
}

fn a_moved_datadir_is_a_loss(kind: Kind) {
    let folder = folder::new();
    let datadir = folder.path().join("datadir");
    let manager = kind.open(&datadir).unwrap();
    let guard = manager.try_lock("held").unwrap();
    fs::rename(&datadir, folder.path().join("moved")).unwrap();
    fs::create_dir(&datadir).unwrap();
    assert_lost(&manager, &*guard, &datadir.join("LOCK"));
}

fn whoever_waits_hears_of_the_loss(kind: Kind) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(async {
        let folder = folder::new();
        let manager = kind.open(folder.path()).unwrap();
        let guard = manager.0.try_lock("held").await.unwrap();
        let mut waiting = manager.0.lock("held", LONG);
        assert!(futures::poll!(&mut waiting).is_pending());
        let mut lost = guard.lost();
        assert!(futures::poll!(&mut lost).is_pending());

        fs::remove_file(folder.path().join("LOCK")).unwrap();
        // Nobody uses the manager meanwhile: waiting for the loss is use enough.
        tokio::time::timeout(NOTICED, lost).await.unwrap();
        let error = waiting.await.unwrap_err();
        assert!(
            matches!(error, LockError::Lost { key: None, .. }),
            "{error:?}"
        );
    });
}

/// The lock file went while they waited, and nobody looked until the grant.
fn a_grant_after_a_long_wait_is_looked_at(kind: Kind) {
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let guard = manager.try_lock("held").unwrap();
    let mut waiting = manager.0.lock("held", Duration::MAX);
    assert!(waiting.as_mut().now_or_never().is_none());
    fs::remove_file(folder.path().join("LOCK")).unwrap();
    // What was seen a moment ago may be believed; this long ago it may not.
    std::thread::sleep(NOTICED);
    drop(guard);
    let error = block_on(waiting).unwrap_err();
    assert!(
        matches!(error, LockError::Lost { key: None, .. }),
        "{error:?}"
    );
}

fn after_a_loss_one_can_open_anew(kind: Kind) {
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let lock = folder.path().join("LOCK");
    let moved = folder.path().join("moved");
    fs::rename(&lock, &moved).unwrap();
    use_until_lost(&manager);

    let new = kind.open(folder.path()).unwrap();
    assert!(new.try_lock("key").is_some());
    // Lost is lost, even if the file comes back.
    assert!(manager.try_lock("key").is_none());
    drop(manager);
    assert!(matches!(
        open_elsewhere(kind, folder.path()),
        Answer::Held(Some(_))
    ));
    fs::rename(&moved, &lock).unwrap();
    use_until_lost(&new);
}

/// An error while looking is reported as what it is, and passes.
fn what_cannot_be_looked_at_is_no_loss(kind: Kind) {
    let folder = folder::new();
    let parent = folder.path().join("parent");
    let manager = kind.open(parent.join("datadir")).unwrap();
    let guard = manager.try_lock("held").unwrap();
    // A link to itself at a place on the path: the look ends in ELOOP. (Taking away
    // permissions would do too, but not for root.)
    let aside = folder.path().join("aside");
    fs::rename(&parent, &aside).unwrap();
    std::os::unix::fs::symlink("parent", &parent).unwrap();
    let error = guard.ensure_held().unwrap_err();
    assert!(matches!(error, LockError::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("LOCK"), "{error}");
    assert!(!guard.is_lost());
    // Nor does anyone get a lock meanwhile, once it was tried to look.
    for _ in 0..3 {
        let error = block_on(manager.0.try_acquire("other", Default::default())).unwrap_err();
        assert!(matches!(error, LockError::Io { .. }), "{error:?}");
    }

    fs::remove_file(&parent).unwrap();
    fs::rename(&aside, &parent).unwrap();
    guard.ensure_held().unwrap();
    assert!(manager.try_lock("other").is_some());
}

/// One thread deletes `LOCK` all the time, while others open the datadir. Whoever is
/// in can be put out by the next delete, but then knows it: of two managers that
/// are open at the same time, one at most still has its lock.
fn deletes_and_opens_never_make_two_owners(kind: Kind) {
    let folder = folder::new();
    let (datadir, over) = (folder.path(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = fs::remove_file(datadir.join("LOCK"));
                std::thread::yield_now();
            }
        });
        let openers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut opened = Vec::new();
                    for _ in 0..2000 {
                        match kind.open(datadir) {
                            Ok(manager) => {
                                opened.push(manager.try_lock("key").map(|guard| (manager, guard)))
                            }
                            Err(crosslock::PidLockError::AlreadyHeld { .. }) => {}
                            Err(crosslock::PidLockError::SetupFailed { source, .. })
                                if source.to_string().contains("over and over") => {}
                            Err(error) => panic!("{error}"),
                        }
                        // Keep some of them, so that the next ones come upon them.
                        if opened.len() > 3 {
                            opened.clear();
                        }
                    }
                    opened
                })
            })
            .collect();
        let opened = openers.into_iter().map(|opener| opener.join().unwrap());
        let left: Vec<_> = opened.flatten().flatten().collect();
        over.store(true, Ordering::Relaxed);
        let owners = left.iter().filter(|(_, guard)| !guard.is_lost()).count();
        assert!(owners <= 1, "{owners} owners");
    });
}
