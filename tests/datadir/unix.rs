//! What only Unix has: paths that are not UTF-8, links, FIFOs, permissions.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::child::{self, Answer, open_by, open_elsewhere};
use crate::folder;
use crate::managers::{Kind, with_each_manager};
use crate::runner;
use crate::setup::setup_fails;

with_each_manager! {
    a_path_need_not_be_utf8
    a_link_is_not_followed
    a_link_to_nothing_is_no_datadir
    a_fifo_is_refused_at_once
    a_directory_that_may_not_be_written_is_no_holder
    the_umask_decides_who_may_open_it
    a_limit_to_the_size_of_files_ends_no_process
}

fn a_path_need_not_be_utf8(kind: Kind) {
    let folder = folder::new();
    let datadir = folder.path().join(OsStr::from_bytes(b"data\xff\xfedir"));
    let _first = kind.open(&datadir).unwrap();
    let me = std::process::id();
    assert_eq!(open_elsewhere(kind, &datadir), Answer::Held(Some(me)));
}

fn a_link_is_not_followed(kind: Kind) {
    let folder = folder::new();
    let lock = folder.path().join("LOCK");
    let target = folder.path().join("target");
    for content in [Some("precious"), None] {
        if let Some(content) = content {
            fs::write(&target, content).unwrap();
        }
        symlink(&target, &lock).unwrap();
        let (_, message) = setup_fails(kind, folder.path());
        assert!(message.contains("is a symbolic link"), "{message}");
        // Neither touched nor created.
        assert_eq!(fs::read_to_string(&target).ok().as_deref(), content);
        fs::remove_file(&lock).unwrap();
        let _ = fs::remove_file(&target);
    }
}

/// What it leads to is not created: somebody has moved it, or not mounted it yet.
fn a_link_to_nothing_is_no_datadir(kind: Kind) {
    let folder = folder::new();
    let datadir = folder.path().join("datadir");
    symlink(folder.path().join("moved"), &datadir).unwrap();
    let (_, message) = setup_fails(kind, &datadir);
    let expected = format!(
        "cannot create {}; something on the way to it is a file, or a link to nothing",
        datadir.display()
    );
    assert!(message.contains(&expected), "{message}");
    assert!(!folder.path().join("moved").exists());
}

fn a_fifo_is_refused_at_once(kind: Kind) {
    let folder = folder::new();
    let lock = folder.path().join("LOCK");
    let made = Command::new("mkfifo").arg(&lock).status();
    assert!(made.unwrap().success());
    let (_, message) = setup_fails(kind, folder.path());
    assert!(
        message.contains("is a FIFO, a socket or a device"),
        "{message}"
    );
}

/// Without root's power over permissions. The child gives that up itself, once it runs:
/// another user may not reach this program, nor the folder.
fn a_directory_that_may_not_be_written_is_no_holder(kind: Kind) {
    let folder = tempfile::tempdir().unwrap();
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(folder.path(), 0o555);
    let open = |datadir: &Path| match open_by(child::command(OPEN_UNPRIVILEGED, kind, datadir)) {
        Answer::Failed(message) => message,
        answer => panic!("{answer:?}"),
    };
    let message = open(folder.path());
    let lock = folder.path().join("LOCK");
    let expected = format!("cannot open {}; this user", lock.display());
    assert!(message.contains(&expected), "{message}");
    assert!(message.contains("Permission denied"), "{message}");
    let below = folder.path().join("a/b");
    let message = open(&below);
    let expected = format!("cannot create {}; create it for this user", below.display());
    assert!(message.contains(&expected), "{message}");
    assert!(message.contains("Permission denied"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    set(folder.path(), 0o755);
}

const OPEN_UNPRIVILEGED: &str = "unix::open_unprivileged";

#[test]
#[ignore = "a child process of the other tests"]
fn open_unprivileged() {
    if child::task().is_some() {
        write_only_where_allowed();
        child::open();
    }
}

/// Root may still look into every directory, so that the one under test is reached
/// wherever it lies. (See capabilities(7): this is `CAP_DAC_OVERRIDE`.)
#[cfg(target_os = "linux")]
fn write_only_where_allowed() {
    const VERSION_3: u32 = 0x2008_0522;
    const DAC_OVERRIDE: u32 = 1 << 1;
    let header = [VERSION_3, 0];
    // Effective, permitted and inheritable: of the first 32 capabilities, then of the rest.
    let mut sets = [0_u32; 6];
    // SAFETY: for this version, the kernel reads a header of two words and writes six.
    let got = unsafe { libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()) };
    assert_eq!(got, 0, "{}", std::io::Error::last_os_error());
    sets[0] &= !DAC_OVERRIDE;
    // SAFETY: the kernel reads as many. Who gives something up needs no privilege, and it
    // is this thread alone that does.
    let set = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

/// Elsewhere root becomes somebody else altogether. Should that one not reach the
/// directory, permission is denied all the same.
#[cfg(not(target_os = "linux"))]
fn write_only_where_allowed() {
    const NOBODY: u32 = 65534;
    // SAFETY: these take numbers and touch no memory.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!((libc::setegid(NOBODY), libc::seteuid(NOBODY)), (0, 0));
        }
    }
}

/// A group shares a datadir of mode 2775 with umask 002.
fn the_umask_decides_who_may_open_it(kind: Kind) {
    for umask in [0o000, 0o002, 0o022, 0o077_u32] {
        let folder = folder::new();
        let mut command = child::command(child::OPEN, kind, folder.path());
        // SAFETY: after the fork, the closure makes one system call.
        unsafe {
            command.pre_exec(move || {
                libc::umask(umask as libc::mode_t);
                Ok(())
            });
        }
        assert_eq!(open_by(command), Answer::Opened);
        let lock = fs::metadata(folder.path().join("LOCK")).unwrap();
        let expected = 0o666 & !umask;
        let mode = lock.permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{mode:o} with umask {umask:o}");
    }
}

/// `ulimit -f 0`: a write beyond the limit is answered by a signal that ends the process.
fn a_limit_to_the_size_of_files_ends_no_process(kind: Kind) {
    if runner::is_emulated() {
        // It writes files of its own.
        eprintln!("left out: the limit would be the emulator's as well");
        return;
    }
    for (limit, left_over) in [
        (0, None),
        (1, None),
        (1, Some("21791     \n")),
        (1 << 20, None),
    ] {
        let folder = folder::new();
        let lock = folder.path().join("LOCK");
        if let Some(left_over) = left_over {
            fs::write(&lock, left_over).unwrap();
        }
        let mut command = child::command(child::OPEN, kind, folder.path());
        // SAFETY: after the fork, the closure makes one system call, which reads what it
        // has on its stack.
        unsafe {
            command.pre_exec(move || {
                let limit = libc::rlimit {
                    rlim_cur: limit,
                    rlim_max: limit,
                };
                match libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let first = child::holder_by(command);
        // Where it could not write its number, nobody else's is taken for it.
        let named = (limit > 1).then_some(first.id());
        assert_eq!(
            open_elsewhere(kind, folder.path()),
            Answer::Held(named),
            "{limit}"
        );
        first.finish();
        assert_eq!(open_elsewhere(kind, folder.path()), Answer::Opened);
    }
}
