//! What takes a mount or a system call filter to show.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::child::{
    self, Answer, Process, command_under, holder, holder_by, must_pass, open_by, open_elsewhere,
    task,
};
use crate::filter::{
    self, refuse_creating_files, refuse_open_file_description_locks, refuse_to_lock,
    refuse_to_say_who_holds,
};
use crate::folder;
use crate::managers::{Kind, with_each_manager};
use crate::setup::setup_fails;

with_each_manager! {
    a_bind_mount_is_the_same_datadir
    no_space_for_the_process_id_is_no_reason
    no_space_for_the_lock_file_is_an_error
    a_read_only_file_system_is_an_error
    a_process_of_another_container_is_not_taken_for_one_of_ours
    between_containers_nobody_is_named
    what_is_there_is_opened_without_creating_it
    who_holds_is_not_guessed
    a_file_system_without_locks_is_an_error
    a_lock_of_another_program_counts
    without_open_file_description_locks
}

/// Runs `command` as root in mounts of its own: those of this machine stay as they are.
const OWN_MOUNTS: &[&str] = &["unshare", "--user", "--map-root-user", "--mount"];

/// Runs one of the tests below in a process with its own mounts.
fn with_own_mounts(test: &str, kind: Kind, datadir: &Path) {
    if let Some(command) = command_under(OWN_MOUNTS, test, kind, datadir) {
        must_pass(command);
    }
}

fn mount(arguments: &[&str], at: &Path) {
    let status = Command::new("mount").args(arguments).arg(at).status();
    assert!(
        status.unwrap().success(),
        "mount {arguments:?} {}",
        at.display()
    );
}

fn a_bind_mount_is_the_same_datadir(kind: Kind) {
    let folder = folder::new();
    let _first = kind.open(folder.path().join("datadir")).unwrap();
    with_own_mounts("linux::through_a_bind_mount", kind, folder.path());
    let me = Some(std::process::id());
    assert_eq!(
        open_elsewhere(kind, folder.path().join("datadir")),
        Answer::Held(me)
    );
}

#[test]
#[ignore = "a child process of the other tests"]
fn through_a_bind_mount() {
    let Some((kind, folder)) = task() else { return };
    let other = folder.join("other");
    fs::create_dir(&other).unwrap();
    mount(
        &["--bind", folder.join("datadir").to_str().unwrap()],
        &other,
    );
    assert!(matches!(
        open_elsewhere(kind, &other),
        Answer::Held(Some(_))
    ));
    // And the other way round.
    let third = folder.join("third");
    fs::create_dir_all(third.join("datadir")).unwrap();
    mount(&["--bind", third.to_str().unwrap()], &other);
    let _first = kind.open(other.join("datadir")).unwrap();
    let me = Some(std::process::id());
    assert_eq!(
        open_elsewhere(kind, third.join("datadir")),
        Answer::Held(me)
    );
}

fn no_space_for_the_process_id_is_no_reason(kind: Kind) {
    let folder = folder::new();
    with_own_mounts("linux::no_space_for_a_byte", kind, folder.path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn no_space_for_a_byte() {
    let Some((kind, folder)) = task() else { return };
    mount(&["-t", "tmpfs", "-o", "size=4k", "none"], &folder);
    fs::write(folder.join("filler"), [0; 4096]).unwrap();
    let full = fs::write(folder.join("more"), "1").unwrap_err();
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);

    let manager = kind.open(&folder).unwrap();
    assert_eq!(fs::metadata(folder.join("LOCK")).unwrap().len(), 0);
    let guard = manager.try_lock("key").unwrap();
    assert_eq!(open_elsewhere(kind, &folder), Answer::Held(None));
    guard.ensure_held().unwrap();
}

fn no_space_for_the_lock_file_is_an_error(kind: Kind) {
    let folder = folder::new();
    with_own_mounts("linux::no_space_for_a_file", kind, folder.path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn no_space_for_a_file() {
    let Some((kind, folder)) = task() else { return };
    // One for the root, three for what is to be created.
    mount(&["-t", "tmpfs", "-o", "nr_inodes=4", "none"], &folder);
    let datadir = folder.join("a/b/c");
    let (error, message) = setup_fails(kind, &datadir);
    assert_eq!(error, io::ErrorKind::StorageFull, "{message}");
    let expected = format!(
        "cannot open or create {}: No space left",
        datadir.join("LOCK").display()
    );
    assert!(message.contains(&expected), "{message}");
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        0,
        "something was left behind"
    );
    // Four directories are one too many.
    let (error, message) = setup_fails(kind, &folder.join("a/b/c/d"));
    assert_eq!(error, io::ErrorKind::StorageFull, "{message}");
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        0,
        "something was left behind"
    );
}

fn a_read_only_file_system_is_an_error(kind: Kind) {
    let folder = folder::new();
    fs::create_dir(folder.path().join("used")).unwrap();
    fs::write(folder.path().join("used/LOCK"), "").unwrap();
    with_own_mounts("linux::on_a_read_only_file_system", kind, folder.path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn on_a_read_only_file_system() {
    let Some((kind, folder)) = task() else { return };
    mount(&["--bind", folder.to_str().unwrap()], &folder);
    mount(&["-o", "remount,ro,bind"], &folder);
    for datadir in [folder.clone(), folder.join("used"), folder.join("new/dir")] {
        let (error, message) = setup_fails(kind, &datadir);
        assert_eq!(error, io::ErrorKind::ReadOnlyFilesystem, "{message}");
        assert!(message.contains("Read-only"), "{message}");
        let file = "mounted read-only, and the kernel locks only files that are open for writing";
        assert!(message.contains(file) || !datadir.exists(), "{message}");
    }
}

/// Runs `command` with processes of its own, of which it is the first.
const CONTAINER: &[&str] = &[
    "unshare",
    "--user",
    "--map-root-user",
    "--pid",
    "--fork",
    "--kill-child",
];

/// In a container a process has a number that means another process outside, or none.
fn a_process_of_another_container_is_not_taken_for_one_of_ours(kind: Kind) {
    let folder = folder::new();
    let Some(command) = command_under(CONTAINER, child::OPEN, kind, folder.path()) else {
        return;
    };
    let inside = holder_by(command);
    let lock = fs::read_to_string(folder.path().join("LOCK")).unwrap();
    // A process that exists here too, so that only its files can tell.
    assert_eq!(lock, "1");
    assert_eq!(open_elsewhere(kind, folder.path()), Answer::Held(None));
    inside.finish();
    assert_eq!(open_elsewhere(kind, folder.path()), Answer::Opened);
}

/// Both have a process with the number that stands in `LOCK`: the one that asks itself, or
/// one beside it that has nothing to do with the datadir.
fn between_containers_nobody_is_named(kind: Kind) {
    let container = [CONTAINER, &["--mount-proc"]].concat();
    let behind_another = ["sh", "-c", r#""$@"; exit $?"#, "sh"];
    let crowded = [&container[..], &behind_another].concat();
    for wrapper in [&container, &crowded] {
        let folder = folder::new();
        let command = |wrapper: &[_]| command_under(wrapper, child::OPEN, kind, folder.path());
        let (Some(first), Some(second)) = (command(&container), command(wrapper)) else {
            return;
        };
        let inside = holder_by(first);
        let lock = fs::read_to_string(folder.path().join("LOCK")).unwrap();
        assert_eq!(lock, "1");
        assert_eq!(open_by(second), Answer::Held(None), "{wrapper:?}");
        inside.finish();
    }
    // Within one, it is named as everywhere.
    let folder = folder::new();
    let both = command_under(&container, "linux::holder_and_asker", kind, folder.path());
    both.into_iter().for_each(must_pass);
}

#[test]
#[ignore = "a child process of the other tests"]
fn holder_and_asker() {
    let Some((kind, datadir)) = task() else {
        return;
    };
    let first = holder(kind, &datadir);
    let named = Answer::Held(Some(first.id()));
    assert_eq!(open_elsewhere(kind, &datadir), named);
}

/// In a directory like /tmp, Linux may refuse to open a file of somebody else's with
/// `O_CREAT`, although it is there: `protected_regular` in proc_sys_fs(5). That is a setting
/// for the whole machine, so here a filter refuses the flag.
fn what_is_there_is_opened_without_creating_it(kind: Kind) {
    if !filter::is_possible() {
        return;
    }
    let folder = folder::new();
    let datadir = folder.path();
    drop(kind.open(datadir).unwrap());
    // In a thread of its own, for the filter stays.
    let open = || {
        refuse_creating_files();
        kind.open(datadir).map(drop)
    };
    std::thread::scope(|scope| scope.spawn(open).join().unwrap().unwrap());
}

/// Whether the others share the datadir decides what the error advises. It is asked of the kernel,
/// and an error of that question is none about a holder: it is told as it is.
fn who_holds_is_not_guessed(kind: Kind) {
    if !filter::is_possible() {
        return;
    }
    let folder = folder::new();
    let _held = kind.open(folder.path()).unwrap();
    // In a thread of its own, for the filter stays.
    let open = || {
        refuse_to_say_who_holds();
        kind.open(folder.path()).map(drop)
    };
    let opened = std::thread::scope(|scope| scope.spawn(open).join().unwrap());
    let Err(crosslock::PidLockError::SetupFailed { source, .. }) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
    assert!(source.to_string().contains("LOCK"), "{source}");
}

/// As on a share that is mounted with its locks switched off.
fn a_file_system_without_locks_is_an_error(kind: Kind) {
    if !filter::is_possible() {
        return;
    }
    let folder = folder::new();
    // In a thread of its own, for the filter stays.
    let open = || {
        refuse_to_lock();
        setup_fails(kind, folder.path())
    };
    let (_, message) = std::thread::scope(|scope| scope.spawn(open).join().unwrap());
    assert!(message.contains("does not support"), "{message}");
    assert!(
        message.contains("mount the share with locking on"),
        "{message}"
    );
}

/// A program that knows nothing of us, and locks `LOCK` by one of the primitives.
fn a_lock_of_another_program_counts(kind: Kind) {
    let folder = folder::new();
    let lock = folder.path().join("LOCK");
    fs::write(&lock, "").unwrap();
    let by_flock = "import fcntl, sys
file = open(sys.argv[1], 'r+')
fcntl.flock(file, fcntl.LOCK_EX)";
    let by_fcntl = "import fcntl, sys
file = open(sys.argv[1], 'r+')
fcntl.lockf(file, fcntl.LOCK_EX)";
    for taken in [by_flock, by_fcntl] {
        let script = format!("{taken}\nprint('\\nchild: locked', flush=True)\nsys.stdin.read()");
        let mut python = Command::new("python3");
        python.arg("-c").arg(script).arg(&lock);
        if Command::new("python3").arg("--version").output().is_err() {
            eprintln!("left out: there is no python3 here");
            return;
        }
        let mut other = Process::start(python);
        assert_eq!(other.hear().as_deref(), Some("locked"));
        assert_eq!(open_elsewhere(kind, folder.path()), Answer::Held(None));
        assert!(kind.open(folder.path()).is_err());
        other.finish();
        drop(kind.open(folder.path()).unwrap());
    }
}

/// A kernel before 3.15, as far as `fcntl` goes.
fn without_open_file_description_locks(kind: Kind) {
    if !filter::is_possible() {
        return;
    }
    let folder = folder::new();
    must_pass(child::command(
        "linux::on_an_old_kernel",
        kind,
        folder.path(),
    ));

    // Both kinds of record lock exclude each other, so a program in a container with
    // an old kernel's manners and one outside do.
    let old = holder_by(child::command(OPEN_ON_AN_OLD_KERNEL, kind, folder.path()));
    for &kind in Kind::ALL {
        assert_eq!(
            open_elsewhere(kind, folder.path()),
            Answer::Held(Some(old.id()))
        );
    }
    old.kill();
    let new = holder(kind, folder.path());
    for &kind in Kind::ALL {
        let command = child::command(OPEN_ON_AN_OLD_KERNEL, kind, folder.path());
        assert_eq!(open_by(command), Answer::Held(Some(new.id())));
    }
}

const OPEN_ON_AN_OLD_KERNEL: &str = "linux::open_on_an_old_kernel";

#[test]
#[ignore = "a child process of the other tests"]
fn open_on_an_old_kernel() {
    if task().is_some() {
        refuse_open_file_description_locks();
        child::open();
    }
}

#[test]
#[ignore = "a child process of the other tests"]
fn contender_on_an_old_kernel() {
    if task().is_some() {
        refuse_open_file_description_locks();
        crate::death::contender();
    }
}

#[test]
#[ignore = "a child process of the other tests"]
fn on_an_old_kernel() {
    let Some((kind, datadir)) = task() else {
        return;
    };
    refuse_open_file_description_locks();
    let manager = kind.open(&datadir).unwrap();
    let guard = manager.try_lock("key").unwrap();
    let me = Some(std::process::id());
    let open_files = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open_files();
    // No attempt frees the lock: a classic one is gone when the process closes any
    // descriptor of the file.
    for &second in Kind::ALL {
        for spelling in [datadir.clone(), datadir.join("."), datadir.join("new/..")] {
            match second.open(spelling) {
                Err(crosslock::PidLockError::AlreadyHeld { pid, .. }) => assert_eq!(pid, me),
                other => panic!("{other:?}"),
            }
            assert_eq!(open_elsewhere(second, &datadir), Answer::Held(me));
        }
    }
    assert_eq!(open_files(), before, "attempts pile up open files");
    guard.ensure_held().unwrap();
    drop((manager, guard));
    assert_eq!(open_elsewhere(kind, &datadir), Answer::Opened);
    // And for this process.
    drop(kind.open(&datadir).unwrap());

    // Threads that open and close it all the time: one at a time is in, and those that
    // are refused do not free its lock. A program that uses the other primitive alone
    // would be let in then, so the record lock itself has to be looked at.
    let inside = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let Ok(_manager) = kind.open(&datadir) else {
                        continue;
                    };
                    assert!(!inside.swap(true, Relaxed), "two owners");
                    std::thread::yield_now();
                    inside.store(false, Relaxed);
                }
            });
        }
    });
    assert_eq!(open_elsewhere(kind, &datadir), Answer::Opened);
}
