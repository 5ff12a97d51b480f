//! [`Context`]: this page, worker or thread before the platform's lock manager. It tells
//! the [relay](crate::core::handoff) what happens, and carries out what follows.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use wasm_bindgen_futures::spawn_local;

use super::{errand, page};
use crate::core::handoff::{Effects, LeaseSlot, MILLIS, Order, Relay};
use crate::sync::{Mutex, MutexGuard, locked};
use crate::time::{self, Stamp};

/// All who wait for one request to change: each looks for itself.
pub(super) type Wakers = Vec<Waker>;

/// Guards are `Send + Sync` and the browser's objects are not, so those are kept apart,
/// in [`errand`], on the thread that asked for them. Where wasm has threads and a guard
/// is dropped on another one, the orders wait here until its own next uses a lock.
#[derive(Debug)]
pub(super) struct Context(Mutex<Relay<Wakers>>);

thread_local! {
    static CONTEXT: Arc<Context> = Arc::new(Context(Mutex::new(Relay::new())));
}

impl Context {
    /// The one of this thread.
    pub(super) fn here() -> Arc<Self> {
        CONTEXT.with(Arc::clone)
    }

    /// Takes a step of the relay, at the present time, and does what follows from it.
    pub(super) fn act<T>(&self, step: impl FnOnce(&mut Relay<Wakers>, f64) -> T) -> T {
        let now = Stamp::now().millis();
        let mut relay = self.relay();
        let output = step(&mut relay, now);
        if self.is_here() {
            let effects = relay.effects();
            // Unlocked: what follows is foreign code and may come back here.
            drop(relay);
            self.carry_out(effects, now);
        }
        output
    }

    /// Looks at the relay.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Relay<Wakers>) -> T) -> T {
        look(&mut self.relay())
    }

    fn carry_out(&self, mut effects: Effects<Wakers>, now: f64) {
        loop {
            let mut refused: Vec<(LeaseSlot, String)> = Vec::new();
            for order in effects.orders {
                match order {
                    Order::Ask {
                        lease,
                        name,
                        mode,
                        if_held,
                    } => {
                        page::watch();
                        let sent = errand::send(lease, &name, mode, if_held);
                        refused.extend(sent.err().map(|why| (lease, why)));
                    }
                    Order::End(lease) => errand::end(lease),
                }
            }
            effects.wakes.into_iter().flatten().for_each(Waker::wake);
            if effects.remind {
                spawn_local(remind());
            }
            if refused.is_empty() {
                return;
            }
            // In a loop: a thousand who wait may be refused one after the other.
            let mut relay = self.relay();
            for (lease, why) in refused {
                relay.ended(lease, now, |_| why);
            }
            effects = relay.effects();
        }
    }

    fn is_here(&self) -> bool {
        CONTEXT.with(|here| std::ptr::eq(&**here, self))
    }

    fn relay(&self) -> MutexGuard<'_, Relay<Wakers>> {
        locked(&self.0, "the relay panicked earlier")
    }
}

async fn remind() {
    let millis = Duration::from_millis(MILLIS as u64);
    // There are timers wherever there are locks.
    let _ = time::sleep(millis).await;
    Context::here().act(|relay, now| relay.remind(now));
}
