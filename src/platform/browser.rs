//! Browsers and Node: Web Locks, or nothing.

use super::{PlatformError, PlatformOptions};
use crate::manager::LockManager;
use crate::web_locks::WebLockManager;

pub(super) fn manager(options: PlatformOptions) -> Result<Box<dyn LockManager>, PlatformError> {
    let locks = WebLockManager::with_namespace(options.namespace.unwrap_or_default());
    locks.check_available()?;
    Ok(Box::new(locks))
}
