//! [`LockScope`]: whom a backend excludes.

use std::fmt;

/// Whom the locks of a manager exclude. An application can assert that it has picked a backend
/// with the reach of its dataset:
///
/// ```
/// use crosslock::{LockManager, LockScope, memory::MemoryLockManager};
///
/// let locks = MemoryLockManager::new();
/// assert_eq!(locks.scope(), LockScope::Process);
/// println!("excludes {}", locks.scope());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum LockScope {
    /// The backend does not say.
    Unspecified,
    /// The tasks and threads of one process, and nobody else.
    Process,
    /// The tasks and threads of one process, key by key. Any other process or instance that
    /// opens the same datadir is refused as a whole.
    Datadir,
    /// The tasks and threads of this process and of every other one that shares the datadir, key by
    /// key. An instance that wants the datadir for itself is refused as a whole.
    #[cfg_attr(feature = "serde", serde(rename = "shared-datadir"))]
    SharedDatadir,
    /// All tabs and workers of one origin in one browser profile. They do not exclude other
    /// browsers, profiles or private windows.
    Origin,
    /// All who connect to one PostgreSQL database and name the same schema, on any machine.
    Database,
}

impl LockScope {
    /// The reach in words that go on after "excludes".
    pub fn reach(self) -> &'static str {
        match self {
            Self::Unspecified => "nobody that this backend would name",
            Self::Process => "tasks and threads of this process",
            Self::Datadir => {
                "tasks and threads of this process by key, \
                 and every other instance on this datadir as a whole"
            }
            Self::SharedDatadir => "tasks and threads of every process on this datadir by key",
            Self::Origin => "same-origin tabs and workers of this browser profile",
            Self::Database => {
                "all instances, on any machine, that lock in this schema of this database"
            }
        }
    }
}

impl fmt::Display for LockScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reach())
    }
}
