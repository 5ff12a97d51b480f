//! Memory, for callers that give no datadir.

use crate::manager::LockManager;
use crate::memory::MemoryLockManager;

pub(super) fn manager(label: Option<String>) -> Box<dyn LockManager> {
    Box::new(match label {
        Some(label) => MemoryLockManager::with_label(label),
        None => MemoryLockManager::new(),
    })
}
