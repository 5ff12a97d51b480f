//! A world to try the rules in: a few tabs, each with the rules, before one
//! [platform](Platform). What they say to each other is under way until a test delivers
//! it, so a test chooses what comes late. [`invariants`] looks at the world after each step.

use std::collections::BTreeMap;

use super::{GrantId, HandOff, IfHeld, Passing, QueueSlot, Quirks, Reason, RequestSlot, State};
use crate::guard::LockMode;

mod delivery;
mod invariants;
mod platform;

pub(super) use delivery::Delivery;
use platform::{Event, Platform, Serial};

/// What a platform says to explain itself.
type Cause = &'static str;

/// Numbers the tasks of a world, in the order in which they came.
pub(super) type TaskId = usize;

/// What a task asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
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
    /// The state at its last look, after which it has slept.
    seen: State<Cause>,
    is_woken: bool,
    /// For a try: whether something was in its way at any time.
    was_obstructed: bool,
}

#[derive(Debug)]
struct Tab {
    hand_off: HandOff<TaskId, Cause>,
    queues: BTreeMap<&'static str, QueueSlot>,
    requests: BTreeMap<GrantId, PlatformRequest>,
    to_platform: Vec<Message>,
    from_platform: Vec<Event>,
    /// All that was ever received.
    received: Vec<Event>,
    is_hidden: bool,
    /// When the rules want to be reminded.
    remind_at: Option<f64>,
}

impl Tab {
    fn name_of(&self, queue: QueueSlot) -> &'static str {
        let mut queues = self.queues.iter();
        let known = queues.find(|&(_, &known)| known == queue);
        known.expect("nothing is asked for that nobody wants").0
    }

    /// As an edge does with queues that nobody uses any more.
    fn close(&mut self, unused: impl IntoIterator<Item = QueueSlot>) {
        for queue in unused {
            assert!(self.hand_off.close(queue), "somebody uses it");
            self.queues.retain(|_, known| *known != queue);
        }
    }
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
    /// The platform has heard of it.
    is_withdrawn: bool,
    /// Nothing more will be said of it.
    is_settled: bool,
    is_frozen: bool,
}

#[derive(Debug, Clone, Copy)]
enum Message {
    Request(Serial, &'static str, LockMode, IfHeld),
    Withdraw(Serial),
    End(Serial),
    /// To the platform and back, so many times.
    RoundTrips(Serial, u32),
}

impl Message {
    fn serial(self) -> Serial {
        let (Self::Request(serial, ..)
        | Self::Withdraw(serial)
        | Self::End(serial)
        | Self::RoundTrips(serial, _)) = self;
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
    /// The tab of each request that was ever made of the platform, and what for.
    owners: Vec<(usize, GrantId)>,
}

impl World {
    pub(super) fn new(tabs: usize) -> Self {
        Self::with_quirks(tabs, Quirks::default())
    }

    pub(super) fn with_quirks(tabs: usize, quirks: Quirks) -> Self {
        let tab = |_| Tab {
            hand_off: HandOff::new(quirks),
            queues: BTreeMap::new(),
            requests: BTreeMap::new(),
            to_platform: Vec::new(),
            from_platform: Vec::new(),
            received: Vec::new(),
            is_hidden: false,
            remind_at: None,
        };
        Self {
            now: 0.0,
            platform: Platform::new(quirks),
            tabs: (0..tabs).map(tab).collect(),
            tasks: BTreeMap::new(),
            tasks_ever: 0,
            owners: Vec::new(),
        }
    }

    pub(super) fn request(&mut self, spec: Spec) -> TaskId {
        let was_obstructed = self.is_obstructed(&spec, None);
        let Tab {
            hand_off, queues, ..
        } = &mut self.tabs[spec.tab];
        let queue = *queues
            .entry(spec.name)
            .or_insert_with(|| hand_off.open(false));
        let slot = hand_off.request(queue, spec.mode, spec.if_held, spec.passing, self.now);
        let seen = State::Pending;
        let task = Task {
            spec,
            slot,
            made: self.now,
            // What it finds at once, nobody has to wake it for.
            is_woken: *hand_off.state(slot) != seen,
            seen,
            was_obstructed,
        };
        let id = self.tasks_ever;
        self.tasks_ever += 1;
        self.tasks.insert(id, task);
        *self.tabs[spec.tab].hand_off.waker(slot) = Some(id);
        self.apply_commands(spec.tab);
        id
    }

    /// Frees a lock, or gives up a wait, and stays to hear of it.
    pub(super) fn release(&mut self, id: TaskId) {
        let Task { spec, slot, .. } = self.tasks[&id];
        let hand_off = &mut self.tabs[spec.tab].hand_off;
        hand_off.release(slot, self.now);
        let seen = *hand_off.state(slot);
        self.tasks.get_mut(&id).expect("it was there").seen = seen;
        self.apply_commands(spec.tab);
    }

    /// The same, and nobody is there any more.
    pub(super) fn leave(&mut self, id: TaskId) {
        let Task { spec, slot, .. } = self.tasks.remove(&id).expect("it was there");
        let (_, unused) = self.tabs[spec.tab].hand_off.remove(slot, self.now);
        self.tabs[spec.tab].close(unused);
        self.apply_commands(spec.tab);
    }

    pub(super) fn lose_all(&mut self, tab: usize) {
        let unused = self.tabs[tab].hand_off.lose_all(&Reason::Cached);
        self.tabs[tab].close(unused);
        for request in self.tabs[tab].requests.values_mut() {
            request.is_frozen = true;
        }
        self.apply_commands(tab);
    }

    pub(super) fn set_hidden(&mut self, tab: usize, is_hidden: bool) {
        self.tabs[tab].is_hidden = is_hidden;
        self.tabs[tab].hand_off.set_hidden(is_hidden, self.now);
        self.apply_commands(tab);
    }

    /// A task that tried will wait no longer for what its tab has let go of.
    pub(super) fn try_at_once(&mut self, id: TaskId) {
        let Task { spec, slot, .. } = self.tasks[&id];
        self.tabs[spec.tab].hand_off.try_at_once(slot, self.now);
        // From now on, what its own tab has let go of is a reason to refuse it.
        self.tasks.get_mut(&id).expect("it is there").was_obstructed = true;
        self.apply_commands(spec.tab);
    }

    /// How many were ever made of the platform.
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
        let Tab {
            hand_off,
            remind_at,
            ..
        } = &mut self.tabs[tab];
        if remind_at.take_if(|at| *at <= now).is_some() {
            hand_off.remind(now);
            self.apply_commands(tab);
        }
    }

    /// Whether nothing is left of anything, with anybody.
    pub(super) fn is_empty(&self) -> bool {
        let mut tabs = self.tabs.iter();
        self.platform.is_empty()
            && tabs.all(|tab| tab.requests.is_empty() && tab.hand_off.is_empty())
    }

    pub(super) fn tasks(&self) -> impl DoubleEndedIterator<Item = TaskId> {
        self.tasks.keys().copied()
    }

    pub(super) fn hand_off(&self, tab: usize) -> &HandOff<TaskId, Cause> {
        &self.tabs[tab].hand_off
    }

    pub(super) fn holds(&self, tab: usize, name: &str) -> bool {
        let queue = self.tabs[tab].queues.get(name);
        queue.is_some_and(|&queue| self.hand_off(tab).holds(queue))
    }

    pub(super) fn slot(&self, id: TaskId) -> RequestSlot {
        self.tasks[&id].slot
    }

    pub(super) fn state(&self, id: TaskId) -> &State<Cause> {
        self.hand_off(self.spec(id).tab).state(self.slot(id))
    }

    fn spec(&self, id: TaskId) -> Spec {
        self.tasks[&id].spec
    }

    pub(super) fn is_held(&self, id: TaskId) -> bool {
        matches!(self.state(id), State::Held(_))
    }

    pub(super) fn is_pending(&self, id: TaskId) -> bool {
        *self.state(id) == State::Pending
    }

    pub(super) fn is_lost(&self, id: TaskId) -> bool {
        matches!(self.state(id), State::Lost(_))
    }
}
