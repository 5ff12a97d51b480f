//! What is different on Windows.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crosslock::{AcquireOptions, LockError};
use futures::executor::block_on;

use crate::folder;
use crate::managers::{Kind, with_each_manager};

with_each_manager! {
    an_open_lock_file_stays
}

/// Longer than a loss would take to be noticed.
const NOTICED: Duration = Duration::from_secs(1);

/// Under Wine a file that was deleted while open keeps its name, so what counts is
/// that nobody else gets in.
fn an_open_lock_file_stays(kind: Kind) {
    let folder = folder::new();
    let manager = kind.open(folder.path()).unwrap();
    let guard = manager.try_lock("held").unwrap();
    let lock: &Path = &folder.path().join("LOCK");
    fs::remove_file(lock).unwrap_err();
    fs::rename(lock, folder.path().join("moved")).unwrap_err();
    std::thread::sleep(NOTICED);
    assert!(!guard.is_lost());
    assert!(kind.open(folder.path()).is_err());
    let options = AcquireOptions::new(Duration::ZERO);
    let error = block_on(manager.0.acquire("held", options)).unwrap_err();
    assert!(matches!(error, LockError::TimedOut { .. }), "{error:?}");
}
