//! [`Answer`]: what came of a request, small enough to come back in registers.

use super::{Refused, RequestId, Serial};
use crate::core::list::Place;

/// What came of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    serial: Option<Serial>,
    /// If there is none, why not.
    entry: Place,
    slot: Place,
}

const HELD: Place = 0;
const CLOSED: Place = 1;
const INVALID: Place = 2;

impl From<Result<Option<RequestId>, Refused>> for Answer {
    #[inline]
    fn from(result: Result<Option<RequestId>, Refused>) -> Self {
        let (serial, entry, slot) = match result {
            Ok(Some(id)) => (Some(id.serial), id.entry, id.slot),
            Ok(None) => (None, HELD, 0),
            Err(Refused::Closed) => (None, CLOSED, 0),
            Err(Refused::Invalid) => (None, INVALID, 0),
        };
        Self {
            serial,
            entry,
            slot,
        }
    }
}

impl Answer {
    #[inline]
    pub(super) fn granted(self) -> Option<RequestId> {
        let Self { entry, slot, .. } = self;
        let serial = self.serial?;
        Some(RequestId {
            serial,
            entry,
            slot,
        })
    }

    /// What there is to say if it was not granted.
    pub(super) fn refused(self) -> Option<Refused> {
        match self.entry {
            CLOSED => Some(Refused::Closed),
            INVALID => Some(Refused::Invalid),
            _ => None,
        }
    }
}
