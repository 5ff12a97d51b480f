//! Opening a datadir for the first time, and what stands in the way.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crosslock::PidLockError;

use crate::child::{Answer, open_elsewhere};
use crate::folder;
use crate::managers::{Kind, with_each_manager};

with_each_manager! {
    a_missing_datadir_is_created_with_its_parents
    what_is_no_regular_file_is_refused
    a_file_in_the_way_is_named
}

#[cfg(unix)]
mod unix {
    use super::*;

    with_each_manager! {
        a_path_need_not_be_utf8
        a_link_is_not_followed
        a_fifo_is_refused_at_once
        a_directory_that_may_not_be_written_is_no_holder
    }

    fn a_path_need_not_be_utf8(kind: Kind) {
        use std::os::unix::ffi::OsStrExt;
        let folder = folder::new();
        let datadir = folder
            .path()
            .join(std::ffi::OsStr::from_bytes(b"data\xff\xfedir"));
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
            std::os::unix::fs::symlink(&target, &lock).unwrap();
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
        let made = std::process::Command::new("mkfifo").arg(&lock).status();
        assert!(made.unwrap().success());
        let (_, message) = setup_fails(kind, folder.path());
        assert!(
            message.contains("is a FIFO, a socket or a device"),
            "{message}"
        );
    }

    /// As somebody else than root, for whom permissions count.
    fn a_directory_that_may_not_be_written_is_no_holder(kind: Kind) {
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::process::CommandExt;

        let folder = tempfile::tempdir().unwrap();
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        set(folder.path(), 0o555);
        let mut command = crate::child::command(crate::child::OPEN, kind, folder.path());
        let mut below = crate::child::command(crate::child::OPEN, kind, &folder.path().join("a/b"));
        // SAFETY: it takes nothing and touches no memory.
        if unsafe { libc::geteuid() } == 0 {
            const NOBODY: u32 = 65534;
            command.uid(NOBODY).gid(NOBODY);
            below.uid(NOBODY).gid(NOBODY);
        }
        let Answer::Failed(message) = crate::child::open_by(command) else {
            panic!("it was opened, or held");
        };
        let lock = folder.path().join("LOCK");
        let expected = format!("cannot open {}: permission denied", lock.display());
        assert!(message.contains(&expected), "{message}");
        let Answer::Failed(message) = crate::child::open_by(below) else {
            panic!("it was opened, or held");
        };
        assert!(message.contains("permission denied"), "{message}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        set(folder.path(), 0o755);
    }
}

/// Opens `datadir`, which must fail for a reason that is no other holder. Returns
/// the kind of the error and the whole message.
pub(crate) fn setup_fails(kind: Kind, datadir: &Path) -> (ErrorKind, String) {
    match kind.open(datadir) {
        Err(error @ PidLockError::SetupFailed { .. }) => {
            let message = error.to_string();
            let PidLockError::SetupFailed {
                datadir: told,
                source,
            } = error
            else {
                unreachable!()
            };
            assert_eq!(told, datadir);
            assert!(
                message.contains(&datadir.display().to_string()),
                "{message}"
            );
            assert!(!message.contains("delete"), "{message}");
            (source.kind(), message)
        }
        other => panic!("{other:?}"),
    }
}

fn a_missing_datadir_is_created_with_its_parents(kind: Kind) {
    let folder = folder::new();
    let datadir = folder.path().join("some/where/else");
    let manager = kind.open(&datadir).unwrap();
    assert!(datadir.join("LOCK").is_file());
    assert!(manager.try_lock("key").is_some());
}

fn what_is_no_regular_file_is_refused(kind: Kind) {
    let folder = folder::new();
    fs::create_dir(folder.path().join("LOCK")).unwrap();
    let (error, message) = setup_fails(kind, folder.path());
    assert_eq!(error, ErrorKind::IsADirectory);
    assert!(
        message.contains("is a directory; a regular file is needed"),
        "{message}"
    );
    // It was left alone.
    assert_eq!(fs::read_dir(folder.path().join("LOCK")).unwrap().count(), 0);
}

fn a_file_in_the_way_is_named(kind: Kind) {
    let folder = folder::new();
    let file = folder.path().join("file");
    fs::write(&file, "precious").unwrap();
    for datadir in [file.clone(), file.join("below"), file.join("a/b")] {
        setup_fails(kind, &datadir);
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }
    match kind.open(PathBuf::new()) {
        Err(PidLockError::SetupFailed { source, .. }) => {
            assert!(
                source.to_string().contains("is no path to a directory"),
                "{source}"
            );
        }
        other => panic!("{other:?}"),
    }
}
