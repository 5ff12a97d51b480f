//! [`Driver`]: keeps the [rules](crate::core::handoff) of one client, and applies the commands
//! that follow from them, by a [`Platform`].
//!
//! It needs no browser. The simulation of the hand-off (`src/core/handoff/simulation.rs`) runs
//! this driver in each of its tabs.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Waker;

use crate::core::handoff::{Command, Settled};
use crate::sync::{Mutex, MutexGuard, locked};

mod named_hand_off;
mod platform;
mod waker_set;

pub(crate) use named_hand_off::NamedHandOff;
pub(crate) use platform::Platform;
pub(crate) use waker_set::WakerId;

#[derive(Debug)]
pub(crate) struct Driver {
    rules: Mutex<NamedHandOff>,
    /// Whether commands are being applied. (Only the client's own thread does that. The flag
    /// is atomic for the sake of `Sync` alone.)
    is_applying: AtomicBool,
}

impl Driver {
    pub(crate) fn new() -> Self {
        Self {
            rules: Mutex::new(NamedHandOff::new()),
            is_applying: AtomicBool::new(false),
        }
    }

    /// Runs `work` on the rules. Commands that follow from it wait for
    /// [`apply_commands`](Self::apply_commands).
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut NamedHandOff) -> T) -> T {
        work(&mut self.rules())
    }

    /// Applies all commands, one after the other and each to its end, and then wakes the tasks
    /// whose requests have changed.
    ///
    /// The rules are unlocked meanwhile: a command runs foreign code, which may call this
    /// method again. The commands that this adds come behind the others, in the loop below. So
    /// a request is sent before it is released, and a thousand requests that fail at once need
    /// no more of the stack than one.
    ///
    /// Wakers come last, because they may do anything.
    pub(crate) fn apply_commands(&self, platform: &impl Platform) {
        if self.is_applying.swap(true, Relaxed) {
            return;
        }
        while let Some(command) = self.with(|rules| rules.next_command()) {
            self.apply(command, platform);
        }
        self.is_applying.store(false, Relaxed);
        while let Some(wakers) = self.with(|rules| rules.next_wake()) {
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn apply(&self, command: Command, platform: &impl Platform) {
        match command {
            Command::Request {
                grant,
                queue,
                mode,
                if_held,
            } => {
                let name = self.with(|rules| rules.name_of(queue).to_owned());
                if let Err(why) = platform.request(grant, &name, mode, if_held) {
                    let now = platform.now();
                    self.with(|rules| rules.settled(grant, Settled::Failed(why), now));
                }
            }
            Command::Release(grant) => platform.release(grant),
            Command::Forget(grant) => platform.forget(grant),
            Command::Confirm(grant) => platform.confirm(grant),
            Command::Remind => platform.remind(),
        }
    }

    fn rules(&self) -> MutexGuard<'_, NamedHandOff> {
        locked(&self.rules, "the rules panicked earlier")
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::core::handoff::{GrantId, IfHeld, Passing, Reason, State};
    use crate::guard::LockMode;

    /// A platform that grants or fails within the call, and logs its calls.
    struct AtOnce<'a> {
        driver: &'a Driver,
        grants: bool,
        log: RefCell<Vec<&'static str>>,
        depth: Cell<u32>,
        deepest: Cell<u32>,
    }

    impl<'a> AtOnce<'a> {
        fn new(driver: &'a Driver, grants: bool) -> Self {
            let (log, depth, deepest) = Default::default();
            Self {
                driver,
                grants,
                log,
                depth,
                deepest,
            }
        }
    }

    impl Platform for AtOnce<'_> {
        fn now(&self) -> f64 {
            0.0
        }

        fn request(&self, grant: GrantId, _: &str, _: LockMode, _: IfHeld) -> Result<(), String> {
            self.log.borrow_mut().push("request");
            if !self.grants {
                return Err(String::from("because"));
            }
            self.depth.set(self.depth.get() + 1);
            self.deepest.set(self.deepest.get().max(self.depth.get()));
            self.driver
                .with(|rules| rules.called_back(grant, true, 0.0));
            self.driver.apply_commands(self);
            self.depth.set(self.depth.get() - 1);
            Ok(())
        }

        fn release(&self, _: GrantId) {
            self.log.borrow_mut().push("release");
        }

        fn forget(&self, _: GrantId) {
            self.log.borrow_mut().push("forget");
        }

        fn confirm(&self, _: GrantId) {
            self.log.borrow_mut().push("confirm");
        }

        fn remind(&self) {
            self.log.borrow_mut().push("remind");
        }
    }

    /// Requests the locks of these names, before any command is applied.
    fn request(driver: &Driver, names: &[&str]) -> Vec<usize> {
        driver.with(|rules| {
            let request = |name: &&str| {
                rules.request(name, LockMode::Exclusive, IfHeld::Queue, Passing::On, 0.0)
            };
            names.iter().map(request).collect()
        })
    }

    #[test]
    fn a_platform_that_comes_back_at_once_is_called_in_turn() {
        let driver = Driver::new();
        let platform = AtOnce::new(&driver, true);
        let requests = request(&driver, &["a", "b", "c"]);
        driver.apply_commands(&platform);
        for &slot in &requests {
            assert!(driver.with(|rules| matches!(rules.state(slot), State::Held(_))));
        }
        assert_eq!(*platform.log.borrow(), ["request"; 3]);
        assert_eq!(
            platform.deepest.get(),
            1,
            "one call of the platform within another"
        );

        for slot in requests {
            driver.with(|rules| rules.remove(slot, 0.0));
        }
        driver.apply_commands(&platform);
        assert_eq!(platform.log.borrow()[3..], ["release"; 3]);
    }

    #[test]
    fn a_request_that_cannot_be_made_is_rejected_with_the_reason() {
        let driver = Driver::new();
        let platform = AtOnce::new(&driver, false);
        let requests = request(&driver, &["a"]);
        driver.apply_commands(&platform);
        driver.with(|rules| {
            let because = Reason::Failed(String::from("because"));
            assert_eq!(*rules.state(requests[0]), State::Rejected(because));
        });
    }
}
