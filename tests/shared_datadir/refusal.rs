//! Who shares a datadir, and who wants it alone, refuse each other.

use std::fs;
use std::time::Duration;

#[cfg(unix)]
use crosslock::pid_fcntl::FcntlPidLockManager;
#[cfg(not(target_os = "ios"))]
use crosslock::pid_flock::FlockPidLockManager;
#[cfg(windows)]
use crosslock::pid_flock::FlockPidLockManager as FcntlPidLockManager;
use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{DatadirOptions, LockManager, PidLockError, platform_default};
use futures::executor::block_on;

use crate::folder;

type Opened = Result<Box<dyn LockManager>, PidLockError>;

fn opened<M: LockManager + 'static>(opened: Result<M, PidLockError>) -> Opened {
    Ok(Box::new(opened?))
}

const ALONE: &[fn(DatadirOptions) -> Opened] = &[
    #[cfg(unix)]
    |options| opened(FcntlPidLockManager::open(options)),
    #[cfg(not(target_os = "ios"))]
    |options| opened(FlockPidLockManager::open(options)),
    |options| platform_default(options.datadir),
];

fn shares(options: DatadirOptions) -> Opened {
    opened(SharedDatadirLockManager::open(options))
}

#[test]
fn who_wants_it_alone_is_refused() {
    for open in ALONE {
        let folder = folder::new();
        let options = DatadirOptions::new(folder.path());
        let sharers = [shares(options.clone()), shares(options.clone())].map(Result::unwrap);
        let error = open(options.clone()).map(drop).unwrap_err();
        assert!(matches!(
            error,
            PidLockError::OtherKind {
                is_shared: true,
                ..
            }
        ));
        assert_eq!(
            error.to_string(),
            format!(
                "another process is already using datadir {}: it shares the datadir by key \
                 (SharedDatadirLockManager); stop it, or open the datadir with \
                 SharedDatadirLockManager here as well",
                folder.path().display()
            )
        );
        // The attempt has disturbed nobody, and the last one to leave frees it.
        assert!(block_on(sharers[0].try_lock("key")).is_some());
        shares(options.clone()).unwrap();
        let [first, second] = sharers;
        drop(first);
        open(options.clone()).map(drop).unwrap_err();
        drop(second);
        open(options).unwrap();
    }
}

#[test]
fn who_shares_is_refused() {
    for open in ALONE {
        let folder = folder::new();
        let options = DatadirOptions::new(folder.path());
        let alone = open(options.clone()).unwrap();
        let error = shares(options.clone()).map(drop).unwrap_err();
        assert!(matches!(
            error,
            PidLockError::OtherKind {
                is_shared: false,
                ..
            }
        ));
        let text = error.to_string();
        let holder = match cfg!(any(target_os = "linux", windows)) {
            true => format!(" (holder PID: {})", std::process::id()),
            false => String::new(),
        };
        let expected = format!(
            "another process is already using datadir {}{holder}: it has the datadir for itself",
            folder.path().display()
        );
        assert!(text.starts_with(&expected), "{text}");
        assert!(text.contains("SharedDatadirLockManager as well"), "{text}");
        drop(alone);
        shares(options).unwrap();
    }
}

#[test]
fn what_is_logged_of_it_names_the_datadir_and_the_key() {
    let folder = folder::new();
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    let shown = format!("{manager:?}");
    let datadir = format!("{:?}", folder.path());
    assert!(shown.contains(&datadir), "{shown}");
    let guard = block_on(manager.try_lock("some.key")).unwrap();
    let shown = format!("{guard:?}");
    assert!(shown.contains("some.key"), "{shown}");
}

/// A guard keeps the datadir as its manager does.
#[test]
fn a_guard_keeps_the_datadir_shared() {
    let folder = folder::new();
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    let guard = block_on(manager.try_lock("key")).unwrap();
    drop(manager);
    FcntlPidLockManager::new(folder.path()).unwrap_err();
    drop(guard);
    FcntlPidLockManager::new(folder.path()).unwrap();
}

#[test]
fn a_sharer_can_wait_until_the_datadir_is_free() {
    let folder = folder::new();
    let path = folder.path();
    let alone = FcntlPidLockManager::new(path).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            SharedDatadirLockManager::open_timeout(path, Duration::from_secs(60)).unwrap()
        });
        drop(alone);
        waits.join().unwrap();
    });
}

/// What a killed process has left in `LOCK` is no holder, and stays as it is.
#[test]
fn nobody_who_shares_writes_to_the_lock_file() {
    let folder = folder::new();
    let lock = folder.path().join("LOCK");
    fs::write(&lock, "4242").unwrap();
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    drop(block_on(manager.try_lock("key")).unwrap());
    drop(manager);
    assert_eq!(fs::read_to_string(&lock).unwrap(), "4242");
}

/// Through another path it is the same datadir.
#[test]
#[cfg(unix)]
fn one_datadir_is_one_datadir() {
    let folder = folder::new();
    let (datadir, link) = (folder.path().join("datadir"), folder.path().join("link"));
    let one = SharedDatadirLockManager::new(&datadir).unwrap();
    std::os::unix::fs::symlink(&datadir, &link).unwrap();
    let other = SharedDatadirLockManager::new(&link).unwrap();
    let guard = block_on(one.try_lock("key")).unwrap();
    assert!(block_on(other.try_lock("key")).is_none());
    drop(guard);
    assert!(block_on(other.try_lock("key")).is_some());
}

/// Nothing but the lock needs a file of its own name.
#[test]
fn another_lock_file_has_another_folder() {
    let folder = folder::new();
    let options = DatadirOptions::new(folder.path()).with_lock_file("wallet.lock");
    let manager = SharedDatadirLockManager::open(options).unwrap();
    assert!(block_on(manager.try_lock("key")).is_some());
    assert!(folder.path().join("wallet.lockS").is_dir());
    assert!(!folder.path().join("LOCKS").exists());
}

/// What is in the way of `LOCKS` is named, and nothing is refused later that was opened.
#[test]
fn what_is_in_the_way_is_named() {
    let folder = folder::new();
    fs::write(folder.path().join("LOCKS"), "").unwrap();
    let error = SharedDatadirLockManager::new(folder.path()).unwrap_err();
    let PidLockError::SetupFailed { source, .. } = error else {
        panic!("{error}");
    };
    assert!(source.to_string().contains("LOCKS"), "{source}");
    // The lock on `LOCK` is gone with the attempt.
    FcntlPidLockManager::new(folder.path()).unwrap();
}

/// Many come upon a new datadir at once, and one of them creates each file.
#[test]
fn many_can_open_a_new_datadir_at_once() {
    const OPENERS: usize = 4;
    for _ in 0..10 {
        let folder = folder::new();
        let all = std::sync::Barrier::new(OPENERS);
        std::thread::scope(|scope| {
            for _ in 0..OPENERS {
                scope.spawn(|| {
                    all.wait();
                    SharedDatadirLockManager::new(folder.path()).unwrap();
                });
            }
        });
    }
}

/// Other names in `LOCKS` stand for none of its files, however like a number they look.
#[test]
#[cfg(unix)]
fn other_files_in_the_folder_are_no_matter() {
    let folder = folder::new();
    let locks = folder.path().join("LOCKS");
    fs::create_dir(&locks).unwrap();
    for name in ["80", "81", "ff", "7F", "0A", "00a", "00", "+1", "1", "x"] {
        fs::write(locks.join(name), "").unwrap();
    }
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    // So many that each of the files has some.
    for n in 0..2000 {
        assert!(block_on(manager.try_lock(&format!("key.{n}"))).is_some());
    }
}

/// A program that knows nothing of us, and locks `LOCK` by `flock(2)` alone.
#[cfg(target_os = "linux")]
#[test]
fn a_lock_of_another_program_counts() {
    use std::os::fd::AsRawFd;

    let folder = folder::new();
    let lock = folder.path().join("LOCK");
    let other = fs::File::create(&lock).unwrap();
    let flock = |operation| {
        // SAFETY: `flock` takes numbers, and the file is open.
        unsafe { libc::flock(other.as_raw_fd(), operation) == 0 }
    };
    assert!(flock(libc::LOCK_EX));
    let error = SharedDatadirLockManager::new(folder.path()).unwrap_err();
    assert!(matches!(error, PidLockError::OtherKind { .. }), "{error}");
    assert!(flock(libc::LOCK_UN));
    // And the other way round: it is refused, as long as the datadir is shared.
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    assert!(!flock(libc::LOCK_EX | libc::LOCK_NB));
    drop(manager);
    assert!(flock(libc::LOCK_EX | libc::LOCK_NB));
}
