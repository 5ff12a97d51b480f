//! [`WaitFiles`]: the open files by which threads wait for bytes of one file.

use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::Unusable;
use super::ranges::WAITS_SHARE_A_FILE;

/// How many are kept for the next wait, where each wait needs one for itself.
const IDLE: usize = 4;

/// Opened when something is waited for.
#[derive(Debug, Default)]
pub(super) struct WaitFiles(Mutex<Vec<Arc<File>>>);

impl WaitFiles {
    /// One by which nobody waits, or the one for all.
    pub(super) fn take(
        &self,
        open: impl FnOnce() -> Result<File, Unusable>,
    ) -> Result<Arc<File>, Unusable> {
        let mut files = self.files();
        let found = match WAITS_SHARE_A_FILE {
            true => files.first().cloned(),
            false => files.pop(),
        };
        if let Some(found) = found {
            return Ok(found);
        }
        let opened = Arc::new(open()?);
        if WAITS_SHARE_A_FILE {
            files.push(Arc::clone(&opened));
        }
        Ok(opened)
    }

    /// The wait is over for which it was taken.
    pub(super) fn put_back(&self, file: Arc<File>) {
        let mut files = self.files();
        if !WAITS_SHARE_A_FILE && files.len() < IDLE {
            files.push(file);
        }
    }

    fn files(&self) -> MutexGuard<'_, Vec<Arc<File>>> {
        // Nothing panics under the mutex that would leave a file there which is in use.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
