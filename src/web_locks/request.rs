//! [`Claim`]: one request of ours, pending or held, and [`WebLockGuard`], which is one
//! that was granted.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;

use super::context::Context;
use super::named::{Named, describe};
use super::platform::unavailable;
use super::wakers::WakerId;
use super::{PATIENCE, answered_within};
use crate::core::handoff::{Ahead, IfHeld, Passing, Reason, RequestSlot, State};
use crate::error::LockError;
use crate::guard::{LockGuard, LockMode};
use crate::key::LockKey;

/// Where a request stands.
type Standing = State<String>;

/// A request. Dropping it gives up the wait, or frees the lock.
pub(super) struct Claim {
    context: Arc<Context>,
    slot: RequestSlot,
}

impl Claim {
    pub(super) fn new(name: &str, mode: LockMode, if_held: IfHeld, passing: Passing) -> Self {
        let context = Context::here();
        let slot = context.act(|rules, now| rules.request(name, mode, if_held, passing, now));
        Self { context, slot }
    }

    /// Waits for the answer: granted or not. *Not* comes only where the request was not
    /// to [queue](IfHeld::Queue). `key` is what it is called in an error.
    pub(super) async fn answer(&self, key: &str) -> Result<bool, LockError> {
        self.until(|state| match state {
            State::Pending => None,
            State::Held(_) => Some(Ok(true)),
            State::Busy => Some(Ok(false)),
            State::Rejected(reason) => Some(Err(unavailable(describe(reason)))),
            State::Lost(reason) => Some(Err(lost(key, reason))),
            State::Releasing | State::Freed => unreachable!("a claim is released by its guard"),
        })
        .await
    }

    /// The answer of a try. It may wait for what this context has let go of, but not for a
    /// platform that never says that it has heard of that.
    pub(super) async fn answer_of_try(&self, key: &str) -> Result<bool, LockError> {
        match answered_within(PARKED, self.answer(key)).await {
            Some(answer) => answer,
            None => {
                self.context
                    .act(|rules, now| rules.try_at_once(self.slot, now));
                self.answer(key).await
            }
        }
    }

    /// Whether it waits or holds.
    fn is_at_work(&self) -> bool {
        self.look(|state| matches!(state, State::Pending | State::Held(_)))
    }

    pub(super) fn is_granted(&self) -> bool {
        self.look(|state| matches!(state, State::Held(_)))
    }

    /// Who of this context is in the way.
    pub(super) fn ahead(&self, most: usize) -> Option<Ahead> {
        self.context.look(|rules| rules.ahead_of(self.slot, most))
    }

    fn look<T>(&self, look: impl FnOnce(&Standing) -> T) -> T {
        self.context.look(|rules| look(rules.state(self.slot)))
    }

    /// Waits until `pick` finds in the state what it looks for.
    async fn until<T>(&self, pick: impl Fn(&Standing) -> Option<T>) -> T {
        let mut watch = Watch {
            claim: self,
            waker: None,
        };
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let (found, unused) = self.context.look(|rules| {
                if let Some(found) = pick(rules.state(self.slot)) {
                    return (Poll::Ready(found), Some(waker));
                }
                let wakers = rules.waker(self.slot).get_or_insert_default();
                (Poll::Pending, wakers.set(&mut watch.waker, waker))
            });
            // Unlocked: the last waker of a task drops the task.
            drop(unused);
            found
        })
        .await
    }
}

/// One who waits for a claim to change, and leaves nothing behind when it goes.
struct Watch<'a> {
    claim: &'a Claim,
    waker: Option<WakerId>,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let Some(waker) = self.waker else {
            return;
        };
        let Claim { context, slot } = self.claim;
        let removed = context.look(|rules| rules.waker(*slot).as_mut()?.remove(waker));
        // Unlocked, as above.
        drop(removed);
    }
}

/// For so long a try waits to hear that what its context has let go of is free.
const PARKED: Duration = Duration::from_millis(500);

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({})", self.slot)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let forget = |rules: &mut Named, now| rules.remove(self.slot, now);
        // Without a look at the clock where nothing can follow.
        let wakers = match self.is_at_work() {
            true => self.context.act(forget),
            false => self.context.look(|rules| forget(rules, 0.0)),
        };
        drop(wakers);
    }
}

/// A lock that the browser has granted to this context, and that is ours.
#[must_use = "dropping a guard frees its lock at once: keep it in a variable for as long as the lock is needed"]
pub(crate) struct WebLockGuard {
    key: LockKey,
    mode: LockMode,
    claim: Claim,
}

impl WebLockGuard {
    /// `claim` was granted.
    pub(super) fn new(key: LockKey, mode: LockMode, claim: Claim) -> Self {
        Self { key, mode, claim }
    }
}

impl WebLockGuard {
    /// Frees the lock. Returns whether it is free by now, as it is if another task of this
    /// context has it.
    pub(crate) fn let_go(&self) -> bool {
        let Claim { context, slot } = &self.claim;
        context.act(|rules, now| rules.release(*slot, now));
        self.claim.look(is_free)
    }
}

fn is_free(state: &Standing) -> bool {
    matches!(state, State::Freed | State::Lost(_))
}

impl fmt::Debug for WebLockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockGuard({}, {})", self.key, self.mode)
    }
}

#[async_trait(?Send)]
impl LockGuard for WebLockGuard {
    fn key(&self) -> &str {
        self.key.as_str()
    }

    fn mode(&self) -> LockMode {
        self.mode
    }

    fn is_lost(&self) -> bool {
        self.claim.look(|state| matches!(state, State::Lost(_)))
    }

    fn ensure_held(&self) -> Result<(), LockError> {
        self.claim.look(|state| match state {
            State::Lost(reason) => Err(lost(self.key.as_str(), reason)),
            _ => Ok(()),
        })
    }

    async fn lost(&self) {
        let is_lost = |state: &Standing| matches!(state, State::Lost(_)).then_some(());
        self.claim.until(is_lost).await;
    }

    async fn release(self: Box<Self>) {
        self.let_go();
        let is_free = self.claim.until(|state| is_free(state).then_some(()));
        // By a browser that says nothing, it is as free as it will ever be.
        answered_within(PATIENCE, is_free).await;
    }
}

fn lost(key: &str, reason: &Reason<String>) -> LockError {
    LockError::Lost {
        key: Some(key.to_owned()),
        reason: describe(reason),
    }
}
