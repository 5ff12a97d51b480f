//! [`Client`]: this page, worker or thread, as the platform's lock manager knows it. It puts
//! the parts together: the [driver](Driver), and the browser that it drives.

use std::sync::Arc;
use std::time::Duration;

use super::environment::lock_manager;
use super::events::PlatformEvents;
use super::reason::describe;
use super::round_trip::round_trip;
use super::{page_lifecycle, platform_request};
use crate::core::handoff::{GrantId, IfHeld, MILLIS, Reason, Settled};
use crate::driver::{Driver, NamedHandOff, Platform};
use crate::guard::LockMode;
use crate::tasks;
use crate::time::{self, Stamp};

/// Guards are `Send + Sync`, and the browser's objects are not. So those are kept apart, in
/// [`platform_request`], on the thread that asked for them. Where wasm has threads and a guard
/// is dropped on another one, the commands wait here until the client's own thread next uses
/// a lock.
#[derive(Debug)]
pub(super) struct Client {
    driver: Driver,
}

thread_local! {
    static CLIENT: Arc<Client> = Arc::new(Client::new());
}

impl Client {
    fn new() -> Self {
        Self {
            driver: Driver::new(),
        }
    }

    /// The one of this thread.
    pub(super) fn here() -> Arc<Self> {
        CLIENT.with(Arc::clone)
    }

    /// Runs `step` on the rules at the present time, and applies the commands that follow.
    pub(super) fn step<T>(&self, step: impl FnOnce(&mut NamedHandOff, f64) -> T) -> T {
        let now = Browser.now();
        let output = self.driver.with(|rules| step(rules, now));
        if self.is_here() {
            self.driver.apply_commands(&Browser);
        }
        output
    }

    /// Runs `work` on the rules, from which no command follows.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut NamedHandOff) -> T) -> T {
        self.driver.with(work)
    }

    fn is_here(&self) -> bool {
        CLIENT.with(|here| std::ptr::eq(&**here, self))
    }
}

/// The browser of this thread, and the client of this thread to which it reports.
#[derive(Clone, Copy)]
struct Browser;

impl Platform for Browser {
    fn now(&self) -> f64 {
        Stamp::now().millis()
    }

    fn request(
        &self,
        grant: GrantId,
        name: &str,
        mode: LockMode,
        if_held: IfHeld,
    ) -> Result<(), String> {
        page_lifecycle::watch(Browser)?;
        platform_request::send(grant, name, mode, if_held, Browser)
    }

    fn release(&self, grant: GrantId) {
        platform_request::release(grant, Browser);
    }

    fn forget(&self, grant: GrantId) {
        platform_request::forget(grant);
    }

    fn confirm(&self, grant: GrantId) {
        tasks::spawn(async move {
            // Where there is no lock manager any more, nothing is on its way from it.
            if let Ok(locks) = lock_manager() {
                round_trip(&locks).await;
            }
            Client::here().step(|rules, now| rules.confirmed(grant, now));
        });
    }

    fn remind(&self) {
        tasks::spawn(async {
            let millis = Duration::from_millis(MILLIS as u64);
            // Without a timer no time would have passed, and the rules would ask for the same
            // reminder again.
            let passed = match time::sleep(millis).await {
                Ok(()) => 0.0,
                Err(_) => MILLIS,
            };
            Client::here().step(|rules, now| rules.remind(now + passed));
        });
    }
}

impl PlatformEvents for Browser {
    fn called_back(&self, grant: GrantId, has_lock: bool) -> bool {
        let now = self.now();
        Client::here()
            .driver
            .with(|rules| rules.called_back(grant, has_lock, now))
    }

    fn apply_commands(&self) {
        Client::here().driver.apply_commands(&Browser);
    }

    fn settled(&self, grant: GrantId, how: Settled<String>) {
        Client::here().step(|rules, now| rules.settled(grant, how, now));
    }

    fn page_cached(&self) {
        // Asked first, so that nothing is counted where nothing is logged.
        let is_logged = log::log_enabled!(target: "crosslock", log::Level::Warn);
        let mut held = 0;
        Client::here().step(|rules, _| {
            if is_logged {
                rules.for_each_own(|_, own| held += usize::from(own.is_held));
            }
            rules.lose_all();
        });
        if held > 0 {
            let reason = describe(&Reason::Cached);
            log::warn!(target: "crosslock", "{reason}: {held} locks are lost");
        }
    }

    fn page_visibility(&self, is_hidden: bool) {
        Client::here().step(|rules, now| rules.set_hidden(is_hidden, now));
    }
}
