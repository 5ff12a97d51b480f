//! The managers under test, so that every test runs against each.

use std::path::PathBuf;
use std::time::Duration;

#[cfg(unix)]
use crosslock::pid_fcntl::FcntlPidLockManager;
#[cfg(not(target_os = "ios"))]
use crosslock::pid_flock::FlockPidLockManager;
use crosslock::{DatadirOptions, LockGuard, LockManager, PidLockError};
use futures::executor::block_on;

/// Longer than any test takes.
pub(crate) const LONG: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    #[cfg(not(target_os = "ios"))]
    Flock,
    #[cfg(unix)]
    Fcntl,
}

impl Kind {
    pub(crate) const ALL: &[Self] = &[
        #[cfg(not(target_os = "ios"))]
        Self::Flock,
        #[cfg(unix)]
        Self::Fcntl,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            #[cfg(not(target_os = "ios"))]
            Self::Flock => "flock",
            #[cfg(unix)]
            Self::Fcntl => "fcntl",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        let found = Self::ALL.iter().find(|kind| kind.name() == name);
        *found.unwrap_or_else(|| panic!("there is no manager named {name:?}"))
    }

    pub(crate) fn open(self, datadir: impl Into<PathBuf>) -> Result<Manager, PidLockError> {
        self.open_timeout(datadir, Duration::ZERO)
    }

    pub(crate) fn open_with(self, options: DatadirOptions) -> Result<Manager, PidLockError> {
        match self {
            #[cfg(not(target_os = "ios"))]
            Self::Flock => FlockPidLockManager::open(options).map(Manager::new),
            #[cfg(unix)]
            Self::Fcntl => FcntlPidLockManager::open(options).map(Manager::new),
        }
    }

    pub(crate) fn open_timeout(
        self,
        datadir: impl Into<PathBuf>,
        timeout: Duration,
    ) -> Result<Manager, PidLockError> {
        match self {
            #[cfg(not(target_os = "ios"))]
            Self::Flock => FlockPidLockManager::open_timeout(datadir, timeout).map(Manager::new),
            #[cfg(unix)]
            Self::Fcntl => FcntlPidLockManager::open_timeout(datadir, timeout).map(Manager::new),
        }
    }

    pub(crate) fn open_lock_file(
        self,
        datadir: impl Into<PathBuf>,
        name: &str,
    ) -> Result<Manager, PidLockError> {
        match self {
            #[cfg(not(target_os = "ios"))]
            Self::Flock => FlockPidLockManager::new_with_lock_file(datadir, name).map(Manager::new),
            #[cfg(unix)]
            Self::Fcntl => FcntlPidLockManager::new_with_lock_file(datadir, name).map(Manager::new),
        }
    }

    /// A manager and its clone.
    pub(crate) fn open_cloned(
        self,
        datadir: impl Into<PathBuf>,
    ) -> Result<(Manager, Manager), PidLockError> {
        fn cloned(manager: impl LockManager + Clone + 'static) -> (Manager, Manager) {
            (Manager::new(manager.clone()), Manager::new(manager))
        }
        match self {
            #[cfg(not(target_os = "ios"))]
            Self::Flock => FlockPidLockManager::new(datadir).map(cloned),
            #[cfg(unix)]
            Self::Fcntl => FcntlPidLockManager::new(datadir).map(cloned),
        }
    }
}

/// A manager for tests that have no runtime, and nothing to wait for.
#[derive(Debug)]
pub(crate) struct Manager(pub(crate) Box<dyn LockManager>);

impl Manager {
    fn new(manager: impl LockManager + 'static) -> Self {
        Self(Box::new(manager))
    }

    pub(crate) fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        block_on(self.0.try_lock(key))
    }
}

/// Makes a test for each manager of each function, which takes the [`Kind`].
macro_rules! with_each_manager {
    ($($(#[$attribute:meta])* $test:ident)*) => {
        #[cfg(not(target_os = "ios"))]
        mod flock {
            $(
                #[test]
                $(#[$attribute])*
                fn $test() {
                    super::$test(crate::managers::Kind::Flock);
                }
            )*
        }
        #[cfg(unix)]
        mod fcntl {
            $(
                #[test]
                $(#[$attribute])*
                fn $test() {
                    super::$test(crate::managers::Kind::Fcntl);
                }
            )*
        }
    };
}
pub(crate) use with_each_manager;
