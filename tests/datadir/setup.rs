//! Opening a datadir for the first time, and what stands in the way.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crosslock::PidLockError;

use crate::folder;
use crate::managers::{Kind, with_each_manager};

with_each_manager! {
    a_missing_datadir_is_created_with_its_parents
    what_is_no_regular_file_is_refused
    a_file_in_the_way_is_named
    a_manager_shows_its_datadir
}

/// Opens `datadir`, which must fail for a reason that is no other holder. Returns
/// the kind of the error and the whole message, with its causes.
pub(crate) fn setup_fails(kind: Kind, datadir: &Path) -> (ErrorKind, String) {
    match kind.open(datadir) {
        Err(error @ PidLockError::SetupFailed { .. }) => {
            let PidLockError::SetupFailed {
                datadir: told,
                source,
            } = &error
            else {
                unreachable!()
            };
            assert_eq!(told, datadir);
            let kind = source.kind();
            let message = format!("{:#}", anyhow::Error::new(error));
            assert!(
                message.contains(&datadir.display().to_string()),
                "{message}"
            );
            assert!(!message.contains("delete"), "{message}");
            (kind, message)
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
        let (_, message) = setup_fails(kind, &datadir);
        let expected = "something on the way to it is a file";
        assert!(message.contains(expected) || cfg!(windows), "{message}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    }
    match kind.open(PathBuf::new()) {
        Err(PidLockError::SetupFailed { source, .. }) => {
            assert!(
                source.to_string().contains("is not a path to a directory"),
                "{source}"
            );
        }
        other => panic!("{other:?}"),
    }
}

/// In what a program logs of its own structures.
fn a_manager_shows_its_datadir(kind: Kind) {
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let shown = format!("{manager:?}");
    assert!(shown.contains(&format!("{:?}", folder.path())), "{shown}");
}
