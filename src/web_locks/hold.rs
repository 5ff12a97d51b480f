//! [`Hold`]: where one request stands, as seen from all sides.
//!
//! The browser's objects belong to one thread, but guards are `Send + Sync`. So a
//! guard holds none of them: it shares a `Hold` with the task that drives the
//! request (see [`request`](super::request)), and changes of its phase wake
//! whoever waits for one.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::guard::LockMode;
use crate::hash::BuildHasher;
use crate::time::Stamp;

/// ```text
/// Waiting ── granted ─────────▶ Held ── guard dropped ──▶ Releasing ──▶ Freed
///   │ │ └─── ifAvailable ──▶ Busy └──── taken away ─────▶ Lost
///   │ └───── rejected ─────▶ TurnedDown
///   └─────── wait dropped ─▶ Releasing ──▶ Freed
/// ```
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// The browser has the request and has not answered.
    Waiting,
    /// Ours, until the promise that the callback returned is resolved.
    Held { since: Stamp },
    /// We have let go; the browser may not know yet.
    Releasing,
    /// The browser has freed it.
    Freed,
    /// Taken away while it was held, and why.
    Lost(String),
    /// Not granted because somebody else holds it.
    Busy,
    /// Not granted because the browser will not have it, and why.
    TurnedDown(String),
}

#[derive(Debug)]
pub(super) struct Hold {
    /// The browser's name for the lock: `crosslock:<namespace>:<key>`.
    pub(super) name: String,
    pub(super) mode: LockMode,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// All who wait for a change, of whatever kind: each looks for itself.
    wakers: Vec<Waker>,
}

impl Hold {
    /// A request that is about to be sent. It is found by [`with_name`] and
    /// [`all`] until it is [forgotten](Self::forget).
    pub(super) fn register(name: String, mode: LockMode) -> Arc<Self> {
        let state = State {
            phase: Phase::Waiting,
            wakers: Vec::new(),
        };
        let hold = Arc::new(Self {
            name,
            mode,
            state: Mutex::new(state),
        });
        let mut registry = registry();
        let same_name = registry.entry(hold.name.clone()).or_default();
        same_name.push_back(Arc::clone(&hold));
        hold
    }

    /// The browser is done with the request.
    pub(super) fn forget(self: &Arc<Self>) {
        let mut registry = registry();
        let Some(same_name) = registry.get_mut(&self.name) else {
            return;
        };
        // Requests for one name mostly end in the order in which they began, so
        // this finds its own at the front.
        let own = same_name.iter().position(|hold| Arc::ptr_eq(hold, self));
        if let Some(own) = own {
            same_name.remove(own);
        }
        if same_name.is_empty() {
            registry.remove(&self.name);
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.state().phase.clone()
    }

    /// Moves on as `step` says (`None`: stay) and wakes everyone who waits.
    pub(super) fn advance(&self, step: impl FnOnce(&Phase) -> Option<Phase>) {
        let mut state = self.state();
        let Some(next) = step(&state.phase) else {
            return;
        };
        state.phase = next;
        let wakers = std::mem::take(&mut state.wakers);
        // Woken outside the mutex: a waker is foreign code and may come back here.
        drop(state);
        for waker in wakers {
            waker.wake();
        }
    }

    /// Lets go, whether granted or not.
    pub(super) fn release(&self) {
        self.advance(|phase| match phase {
            Phase::Waiting | Phase::Held { .. } => Some(Phase::Releasing),
            _ => None,
        });
    }

    /// Waits until `pick` finds in the phase what it looks for.
    pub(super) async fn until<T>(&self, pick: impl Fn(&Phase) -> Option<T>) -> T {
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut state = self.state();
            if let Some(found) = pick(&state.phase) {
                return Poll::Ready(found);
            }
            if !state.wakers.iter().any(|known| known.will_wake(&waker)) {
                state.wakers.push(waker);
            }
            Poll::Pending
        })
        .await
    }

    /// If we have let go already, waits until the browser knows.
    pub(super) async fn settled_if_releasing(&self) {
        self.until(|phase| (!matches!(phase, Phase::Releasing)).then_some(()))
            .await;
    }

    /// For how long it has been held.
    pub(super) fn held_for(&self) -> Option<Duration> {
        match self.state().phase {
            Phase::Held { since } => Some(since.elapsed()),
            _ => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("a change of phase panicked earlier")
    }
}

type Registry = HashMap<String, VecDeque<Arc<Hold>>, BuildHasher>;

/// Every request of this instance of the module that the browser has not done
/// with, by the browser's name for it.
static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().expect("the registry panicked earlier")
}

/// Our requests for `name`.
pub(super) fn with_name(name: &str) -> Vec<Arc<Hold>> {
    let same_name = registry().get(name).cloned();
    same_name.map_or_else(Vec::new, Vec::from)
}

/// All our requests.
pub(super) fn all() -> Vec<Arc<Hold>> {
    registry().values().flatten().cloned().collect()
}
