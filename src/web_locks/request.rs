//! [`RequestHandle`]: one request of this client, pending or held.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::client::Client;
use super::limits::answered_within;
use super::reason::describe;
use crate::core::handoff::{Ahead, IfHeld, Passing, RequestSlot, State};
use crate::driver::{NamedHandOff, WakerId};
use crate::error::LockError;
use crate::guard::LockMode;

/// What has become of a request.
pub(super) type RequestState = State<String>;

/// A request. To drop it gives up the wait, or frees the lock.
pub(super) struct RequestHandle {
    client: Arc<Client>,
    slot: RequestSlot,
}

/// How long a try waits to hear that what its own client has released is free.
const RELEASE_LIMIT: Duration = Duration::from_millis(500);

impl RequestHandle {
    pub(super) fn new(name: &str, mode: LockMode, if_held: IfHeld, passing: Passing) -> Self {
        let client = Client::here();
        let slot = client.step(|rules, now| rules.request(name, mode, if_held, passing, now));
        Self { client, slot }
    }

    /// Waits for the answer: whether the lock was granted. *No* is the answer only to a request
    /// that was not to [queue](IfHeld::Queue). An error calls the lock `key`.
    pub(super) async fn answer(&self, key: &str) -> Result<bool, LockError> {
        self.until(|state| match state {
            State::Pending => None,
            State::Held(_) => Some(Ok(true)),
            State::Busy => Some(Ok(false)),
            State::Rejected(reason) => Some(Err(LockError::unavailable(describe(reason)))),
            State::Lost(reason) => Some(Err(LockError::lost(key, describe(reason)))),
            State::Releasing | State::Freed => unreachable!("only a guard releases a request"),
        })
        .await
    }

    /// The answer to a try. A try may wait until what this client has released is free, but
    /// not for a platform that never confirms the release.
    pub(super) async fn answer_of_try(&self, key: &str) -> Result<bool, LockError> {
        match answered_within(RELEASE_LIMIT, self.answer(key)).await {
            Some(answer) => answer,
            None => {
                self.client
                    .step(|rules, now| rules.try_at_once(self.slot, now));
                self.answer(key).await
            }
        }
    }

    /// Frees the lock.
    pub(super) fn release(&self) {
        self.client.step(|rules, now| rules.release(self.slot, now));
    }

    pub(super) fn is_granted(&self) -> bool {
        self.state(|state| matches!(state, State::Held(_)))
    }

    /// Who of this client is in the way.
    pub(super) fn ahead(&self, most: usize) -> Option<Ahead> {
        self.client.with(|rules| rules.ahead_of(self.slot, most))
    }

    /// Runs `read` on the state of the request.
    pub(super) fn state<T>(&self, read: impl FnOnce(&RequestState) -> T) -> T {
        self.client.with(|rules| read(rules.state(self.slot)))
    }

    /// Waits until `pick` finds in the state what it looks for.
    pub(super) async fn until<T>(&self, pick: impl Fn(&RequestState) -> Option<T>) -> T {
        let mut registration = Registration {
            request: self,
            waker: None,
        };
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let (found, unused) = self.client.with(|rules| {
                if let Some(found) = pick(rules.state(self.slot)) {
                    return (Poll::Ready(found), Some(waker));
                }
                let wakers = rules.waker(self.slot).get_or_insert_default();
                (Poll::Pending, wakers.set(&mut registration.waker, waker))
            });
            // With the rules unlocked: to drop the last waker of a task drops the task.
            drop(unused);
            found
        })
        .await
    }
}

/// The waker of a task that waits for a request to change. It is removed when the task no
/// longer waits.
struct Registration<'a> {
    request: &'a RequestHandle,
    waker: Option<WakerId>,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        let Some(waker) = self.waker else {
            return;
        };
        let RequestHandle { client, slot } = self.request;
        let removed = client.with(|rules| rules.waker(*slot).as_mut()?.remove(waker));
        // With the rules unlocked, as above.
        drop(removed);
    }
}

impl fmt::Debug for RequestHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestHandle({})", self.slot)
    }
}

impl Drop for RequestHandle {
    fn drop(&mut self) {
        let remove = |rules: &mut NamedHandOff, now| rules.remove(self.slot, now);
        let is_over = self.state(|state| !matches!(state, State::Pending | State::Held(_)));
        let wakers = match is_over {
            // Nothing follows from that, so the clock is not read.
            true => self.client.with(|rules| remove(rules, 0.0)),
            false => self.client.step(remove),
        };
        drop(wakers);
    }
}
