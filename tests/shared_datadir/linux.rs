//! What takes a mount, a container or a filter of system calls to show.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crosslock::pid_fcntl::FcntlPidLockManager;
use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{LockError, LockManager, LockMode, PidLockError};
use futures::executor::block_on;

use crate::filter::{self, refuse_open_file_description_locks};
use crate::folder;
use crate::process::{self, command_under, must_pass, passed};
use crate::runtime;

const LONG: Duration = Duration::from_secs(60);

/// Runs a command as root in mounts of its own: those of this machine stay as they are.
const OWN_MOUNTS: &[&str] = &["unshare", "--user", "--map-root-user", "--mount"];

fn with_own_mounts(test: &str, datadir: &Path) {
    if let Some(mut command) = command_under(OWN_MOUNTS, test, datadir) {
        passed(command.output());
    }
}

fn mount(arguments: &[&str], at: &Path) {
    let status = Command::new("mount").args(arguments).arg(at).status();
    let at = at.display();
    assert!(status.unwrap().success(), "mount {arguments:?} {at}");
}

/// Why a datadir cannot be opened, with what the user is shown.
fn setup_fails(datadir: &Path) -> (io::ErrorKind, String) {
    match SharedDatadirLockManager::new(datadir).unwrap_err() {
        PidLockError::SetupFailed { source, .. } => {
            let cause = std::error::Error::source(&source).map(|cause| format!(": {cause}"));
            (
                source.kind(),
                format!("{source}{}", cause.unwrap_or_default()),
            )
        }
        other => panic!("{other}"),
    }
}

#[test]
fn no_space_for_the_files_is_an_error() {
    with_own_mounts("linux::on_a_full_disk", folder::new().path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn on_a_full_disk() {
    let Some(folder) = process::datadir() else {
        return;
    };
    // One for each of the root, the datadir and LOCK.
    mount(&["-t", "tmpfs", "-o", "nr_inodes=3", "none"], &folder);
    let datadir = folder.join("datadir");
    let (kind, message) = setup_fails(&datadir);
    assert_eq!(kind, io::ErrorKind::StorageFull, "{message}");
    assert!(message.contains("LOCKS"), "{message}");
    // And for LOCKS and some of the 128 files.
    mount(&["-o", "remount,nr_inodes=20"], &folder);
    let (kind, message) = setup_fails(&datadir);
    assert_eq!(kind, io::ErrorKind::StorageFull, "{message}");
    let expected = format!("cannot open or create {}/", datadir.join("LOCKS").display());
    assert!(message.starts_with(&expected), "{message}");
    assert!(message.contains("No space left"), "{message}");
    // The attempt has let go of LOCK.
    drop(FcntlPidLockManager::new(&datadir).unwrap());
    // Who has made room goes on from there.
    mount(&["-o", "remount,nr_inodes=1000"], &folder);
    let manager = SharedDatadirLockManager::new(&datadir).unwrap();
    assert!(block_on(manager.try_lock("key")).is_some());
}

#[test]
fn a_disk_that_is_full_later_refuses_no_lock() {
    with_own_mounts("linux::on_a_disk_that_gets_full", folder::new().path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn on_a_disk_that_gets_full() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    mount(
        &["-t", "tmpfs", "-o", "size=64k,nr_inodes=140", "none"],
        &datadir,
    );
    let one = SharedDatadirLockManager::new(&datadir).unwrap();
    let full = fs::write(datadir.join("filler"), [0; 1 << 17]).unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    for n in 0.. {
        if fs::write(datadir.join(format!("file.{n}")), "").is_err() {
            break;
        }
    }
    // Another process is let in as well, and all 128 files are used by both.
    let other = SharedDatadirLockManager::new(&datadir).unwrap();
    let keys: Vec<_> = (0..1000).map(|n| format!("key.{n}")).collect();
    let guards: Vec<_> = keys
        .iter()
        .map(|key| block_on(one.lock(key, Duration::ZERO)).unwrap())
        .collect();
    for key in &keys {
        assert!(
            block_on(other.try_acquire(key, LockMode::Shared))
                .unwrap()
                .is_none()
        );
    }
    let runtime = runtime::new();
    runtime.block_on(async {
        let mut wait = other.lock(&keys[0], LONG);
        assert!(futures::poll!(&mut wait).is_pending());
        drop(guards);
        drop(wait.await.unwrap());
    });
}

#[test]
fn a_read_only_file_system_is_an_error() {
    let folder = folder::new();
    SharedDatadirLockManager::new(folder.path().join("used")).unwrap();
    with_own_mounts("linux::on_a_read_only_file_system", folder.path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn on_a_read_only_file_system() {
    let Some(folder) = process::datadir() else {
        return;
    };
    // While it is open, too. What is open stays so.
    let manager = SharedDatadirLockManager::new(folder.join("used")).unwrap();
    let guard = block_on(manager.try_lock("a")).unwrap();
    mount(&["--bind", folder.to_str().unwrap()], &folder);
    mount(&["-o", "remount,ro,bind"], &folder);
    for datadir in [folder.clone(), folder.join("used"), folder.join("new/dir")] {
        let (kind, message) = setup_fails(&datadir);
        assert_eq!(kind, io::ErrorKind::ReadOnlyFilesystem, "{message}");
        assert!(message.contains("Read-only"), "{message}");
    }
    guard.ensure_held().unwrap();
    drop(guard);
    assert!(block_on(manager.try_lock("a")).is_some());
    // A file that was not used yet cannot be locked, which is an error and no answer.
    let error = block_on(manager.try_acquire("b", LockMode::Exclusive)).unwrap_err();
    let LockError::Io {
        context, source, ..
    } = error
    else {
        panic!("{error}");
    };
    assert!(context.starts_with("cannot lock \"b\" in "), "{context}");
    assert_eq!(source.kind(), io::ErrorKind::ReadOnlyFilesystem);
    assert!(source.to_string().contains("mounted read-only"), "{source}");
}

#[test]
fn without_open_file_description_locks_it_is_refused() {
    if !filter::is_possible() {
        return;
    }
    must_pass("linux::on_an_old_kernel", folder::new().path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn on_an_old_kernel() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    refuse_open_file_description_locks();
    let (kind, message) = setup_fails(&datadir);
    assert!(
        message.contains("no open file description locks"),
        "{message}"
    );
    assert!(message.contains("Linux has them since 3.15"), "{message}");
    assert!(
        message.contains("use one process with a pid-lock"),
        "{message}"
    );
    assert_eq!(kind, io::ErrorKind::InvalidInput);
    assert!(!datadir.join("LOCKS").exists());
    // That is what can be done.
    FcntlPidLockManager::new(&datadir).unwrap();
}

/// Runs a command with processes of its own, of which it is the first.
const CONTAINER: &[&str] = &[
    "unshare",
    "--user",
    "--map-root-user",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
];

const ROUNDS: u64 = 300;

/// All processes that lock have the number 1, and no other process of theirs to look at.
#[test]
fn containers_on_one_volume_exclude_each_other() {
    let folder = folder::new();
    fs::write(folder.path().join("count"), "0").unwrap();
    let start = || {
        let command = command_under(CONTAINER, "linux::count_in_a_container", folder.path());
        let piped = command?
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Some(piped.unwrap())
    };
    let (Some(one), Some(other)) = (start(), start()) else {
        return;
    };
    count(folder.path());
    for container in [one, other] {
        passed(container.wait_with_output());
    }
    let counted = fs::read_to_string(folder.path().join("count")).unwrap();
    assert_eq!(counted, (3 * ROUNDS).to_string());
}

#[test]
#[ignore = "a child process of the other tests"]
fn count_in_a_container() {
    if let Some(datadir) = process::datadir() {
        assert_eq!(std::process::id(), 1);
        count(&datadir);
    }
}

/// Adds to a number in a file, which is right only if nobody else does so meanwhile.
fn count(datadir: &Path) {
    let runtime = runtime::new();
    let manager = SharedDatadirLockManager::new(datadir).unwrap();
    let file = datadir.join("count");
    runtime.block_on(async {
        for _ in 0..ROUNDS {
            let _guard = manager.lock("count", LONG).await.unwrap();
            let count: u64 = fs::read_to_string(&file).unwrap().parse().unwrap();
            std::thread::yield_now();
            fs::write(&file, (count + 1).to_string()).unwrap();
        }
    });
}

/// The end of a container frees what its processes held.
#[test]
fn a_container_that_is_killed_frees_its_keys() {
    let folder = folder::new();
    let Some(mut command) = command_under(CONTAINER, "linux::hold_in_a_container", folder.path())
    else {
        return;
    };
    let mut container = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(container.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("it holds")));
    let runtime = runtime::new();
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    runtime.block_on(async {
        let error = manager.lock("key", Duration::from_millis(50)).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("held by"), "{error}");
        // Inside it has a number that means another process here.
        assert!(!error.contains("process 1 "), "{error}");
        let mut wait = manager.lock("key", LONG);
        assert!(futures::poll!(&mut wait).is_pending());
        container.kill().unwrap();
        drop(wait.await.unwrap());
    });
    container.wait().unwrap();
}

#[test]
#[ignore = "a child process of the other tests"]
fn hold_in_a_container() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    let manager = SharedDatadirLockManager::new(&datadir).unwrap();
    let _guard = block_on(manager.try_lock("key")).unwrap();
    println!("\nit holds");
    loop {
        std::thread::park();
    }
}

/// In a container that was given the `/proc` of its host, the numbers there are not those of its own processes.
/// (It has root's power over them, without which it would be told nothing.)
#[test]
fn with_the_processes_of_another_container_nobody_is_named() {
    const WITH_OUR_PROCESSES: &[&str] = &["unshare", "--pid", "--fork", "--kill-child"];
    let folder = folder::new();
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    let _guard = block_on(manager.try_lock("key")).unwrap();
    let ask = "linux::ask_in_a_container";
    if let Some(mut command) = command_under(WITH_OUR_PROCESSES, ask, folder.path()) {
        passed(command.output());
    }
}

#[test]
#[ignore = "a child process of the other tests"]
fn ask_in_a_container() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    let runtime = runtime::new();
    let manager = SharedDatadirLockManager::new(datadir).unwrap();
    let error = runtime.block_on(manager.lock("key", Duration::from_millis(50)));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("held by another process"), "{error}");
}
