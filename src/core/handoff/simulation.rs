//! A world to test the rules in: a few tabs, each with the [driver](Driver) that drives the rules
//! in a browser, and one [lock manager](Platform) for all of them. Messages are under way until
//! a test delivers them, so a test chooses what comes late. [`invariants`] checks the world after
//! each step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Wake;

use super::{GrantId, IfHeld, Passing, RequestSlot, State};
use crate::driver::{Driver, NamedHandOff, WakerId};
use crate::guard::LockMode;

mod delivery;
mod invariants;
mod platform;

pub(super) use delivery::Delivery;
use platform::{Event, Platform, Serial};

/// Numbers the tasks of a world, in the order in which they came.
pub(super) type TaskId = usize;

/// What a task requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub(super) tab: usize,
    pub(super) name: &'static str,
    pub(super) mode: LockMode,
    pub(super) if_held: IfHeld,
    pub(super) passing: Passing,
}

impl Spec {
    fn is_in_queue(&self) -> bool {
        self.if_held == IfHeld::Queue && self.passing == Passing::On
    }

    fn conflicts_with(&self, name: &str, mode: LockMode) -> bool {
        self.name == name && !(self.mode == LockMode::Shared && mode == LockMode::Shared)
    }
}

#[derive(Debug)]
struct Task {
    spec: Spec,
    slot: RequestSlot,
    made: f64,
    /// The state when it last looked. Since then it has slept.
    seen: State<String>,
    alarm: Arc<Alarm>,
    waker: Option<WakerId>,
    /// For a try: whether something was in its way at any time.
    was_obstructed: bool,
}

/// What the waker of a task sets.
#[derive(Debug, Default)]
struct Alarm {
    is_woken: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Relaxed);
    }
}

#[derive(Debug)]
struct Tab {
    driver: Arc<Driver>,
    requests: BTreeMap<GrantId, PlatformRequest>,
    to_platform: Vec<Message>,
    from_platform: Vec<Event>,
    /// All events that were ever received.
    received: Vec<Event>,
    is_hidden: bool,
    /// Whether requests fail at once, as where `navigator.locks` is missing.
    is_broken: bool,
    /// When the timer of the reminder goes off.
    remind_at: Option<f64>,
}

/// What a tab has under way for a grant.
#[derive(Debug)]
struct PlatformRequest {
    serial: Serial,
    name: &'static str,
    mode: LockMode,
    if_held: IfHeld,
    granted: Option<f64>,
    /// How often the grant was given to a task, and what the first one was.
    turns: u32,
    first: Option<Passing>,
    /// The rules have ended it.
    is_ended: bool,
    /// The rules have had it forgotten, because its lock was taken away.
    is_forgotten: bool,
    /// The platform has received that it was ended.
    is_withdrawn: bool,
    /// The platform will send no more events about it.
    is_settled: bool,
    is_frozen: bool,
}

#[derive(Debug, Clone, Copy)]
enum Message {
    Request(Serial, &'static str, LockMode, IfHeld),
    Withdraw(Serial),
    End(Serial),
    /// To the platform and back.
    RoundTrip(Serial),
}

impl Message {
    fn serial(self) -> Serial {
        let (Self::Request(serial, ..)
        | Self::Withdraw(serial)
        | Self::End(serial)
        | Self::RoundTrip(serial)) = self;
        serial
    }
}

#[derive(Debug)]
pub(super) struct World {
    now: f64,
    platform: Platform,
    tabs: Vec<Tab>,
    tasks: BTreeMap<TaskId, Task>,
    tasks_ever: usize,
    /// The tab and the grant of each request that was ever sent to the platform.
    owners: Vec<(usize, GrantId)>,
    /// All names that tasks have ever requested.
    names: BTreeSet<&'static str>,
}

impl World {
    pub(super) fn new(tabs: usize) -> Self {
        Self::on(tabs, Platform::default())
    }

    /// A thread of Node.
    pub(super) fn of_node() -> Self {
        Self::on(1, Platform::of_node())
    }

    fn on(tabs: usize, platform: Platform) -> Self {
        let tab = |_| Tab {
            driver: Arc::new(Driver::new()),
            requests: BTreeMap::new(),
            to_platform: Vec::new(),
            from_platform: Vec::new(),
            received: Vec::new(),
            is_hidden: false,
            is_broken: false,
            remind_at: None,
        };
        Self {
            now: 0.0,
            platform,
            tabs: (0..tabs).map(tab).collect(),
            tasks: BTreeMap::new(),
            tasks_ever: 0,
            owners: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    /// Runs `step` on the rules of `tab`, and applies the commands that follow.
    fn step<T>(&mut self, tab: usize, step: impl FnOnce(&mut NamedHandOff, f64) -> T) -> T {
        let now = self.now;
        let output = self.tabs[tab].driver.with(|rules| step(rules, now));
        self.apply_commands(tab);
        output
    }

    pub(super) fn request(&mut self, spec: Spec) -> TaskId {
        let was_obstructed = self.is_obstructed(&spec, None);
        let now = self.now;
        self.names.insert(spec.name);
        let driver = Arc::clone(&self.tabs[spec.tab].driver);
        let (slot, is_over) = driver.with(|rules| {
            let slot = rules.request(spec.name, spec.mode, spec.if_held, spec.passing, now);
            (slot, *rules.state(slot) != State::Pending)
        });
        let task = Task {
            spec,
            slot,
            made: now,
            seen: State::Pending,
            // A task need not be woken for a state that it finds at once.
            alarm: Arc::new(Alarm {
                is_woken: AtomicBool::new(is_over),
            }),
            waker: None,
            was_obstructed,
        };
        let id = self.tasks_ever;
        self.tasks_ever += 1;
        self.tasks.insert(id, task);
        self.sleep(id);
        self.apply_commands(spec.tab);
        id
    }

    /// Registers the waker of a task.
    fn sleep(&mut self, id: TaskId) {
        let task = self.tasks.get_mut(&id).expect("it is there");
        let waker = Arc::clone(&task.alarm).into();
        let driver = &self.tabs[task.spec.tab].driver;
        driver.with(|rules| {
            let wakers = rules.waker(task.slot).get_or_insert_default();
            wakers.set(&mut task.waker, waker);
        });
    }

    /// Frees a lock or gives up a wait. The task stays, to be told what becomes of it.
    pub(super) fn release(&mut self, id: TaskId) {
        let (Spec { tab, .. }, slot, now) = (self.spec(id), self.slot(id), self.now);
        self.tabs[tab].driver.with(|rules| rules.release(slot, now));
        let seen = self.state(id);
        self.tasks.get_mut(&id).expect("it was there").seen = seen;
        self.apply_commands(tab);
    }

    /// Frees a lock or gives up a wait, and the task ends.
    pub(super) fn leave(&mut self, id: TaskId) {
        let task = self.tasks.remove(&id).expect("it was there");
        let wakers = self.step(task.spec.tab, |rules, now| {
            // First its own waker, as when a future is dropped.
            if let (Some(wakers), Some(waker)) = (rules.waker(task.slot), task.waker) {
                wakers.remove(waker);
            }
            rules.remove(task.slot, now)
        });
        assert_eq!(
            wakers.into_iter().flatten().count(),
            0,
            "another task's waker"
        );
    }

    pub(super) fn lose_all(&mut self, tab: usize) {
        self.tabs[tab].driver.with(NamedHandOff::lose_all);
        for request in self.tabs[tab].requests.values_mut() {
            request.is_frozen = true;
        }
        self.apply_commands(tab);
    }

    pub(super) fn set_hidden(&mut self, tab: usize, is_hidden: bool) {
        self.tabs[tab].is_hidden = is_hidden;
        self.step(tab, |rules, now| rules.set_hidden(is_hidden, now));
    }

    pub(super) fn set_broken(&mut self, tab: usize, is_broken: bool) {
        self.tabs[tab].is_broken = is_broken;
    }

    /// A try no longer waits for what its tab has released.
    pub(super) fn try_at_once(&mut self, id: TaskId) {
        let (Spec { tab, .. }, slot) = (self.spec(id), self.slot(id));
        // From now on it may be refused for what its own tab has released.
        self.tasks.get_mut(&id).expect("it is there").was_obstructed = true;
        self.step(tab, |rules, now| rules.try_at_once(slot, now));
    }

    /// How many requests were ever sent to the platform.
    pub(super) fn requests_ever(&self) -> usize {
        self.owners.len()
    }

    pub(super) fn now(&self) -> f64 {
        self.now
    }

    pub(super) fn pass(&mut self, millis: f64) {
        self.now += millis;
    }

    /// The timer of `tab` goes off, if it is time.
    pub(super) fn fire_timer(&mut self, tab: usize) {
        let now = self.now;
        let remind_at = &mut self.tabs[tab].remind_at;
        if remind_at.take_if(|at| *at <= now).is_some() {
            self.step(tab, |rules, now| rules.remind(now));
        }
    }

    /// Whether nothing is left, in the tabs and in the platform.
    pub(super) fn is_empty(&self) -> bool {
        let mut tabs = self.tabs.iter();
        self.platform.is_empty()
            && tabs.all(|tab| {
                let rules_are_empty = |rules: &mut NamedHandOff| {
                    rules.queues.is_empty()
                        && rules.requests.is_empty()
                        && rules.grants.iter().next().is_none()
                };
                tab.requests.is_empty() && tab.driver.with(rules_are_empty)
            })
    }

    pub(super) fn tasks(&self) -> impl DoubleEndedIterator<Item = TaskId> {
        self.tasks.keys().copied()
    }

    /// Reads the rules of `tab`.
    pub(super) fn rules<T>(&self, tab: usize, read: impl FnOnce(&NamedHandOff) -> T) -> T {
        self.tabs[tab].driver.with(|rules| read(rules))
    }

    pub(super) fn slot(&self, id: TaskId) -> RequestSlot {
        self.tasks[&id].slot
    }

    pub(super) fn state(&self, id: TaskId) -> State<String> {
        let slot = self.slot(id);
        self.rules(self.spec(id).tab, |rules| rules.state(slot).clone())
    }

    fn spec(&self, id: TaskId) -> Spec {
        self.tasks[&id].spec
    }

    pub(super) fn is_held(&self, id: TaskId) -> bool {
        matches!(self.state(id), State::Held(_))
    }

    pub(super) fn is_pending(&self, id: TaskId) -> bool {
        self.state(id) == State::Pending
    }

    pub(super) fn is_lost(&self, id: TaskId) -> bool {
        matches!(self.state(id), State::Lost(_))
    }
}
