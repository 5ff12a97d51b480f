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
use crate::setup::setup_fails;

with_each_manager! {
    a_path_need_not_be_utf8
    a_link_is_not_followed
    a_fifo_is_refused_at_once
    a_directory_that_may_not_be_written_is_no_holder
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

/// As somebody else than root, for whom permissions count.
fn a_directory_that_may_not_be_written_is_no_holder(kind: Kind) {
    let folder = tempfile::tempdir().unwrap();
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(folder.path(), 0o555);
    let mut command = child::command(child::OPEN, kind, folder.path());
    let mut below = child::command(child::OPEN, kind, &folder.path().join("a/b"));
    // SAFETY: it takes nothing and touches no memory.
    if unsafe { libc::geteuid() } == 0 {
        const NOBODY: u32 = 65534;
        command.uid(NOBODY).gid(NOBODY);
        below.uid(NOBODY).gid(NOBODY);
    }
    let Answer::Failed(message) = open_by(command) else {
        panic!("it was opened, or held");
    };
    let lock = folder.path().join("LOCK");
    let expected = format!("cannot open {}; this user", lock.display());
    assert!(message.contains(&expected), "{message}");
    assert!(message.contains("Permission denied"), "{message}");
    let Answer::Failed(message) = open_by(below) else {
        panic!("it was opened, or held");
    };
    assert!(message.contains("Permission denied"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    set(folder.path(), 0o755);
}
