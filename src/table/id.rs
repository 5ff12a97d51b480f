//! [`RequestId`]: what names a request, and where it may stand.

use std::num::NonZeroU64;

use crate::core::list::{NOWHERE, Place};

/// Names one request for as long as anybody may ask about it: by its serial number,
/// which is never used again. The rest says where to look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId {
    pub(super) serial: Serial,
    pub(super) entry: Place,
    /// Where it lives unless it is the first holder, or [`NOWHERE`]. It may become that
    /// one later, and the slot another request's.
    pub(super) slot: Place,
}

impl RequestId {
    #[inline]
    pub(super) fn of_first(serial: Serial, entry: Place) -> Self {
        let slot = NOWHERE;
        Self {
            serial,
            entry,
            slot,
        }
    }
}

/// Unique among the tables that [share](super::Table::new) the numbers.
///
/// Not zero, so that `None` takes no room beside it.
pub(crate) type Serial = NonZeroU64;

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Held,
    Pending,
    /// Removed by its owner, stolen, or gone with a [closed](super::Table::close) table.
    Gone,
}
