//! The locks of a datadir that several processes share, where the platform can do it.

pub(super) use crate::shared_datadir::SharedDatadirLockManager as Shared;
pub(super) use crate::shared_datadir::requests::{KeyRequest, KeyStatus};

use crate::datadir_lock::DatadirOptions;
use crate::error::PidLockError;

pub(super) fn open(options: DatadirOptions) -> Option<Result<Shared, PidLockError>> {
    Some(Shared::open(options))
}
