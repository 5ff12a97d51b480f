//! [`SharedDatadirGuard`]: a key that is held in the lock table and by the kernel.

use std::sync::Arc;

use async_trait::async_trait;

use super::datadir::SharedDatadir;
use super::request::Request;
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::table::guard::TableGuard;

/// The ticket is released before the key is free in the lock table. If somebody waits there, the
/// ticket is kept for it.
#[must_use = "dropping a guard frees its lock at once: keep it in a variable for as long as the lock is needed"]
pub(super) struct SharedDatadirGuard {
    /// Before the other, so that it is dropped first.
    request: Request,
    in_table: TableGuard<Arc<SharedDatadir>>,
}

impl SharedDatadirGuard {
    pub(super) fn new(request: Request, in_table: TableGuard<Arc<SharedDatadir>>) -> Self {
        Self { request, in_table }
    }
}

impl std::fmt::Debug for SharedDatadirGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.in_table.fmt(f)
    }
}

#[async_trait]
impl LockGuard for SharedDatadirGuard {
    fn key(&self) -> &str {
        self.in_table.key()
    }

    fn mode(&self) -> LockMode {
        self.in_table.mode()
    }

    fn is_lost(&self) -> bool {
        self.in_table.is_lost()
    }

    fn ensure_held(&self) -> Result<(), LockError> {
        self.in_table.ensure_held()
    }

    /// First towards other processes, which may fail and then has changed nothing. After that nothing
    /// fails but for a loss: nobody may take a lock for exclusive that others share.
    async fn downgrade(&mut self) -> Result<(), LockError> {
        self.in_table.ensure_held()?;
        if self.mode() == LockMode::Exclusive {
            self.request.downgrade(self.in_table.key())?;
        }
        self.in_table.downgrade_checked()
    }

    async fn lost(&self) {
        self.in_table.lost().await;
    }
}
