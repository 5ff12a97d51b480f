//! Tokio's timer, so that `tokio::time::pause` works in applications' tests.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

pub(crate) use super::coarse::Since;
use crate::error::LockError;

/// A moment, to measure from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp(Instant);

impl Stamp {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) async fn sleep(duration: Duration) -> Result<(), LockError> {
    // Without this, tokio panics. With a runtime whose timer is off it still
    // does; there is no way to ask.
    if Handle::try_current().is_err() {
        return Err(LockError::Unavailable {
            reason: String::from(
                "waiting with a timeout needs a tokio runtime with its timer on \
                 (`Builder::enable_time`); `try_lock`, and `lock` with \
                 `Duration::MAX`, work without",
            ),
        });
    }
    // Centuries overflow the clock; tokio takes that as "far future".
    tokio::time::sleep(duration).await;
    Ok(())
}
