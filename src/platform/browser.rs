//! Browsers and Node: Web Locks, or nothing.

use super::{PlatformError, PlatformOptions};
use crate::manager::LockManager;
use crate::web_locks::WebLockManager;

pub(super) fn manager(options: PlatformOptions) -> Result<Box<dyn LockManager>, PlatformError> {
    let locks = match options.prefix {
        Some(prefix) => WebLockManager::with_prefix(prefix),
        None => WebLockManager::with_namespace(options.namespace.unwrap_or_default()),
    };
    locks.check_available()?;
    Ok(Box::new(locks))
}
