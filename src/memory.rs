//! [`MemoryLockManager`]: locks among the tasks and threads of one process.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;

use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::manager::{AcquireOptions, LockManager, only_if_granted};
use crate::scope::LockScope;
use crate::snapshot::LockSnapshot;
use crate::table::guard::TableGuard;
use crate::table::handle::TableHandle;
use crate::table::locks::{TableLocks, boxed};
use crate::table::shards::SharedTable;

/// The keyspace, of which there is one in the process. Two managers that do not exclude each
/// other would be two locks on one dataset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyspace;

impl TableHandle for Keyspace {
    #[inline]
    fn table(&self) -> &SharedTable {
        static TABLE: LazyLock<SharedTable> = LazyLock::new(SharedTable::new);
        &TABLE
    }
}

/// Named locks in memory. They exclude the tasks and threads of this process, on
/// every platform, and nobody else; in a browser, that is one tab or one worker.
///
/// Every instance shares one keyspace, so it does not matter how often `new` is
/// called or whether the instance is passed around.
///
/// A key that was freed may stay in memory until another needs its place, which makes its next
/// use fast: at most 2,048 keys (16 in wasm), with 104 bytes each, and the text of those that
/// are longer than 31 bytes. Nothing else is left of keys, however many were used.
///
/// Waiting with a timeout needs a tokio runtime with its timer on (natively);
/// `try_lock`, and `lock` with `Duration::MAX`, work under any executor.
///
/// ```
/// use std::time::Duration;
/// use crosslock::{LockManager, memory::MemoryLockManager};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let locks = MemoryLockManager::new();
/// let guard = locks.lock("lightning.send.42", Duration::from_secs(10)).await?;
/// assert!(MemoryLockManager::new().try_lock("lightning.send.42").await.is_none());
/// drop(guard);
/// # Ok::<(), crosslock::LockError>(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct MemoryLockManager {
    locks: TableLocks<Keyspace>,
}

impl MemoryLockManager {
    /// A manager on the keyspace of this process.
    pub fn new() -> Self {
        Self {
            locks: TableLocks::new(Keyspace, None),
        }
    }

    /// A manager on the same keyspace whose requests carry `label`: in
    /// [`query`](crate::LockManager::query), and in the errors of those who time
    /// out behind them.
    pub fn with_label(label: impl Into<Arc<str>>) -> Self {
        Self {
            locks: TableLocks::new(Keyspace, Some(label.into())),
        }
    }

    /// [`try_acquire`](crate::LockManager::try_acquire) without a future and without an
    /// allocation, for those who name this backend and lock very often.
    ///
    /// # Errors
    ///
    /// [`LockError::InvalidKey`].
    // Inlined, because it is little more than one call.
    #[cfg_attr(not(target_family = "wasm"), inline(always))]
    pub fn try_acquire_unboxed(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<MemoryLockGuard>, LockError> {
        self.locks.try_acquire(key, mode, MemoryLockGuard)
    }

    /// [`acquire`](crate::LockManager::acquire) without an allocation, unless it has to
    /// wait.
    ///
    /// # Errors
    ///
    /// As [`lock`](crate::LockManager::lock).
    // Not an `async fn`, whose future would have its arguments twice.
    pub fn acquire_unboxed(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> impl Future<Output = Result<MemoryLockGuard, LockError>> {
        self.locks.acquire(key, options, MemoryLockGuard)
    }
}

/// A lock held in memory, as the unboxed methods of [`MemoryLockManager`] give it.
#[derive(Debug)]
#[must_use = "dropping a guard frees its lock at once: keep it in a variable for as long as the lock is needed"]
pub struct MemoryLockGuard(TableGuard<Keyspace>);

#[cfg_attr(not(all(target_family = "wasm", target_os = "unknown")), async_trait)]
#[cfg_attr(all(target_family = "wasm", target_os = "unknown"), async_trait(?Send))]
impl LockGuard for MemoryLockGuard {
    fn key(&self) -> &str {
        self.0.key()
    }

    fn mode(&self) -> LockMode {
        self.0.mode()
    }

    fn is_lost(&self) -> bool {
        self.0.is_lost()
    }

    fn ensure_held(&self) -> Result<(), LockError> {
        self.0.ensure_held()
    }

    async fn downgrade(&mut self) -> Result<(), LockError> {
        self.0.downgrade_now()
    }

    async fn lost(&self) {
        self.0.lost().await;
    }
}

impl Default for MemoryLockManager {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg_attr(not(all(target_family = "wasm", target_os = "unknown")), async_trait)]
#[cfg_attr(all(target_family = "wasm", target_os = "unknown"), async_trait(?Send))]
impl LockManager for MemoryLockManager {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        let answer = self.locks.try_acquire(key, LockMode::Exclusive, boxed);
        only_if_granted(key, answer)
    }

    async fn lock(&self, key: &str, timeout: Duration) -> Result<Box<dyn LockGuard>, LockError> {
        let options = AcquireOptions::new(timeout);
        self.locks.acquire(key, options, boxed).await
    }

    async fn try_acquire(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        self.locks.try_acquire(key, mode, boxed)
    }

    async fn acquire(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        self.locks.acquire(key, options, boxed).await
    }

    async fn steal(&self, key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        self.locks.steal(key).map(boxed)
    }

    async fn query(&self) -> Result<LockSnapshot, LockError> {
        self.locks.query()
    }

    fn scope(&self) -> LockScope {
        LockScope::Process
    }
}
