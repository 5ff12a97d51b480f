//! Named async locks with one API for browser tabs, Node and native processes.
mod error;
mod guard;
#[cfg(all(target_family = "wasm", target_os = "unknown", feature = "js"))]
mod js;
mod key;
mod manager;
pub mod memory;
mod platform;
mod scope;
mod snapshot;
mod sync;
mod table;
mod time;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub mod web_locks;

pub use error::{Contention, LockError, PidLockError};
pub use guard::{LockGuard, LockMode};
pub use key::{InvalidKey, KeyRule, LockKey};
pub use manager::{AcquireOptions, LockManager};
pub use platform::{PlatformError, platform_default};
pub use scope::LockScope;
pub use snapshot::{LockInfo, LockSnapshot};
