//! Tokio's timer, so that `tokio::time::pause` works in applications' tests.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

pub(crate) use super::coarse::Since;
use crate::error::LockError;

/// A point in time, to measure from.
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

/// A timer that was set.
pub(crate) type Sleep = dyn Future<Output = Result<(), LockError>> + Send + Sync;

pub(crate) async fn sleep(duration: Duration) -> Result<(), LockError> {
    let Ok(_runtime) = Handle::try_current() else {
        return Err(no_timer("there is no runtime here"));
    };
    // Without a timer tokio panics, and there is no other way to ask a runtime for one. It
    // panics before it has changed anything, so nothing is left half done.
    // (Centuries overflow the clock; tokio takes that as "far future".)
    let Ok(timer) = catch_unwind(AssertUnwindSafe(|| tokio::time::sleep(duration))) else {
        return Err(no_timer(
            "this one was built without: call `enable_time` or `enable_all` on its `Builder`",
        ));
    };
    timer.await;
    Ok(())
}

fn no_timer(missing: &str) -> LockError {
    LockError::Unavailable {
        reason: format!(
            "waiting with a timeout needs a tokio runtime with its timer on, and {missing}; \
             `try_lock`, and `lock` with `Duration::MAX`, work without"
        ),
    }
}
