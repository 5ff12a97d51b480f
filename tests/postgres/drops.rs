//! A future that is dropped at any of its awaits leaves nothing in the tables.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crosslock::LockManager;

use crate::cluster::shared;
use crate::support::{LONG, left, lock, manager, soon};

/// Polls a future so often, each time it is woken, and then drops it. True if it was ready before.
async fn poll_times<F: Future + ?Sized>(mut future: Pin<Box<F>>, times: usize) -> bool {
    let mut left = times;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            // Dropped as soon as it has nothing to do, and not when it is woken next.
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_future_dropped_at_any_await_leaves_nothing() {
    let cluster = shared().await;
    let (locks, other) = (
        manager(cluster, "dropping").await,
        manager(cluster, "other").await,
    );
    let client = cluster.client().await;
    for round in 0..40 {
        for kind in ["free", "held", "zero", "short", "many", "steal", "query"] {
            for times in 0.. {
                let (a, b) = (format!("drop.{kind}.a"), format!("drop.{kind}.b"));
                let keys = [&*a, &*b];
                let holder = match kind {
                    "free" | "query" | "zero" => None,
                    _ => Some(lock(&other, &a).await),
                };
                let future: Pin<Box<dyn Future<Output = ()> + Send>> = match kind {
                    "free" | "held" => Box::pin(async { drop(locks.lock(&a, LONG).await) }),
                    "zero" => Box::pin(async { drop(locks.lock(&a, Duration::ZERO).await) }),
                    "short" => Box::pin(async {
                        drop(locks.lock(&a, Duration::from_millis(2)).await);
                    }),
                    "many" => Box::pin(async { drop(locks.lock_many(&keys, LONG).await) }),
                    "steal" => Box::pin(async { drop(locks.steal(&a).await) }),
                    _ => Box::pin(async { drop(locks.query().await) }),
                };
                // The holder lets go at a moment of its own: before the drop, or after it.
                let releases = tokio::spawn(async move {
                    for _ in 0..round {
                        tokio::task::yield_now().await;
                    }
                    drop(holder);
                });
                let is_done = soon(poll_times(future, times)).await;
                releases.await.expect("no panic");
                // Both sessions have done what they were told, in this order.
                locks.query().await.expect("a round trip");
                other.query().await.expect("a round trip");
                assert_eq!(
                    left(&client, "drop.").await,
                    0,
                    "{kind}, dropped after {times} polls"
                );
                if is_done {
                    break;
                }
            }
        }
    }
}
