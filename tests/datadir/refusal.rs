//! A second manager on a datadir is refused, and the first one still holds.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crosslock::{LockScope, PidLockError};

use crate::child::{Answer, holder, open_elsewhere};
use crate::folder;
use crate::managers::{Kind, with_each_manager};

with_each_manager! {
    a_second_process_is_refused
    a_second_instance_is_refused
    every_spelling_of_a_datadir_is_refused
    the_other_manager_is_refused
    whoever_reads_the_lock_file_frees_nothing
    two_datadirs_do_not_contend
    guards_keep_the_datadir
    clones_keep_the_datadir_and_share_its_keys
    another_lock_file_is_another_lock
    platform_default_is_refused_and_says_by_whom
}

/// The holder of `datadir` still holds it, for another process and for this one.
fn assert_still_held(kind: Kind, datadir: &Path, holder: u32) {
    assert_eq!(
        open_elsewhere(kind, datadir),
        Answer::Held(Some(holder)),
        "{}",
        datadir.display()
    );
    match kind.open(datadir) {
        Err(PidLockError::AlreadyHeld { datadir: told, pid }) => {
            assert_eq!((told.as_path(), pid), (datadir, Some(holder)));
        }
        other => panic!("{other:?}"),
    }
}

fn a_second_process_is_refused(kind: Kind) {
    let folder = folder::new();
    let first = holder(kind, folder.path());
    assert_still_held(kind, folder.path(), first.id());
    // Refused attempts free nothing.
    assert_still_held(kind, folder.path(), first.id());
    first.finish();
    assert_eq!(open_elsewhere(kind, folder.path()), Answer::Opened);
    let error = {
        let _first = kind.open(folder.path()).unwrap();
        kind.open(folder.path()).unwrap_err().to_string()
    };
    let expected = format!(
        "another process is already using datadir {} (holder PID: {})",
        folder.path().display(),
        std::process::id()
    );
    assert_eq!(error, expected);
}

fn a_second_instance_is_refused(kind: Kind) {
    let folder = folder::new();
    let first = kind.open(folder.path()).unwrap();
    let guard = first.try_lock("key").unwrap();
    for _ in 0..3 {
        assert_still_held(kind, folder.path(), std::process::id());
    }
    assert!(!guard.is_lost());
    assert!(first.try_lock("other").is_some());
    drop((first, guard));
    drop(kind.open(folder.path()).unwrap());
}

fn every_spelling_of_a_datadir_is_refused(kind: Kind) {
    let folder = folder::new();
    let datadir = folder.path().join("datadir");
    let _first = kind.open(&datadir).unwrap();

    let mut spellings = vec![
        folder.path().join(".").join("datadir"),
        folder.path().join("datadir/../datadir"),
        datadir.join(""),
        relative(&datadir),
    ];
    spellings.extend(through_links(folder.path()));
    for spelling in &spellings {
        assert_still_held(kind, spelling, std::process::id());
    }
    // The refused attempts have freed nothing.
    assert_still_held(kind, &datadir, std::process::id());
}

#[cfg(unix)]
fn through_links(folder: &Path) -> Vec<PathBuf> {
    let link = folder.join("link");
    std::os::unix::fs::symlink("datadir", &link).unwrap();
    vec![link.join("../link"), link]
}

/// To make a link there takes a privilege that Wine does not know.
#[cfg(windows)]
fn through_links(_folder: &Path) -> Vec<PathBuf> {
    Vec::new()
}

/// From the working directory of this process and its children.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap();
    // One `..` for each directory below the root; on Windows, drives must agree.
    let to_root: PathBuf = here.ancestors().skip(1).map(|_| "..").collect();
    let from_root = path.components().filter(|component| {
        matches!(
            component,
            std::path::Component::Normal(_) | std::path::Component::ParentDir
        )
    });
    let relative = to_root.join(from_root.collect::<PathBuf>());
    assert!(relative.is_relative() && relative.exists(), "{relative:?}");
    relative
}

fn the_other_manager_is_refused(kind: Kind) {
    for &other in Kind::ALL {
        let folder = folder::new();
        {
            let _first = kind.open(folder.path()).unwrap();
            assert_still_held(other, folder.path(), std::process::id());
        }
        let first = holder(kind, folder.path());
        assert_still_held(other, folder.path(), first.id());
        first.kill();
        assert_eq!(open_elsewhere(other, folder.path()), Answer::Opened);
    }
}

fn whoever_reads_the_lock_file_frees_nothing(kind: Kind) {
    let folder = folder::new();
    let _first = kind.open(folder.path()).unwrap();
    let lock = folder.path().join("LOCK");
    let shown = fs::read_to_string(&lock).unwrap();
    assert_eq!(shown.trim(), std::process::id().to_string());
    drop(
        fs::File::options()
            .read(true)
            .write(true)
            .open(&lock)
            .unwrap(),
    );
    assert_still_held(kind, folder.path(), std::process::id());
}

fn two_datadirs_do_not_contend(kind: Kind) {
    let folder = folder::new();
    let one = kind.open(folder.path().join("one")).unwrap();
    let two = kind.open(folder.path().join("two")).unwrap();
    let _held = one.try_lock("key").unwrap();
    assert!(two.try_lock("key").is_some());
    assert!(one.try_lock("key").is_none());
    assert_eq!(one.0.scope(), LockScope::Datadir);
}

fn guards_keep_the_datadir(kind: Kind) {
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let one = manager.try_lock("one").unwrap();
    let two = manager.try_lock("two").unwrap();
    drop(manager);
    assert_still_held(kind, folder.path(), std::process::id());
    drop(one);
    assert_still_held(kind, folder.path(), std::process::id());
    assert!(!two.is_lost());
    drop(two);
    assert_eq!(open_elsewhere(kind, folder.path()), Answer::Opened);
}

fn clones_keep_the_datadir_and_share_its_keys(kind: Kind) {
    let folder = folder::new();
    let (first, clone) = kind.open_cloned(folder.path()).unwrap();
    let guard = first.try_lock("key").unwrap();
    assert!(clone.try_lock("key").is_none());
    drop((guard, first));
    assert_still_held(kind, folder.path(), std::process::id());
    drop(clone.try_lock("key").unwrap());
    drop(clone);
    assert_eq!(open_elsewhere(kind, folder.path()), Answer::Opened);
}

fn another_lock_file_is_another_lock(kind: Kind) {
    let folder = folder::new();
    let _first = kind.open(folder.path()).unwrap();
    // The usual one by its name is the usual one.
    for name in lock_files() {
        assert!(folder.path().join(name).is_file(), "{name}");
        let second = kind.open_lock_file(folder.path(), name);
        assert!(matches!(second, Err(PidLockError::AlreadyHeld { .. })));
    }
    let wallet = kind.open_lock_file(folder.path(), "wallet.lock").unwrap();
    assert!(folder.path().join("wallet.lock").is_file());
    let second = kind.open_lock_file(folder.path(), "wallet.lock");
    let Err(PidLockError::AlreadyHeld { pid, .. }) = second else {
        panic!("{second:?}");
    };
    assert_eq!(pid, Some(std::process::id()));
    drop(wallet);
    kind.open_lock_file(folder.path(), "wallet.lock").unwrap();

    for name in ["", ".", "..", "a/b", "/a", "a/"] {
        let failed = kind.open_lock_file(folder.path(), name);
        let Err(PidLockError::SetupFailed { source, .. }) = failed else {
            panic!("{name:?}: {failed:?}");
        };
        assert!(
            source.to_string().contains("not a plain file name"),
            "{source}"
        );
    }
}

/// What the managers call the file unless they are given another name.
fn lock_files() -> Vec<&'static str> {
    vec![
        #[cfg(not(target_os = "ios"))]
        crosslock::pid_flock::LOCK_FILE,
        #[cfg(unix)]
        crosslock::pid_fcntl::LOCK_FILE,
    ]
}

fn platform_default_is_refused_and_says_by_whom(kind: Kind) {
    let folder = folder::new();
    let first = holder(kind, folder.path());
    let open = || -> anyhow::Result<()> {
        crosslock::platform_default(folder.path())?;
        Ok(())
    };
    let error = open().unwrap_err();
    match error.downcast_ref::<PidLockError>() {
        Some(PidLockError::AlreadyHeld { pid, .. }) => assert_eq!(*pid, Some(first.id())),
        other => panic!("{other:?}"),
    }
    first.finish();
    let manager = crosslock::platform_default(folder.path()).unwrap();
    let guard = futures::executor::block_on(manager.lock("key", Duration::ZERO));
    assert!(guard.is_ok());
}
