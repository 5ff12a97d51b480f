//! [`Requests`]: the numbers of one context's requests.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::Notify;

/// Counts the requests of one context, and tells when there have been so many.
#[derive(Debug)]
pub struct Requests {
    asked: AtomicU64,
    milestone: u64,
    reached: Notify,
}

impl Requests {
    pub fn new() -> Self {
        Self::until(u64::MAX)
    }

    /// Of which [`reached`](Self::reached) returns after so many.
    pub fn until(milestone: u64) -> Self {
        Self {
            asked: AtomicU64::new(0),
            milestone,
            reached: Notify::new(),
        }
    }

    /// The number of the next request.
    pub(crate) fn next(&self) -> u64 {
        let number = self.asked.fetch_add(1, Relaxed);
        if number == self.milestone {
            self.reached.notify_one();
        }
        number
    }

    /// How many there were.
    pub fn so_far(&self) -> u64 {
        self.asked.load(Relaxed)
    }

    /// Returns when the request after the last of so many is about to be made.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self::new()
    }
}
