//! Folders for tests with real files.

use tempfile::TempDir;

/// A new folder, on the disk that the build is on, or wherever
/// `CROSSLOCK_TEST_FOLDER` says: so that the tests can be run on another file system.
pub(crate) fn new() -> TempDir {
    let parent = std::env::var_os("CROSSLOCK_TEST_FOLDER");
    let parent = parent.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    let folder = tempfile::Builder::new()
        .prefix("crosslock-")
        .tempdir_in(&parent);
    folder.unwrap_or_else(|error| panic!("no new folder in {}: {error}", parent.display()))
}
