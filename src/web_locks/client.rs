//! [`Context`]: this page, worker or thread before the platform's lock manager. It tells
//! the [rules](crate::core::handoff) what happens, and carries out what follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Waker;
use std::time::Duration;

use super::named::Named;
use super::platform::{is_node, lock_manager};
use super::round_trip::round_trip;
use super::{errand, page};
use crate::core::handoff::{Command, GrantId, MILLIS, Quirks, Settled};
use crate::sync::{Mutex, MutexGuard, locked};
use crate::tasks;
use crate::time::{self, Stamp};

/// Guards are `Send + Sync` and the browser's objects are not, so those are kept apart,
/// in [`errand`], on the thread that asked for them. Where wasm has threads and a guard
/// is dropped on another one, the orders wait here until its own next uses a lock.
#[derive(Debug)]
pub(super) struct Context {
    rules: Mutex<Named>,
    /// Whether orders are being carried out. (By the thread whose context it is, and by no
    /// other: it is atomic for the sake of `Sync` alone.)
    is_at_work: AtomicBool,
}

thread_local! {
    static CONTEXT: Arc<Context> = Arc::new(Context::new());
}

impl Context {
    fn new() -> Self {
        let quirks = Quirks {
            queues_withdrawn: is_node(),
        };
        Self {
            rules: Mutex::new(Named::new(quirks)),
            is_at_work: AtomicBool::new(false),
        }
    }

    /// The one of this thread.
    pub(super) fn here() -> Arc<Self> {
        CONTEXT.with(Arc::clone)
    }

    /// Takes a step of the rules, at the present time, and does what follows from it.
    pub(super) fn act<T>(&self, step: impl FnOnce(&mut Named, f64) -> T) -> T {
        let output = self.step(step);
        if self.is_here() {
            self.carry_out();
        }
        output
    }

    /// Takes a step of the rules, and leaves it to the caller to [carry out](Self::carry_out)
    /// what follows from it.
    pub(super) fn step<T>(&self, step: impl FnOnce(&mut Named, f64) -> T) -> T {
        let now = Stamp::now().millis();
        step(&mut self.rules(), now)
    }

    /// Looks at the rules.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Named) -> T) -> T {
        look(&mut self.rules())
    }

    /// Carries out all orders, one after the other and each to its end. The rules is
    /// unlocked meanwhile: this is foreign code and may come back here. What then follows
    /// stands behind the other orders, for this loop to do: so nothing is ended before it
    /// was sent, and a thousand who are refused at once need no more of the stack than one.
    ///
    /// Only then those who wait are woken, who may do anything.
    pub(super) fn carry_out(&self) {
        if self.is_at_work.swap(true, Relaxed) {
            return;
        }
        while let Some(order) = self.look(|rules| rules.next_command()) {
            self.follow(order);
        }
        self.is_at_work.store(false, Relaxed);
        while let Some(wakers) = self.look(|rules| rules.next_wake()) {
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn follow(&self, order: Command) {
        match order {
            Command::Request {
                grant,
                queue,
                mode,
                if_held,
            } => {
                let name = self.look(|rules| rules.name_of(queue).to_owned());
                let sent = page::watch().and_then(|()| errand::send(grant, &name, mode, if_held));
                if let Err(why) = sent {
                    self.step(|rules, now| rules.settled(grant, Settled::Failed(why), now));
                }
            }
            Command::Release(grant) => errand::end(grant),
            Command::Forget(grant) => errand::forget(grant),
            Command::Confirm { grant, round_trips } => tasks::spawn(confirm(grant, round_trips)),
            Command::Remind => tasks::spawn(remind()),
        }
    }

    fn is_here(&self) -> bool {
        CONTEXT.with(|here| std::ptr::eq(&**here, self))
    }

    fn rules(&self) -> MutexGuard<'_, Named> {
        locked(&self.rules, "the rules panicked earlier")
    }
}

async fn confirm(grant: GrantId, round_trips: u32) {
    for _ in 0..round_trips {
        // Where there is none any more, it can hold nothing against us.
        if let Ok(locks) = lock_manager() {
            round_trip(&locks).await;
        }
    }
    Context::here().act(|rules, now| rules.confirmed(grant, now));
}

async fn remind() {
    let millis = Duration::from_millis(MILLIS as u64);
    // Without a timer nothing would move the time, and the same reminder be wanted again.
    let moved = match time::sleep(millis).await {
        Ok(()) => 0.0,
        Err(_) => MILLIS,
    };
    Context::here().act(|rules, now| rules.remind(now + moved));
}
