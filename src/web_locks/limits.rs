//! How long we wait for a browser that may never answer.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use crate::error::LockError;
use crate::time;

/// For how long we wait for what the browser answers at once, if it answers.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Runs `work` for at most `limit`, or for ever where there is no timer. `None` if the time
/// was over first.
pub(super) async fn answered_within<T>(
    limit: Duration,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(work);
    match time::timeout(limit, work.as_mut()).await {
        Ok(output) => output,
        Err(_) => Some(work.await),
    }
}

/// Runs `work`, which the browser answers at once.
///
/// # Errors
///
/// [`LockError::Unavailable`] if it has not answered after [`ANSWER_LIMIT`].
pub(super) async fn or_unavailable<T>(
    work: impl Future<Output = Result<T, LockError>>,
) -> Result<T, LockError> {
    answered_within(ANSWER_LIMIT, work)
        .await
        .unwrap_or_else(|| {
            Err(LockError::unavailable(
                "navigator.locks has not answered for 10 seconds \
             (a prerendered page gets no answer before it is shown)",
            ))
        })
}
