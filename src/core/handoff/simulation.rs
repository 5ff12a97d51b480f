//! A world to try the relay in: a few tabs, each with a relay, before one
//! [platform](Platform). What they say to each other is under way until a test delivers
//! it, so a test chooses what comes late. [`promises`] looks at the world after each step.

use std::collections::BTreeMap;

use super::{
    Effects, IfHeld, LeaseSlot, LineSlot, MILLIS, Order, Passing, Reason, Relay, RequestSlot, State,
};
use crate::guard::LockMode;

mod platform;
mod promises;

use platform::{News, Platform, Serial};

/// Numbers the tasks of a world, in the order in which they came.
pub(super) type TaskId = usize;

/// What a task asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    pub(super) tab: usize,
    pub(super) name: &'static str,
    pub(super) mode: LockMode,
    pub(super) if_held: IfHeld,
    pub(super) passing: Passing,
}

impl Want {
    fn is_in_line(&self) -> bool {
        self.if_held == IfHeld::Queue && self.passing == Passing::On
    }

    fn conflicts_with(&self, name: &str, mode: LockMode) -> bool {
        self.name == name && !(self.mode == LockMode::Shared && mode == LockMode::Shared)
    }
}

#[derive(Debug)]
struct Task {
    want: Want,
    slot: RequestSlot,
    made: f64,
    /// The state at its last look, after which it has slept.
    seen: State<String>,
    is_woken: bool,
    /// For a try: whether something was in its way at any time.
    was_obstructed: bool,
}

#[derive(Debug)]
struct Tab {
    relay: Relay<TaskId, String>,
    lines: BTreeMap<&'static str, LineSlot>,
    errands: BTreeMap<LeaseSlot, Errand>,
    to_platform: Vec<Message>,
    from_platform: Vec<News>,
    /// When the relay wants to be reminded.
    remind_at: Option<f64>,
}

impl Tab {
    fn name_of(&self, line: LineSlot) -> &'static str {
        let mut lines = self.lines.iter();
        let known = lines.find(|&(_, &known)| known == line);
        known.expect("nothing is asked for that nobody wants").0
    }
}

impl Reason for String {
    fn stolen() -> Self {
        Self::from("stolen")
    }
}

/// What a tab has under way for a lease.
#[derive(Debug)]
struct Errand {
    serial: Serial,
    name: &'static str,
    mode: LockMode,
    if_held: IfHeld,
    granted: Option<f64>,
    /// How often the lease was given to a task, and what the first one was.
    turns: u32,
    first: Option<Passing>,
    /// By the relay's order.
    is_ended: bool,
    is_frozen: bool,
}

#[derive(Debug, Clone, Copy)]
enum Message {
    Request(Serial, &'static str, LockMode, IfHeld),
    End(Serial),
}

impl Message {
    fn serial(self) -> Serial {
        let (Self::Request(serial, ..) | Self::End(serial)) = self;
        serial
    }
}

/// How the platform takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Plain,
    /// The thief hears of a steal before the victims do.
    TellsThiefFirst,
    /// As in a document that may not have locks.
    TurnsDown,
}

#[derive(Debug)]
pub(super) struct World {
    now: f64,
    platform: Platform,
    tabs: Vec<Tab>,
    tasks: BTreeMap<TaskId, Task>,
    tasks_ever: usize,
    /// The tab of each request that was ever made of the platform.
    owners: Vec<usize>,
}

impl World {
    pub(super) fn new(tabs: usize) -> Self {
        let tab = |_| Tab {
            relay: Relay::new(),
            lines: BTreeMap::new(),
            errands: BTreeMap::new(),
            to_platform: Vec::new(),
            from_platform: Vec::new(),
            remind_at: None,
        };
        Self {
            now: 0.0,
            platform: Platform::default(),
            tabs: (0..tabs).map(tab).collect(),
            tasks: BTreeMap::new(),
            tasks_ever: 0,
            owners: Vec::new(),
        }
    }

    pub(super) fn ask(&mut self, want: Want) -> TaskId {
        let was_obstructed = self.is_obstructed(&want, None);
        let Tab { relay, lines, .. } = &mut self.tabs[want.tab];
        let line = *lines.entry(want.name).or_insert_with(|| relay.open(false));
        let slot = relay.request(line, want.mode, want.if_held, want.passing, self.now);
        let seen = State::Pending;
        let task = Task {
            want,
            slot,
            made: self.now,
            // What it finds at once, nobody has to wake it for.
            is_woken: *relay.state(slot) != seen,
            seen,
            was_obstructed,
        };
        let id = self.tasks_ever;
        self.tasks_ever += 1;
        self.tasks.insert(id, task);
        self.tabs[want.tab].relay.set_waker(slot, id);
        self.follow(want.tab);
        id
    }

    /// Frees a lock, or gives up a wait, and stays to hear of it.
    pub(super) fn release(&mut self, id: TaskId) {
        let Task { want, slot, .. } = self.tasks[&id];
        let relay = &mut self.tabs[want.tab].relay;
        relay.release(slot, self.now);
        let seen = relay.state(slot).clone();
        self.tasks.get_mut(&id).expect("it was there").seen = seen;
        self.follow(want.tab);
    }

    /// The same, and nobody is there any more.
    pub(super) fn leave(&mut self, id: TaskId) {
        let Task { want, slot, .. } = self.tasks.remove(&id).expect("it was there");
        self.tabs[want.tab].relay.remove(slot, self.now);
        self.follow(want.tab);
    }

    pub(super) fn freeze(&mut self, tab: usize) {
        self.tabs[tab].relay.freeze(&String::from("frozen"));
        for errand in self.tabs[tab].errands.values_mut() {
            errand.is_frozen = true;
        }
        self.follow(tab);
    }

    /// How many were ever made of the platform.
    pub(super) fn requests(&self) -> usize {
        self.owners.len()
    }

    pub(super) fn now(&self) -> f64 {
        self.now
    }

    pub(super) fn pass(&mut self, millis: f64) {
        self.now += millis;
    }

    /// The timer of `tab` goes off, if it is time.
    pub(super) fn ring(&mut self, tab: usize) {
        let now = self.now;
        let Tab {
            relay, remind_at, ..
        } = &mut self.tabs[tab];
        if remind_at.take_if(|at| *at <= now).is_some() {
            relay.remind(now);
            self.follow(tab);
        }
    }

    /// Carries out what the relay of `tab` ordered, and sees whether all is well.
    fn follow(&mut self, tab: usize) {
        let Effects {
            orders,
            wakes,
            remind,
        } = self.tabs[tab].relay.effects();
        if remind {
            let before = self.tabs[tab].remind_at.replace(self.now + MILLIS);
            assert_eq!(before, None, "two timers for one");
        }
        for order in orders {
            match order {
                Order::Ask {
                    lease,
                    line,
                    mode,
                    if_held,
                } => self.send(tab, lease, line, mode, if_held),
                Order::End(lease) => {
                    self.it_could_not_be_handed_on(tab, lease);
                    let errand = self.tabs[tab].errands.get_mut(&lease);
                    let errand = errand.expect("only what is not over can be ended");
                    assert!(!errand.is_ended, "a lease is ended twice");
                    errand.is_ended = true;
                    // A try or a steal that is not answered yet cannot be withdrawn.
                    if errand.granted.is_some() || errand.if_held == IfHeld::Queue {
                        let message = Message::End(errand.serial);
                        self.tabs[tab].to_platform.push(message);
                    }
                }
            }
        }
        for id in wakes {
            if let Some(task) = self.tasks.get_mut(&id) {
                task.is_woken = true;
            }
        }
        self.check();
        self.views_are_exact(tab);
    }

    fn send(&mut self, tab: usize, lease: LeaseSlot, line: LineSlot, mode: LockMode, how: IfHeld) {
        let name = self.tabs[tab].name_of(line);
        let serial = self.owners.len();
        self.owners.push(tab);
        let errand = Errand {
            serial,
            name,
            mode,
            if_held: how,
            granted: None,
            turns: 0,
            first: None,
            is_ended: false,
            is_frozen: false,
        };
        let before = self.tabs[tab].errands.insert(lease, errand);
        assert!(before.is_none(), "a lease that is not over is asked for");
        let message = Message::Request(serial, name, mode, how);
        self.tabs[tab].to_platform.push(message);
    }

    /// The platform receives a message that `tab` has sent: the one at `at`, or an earlier
    /// one about the same lease. Others may come in any order: a lock is freed by a promise,
    /// a little after the call that says so.
    pub(super) fn deliver(&mut self, tab: usize, at: usize) {
        self.deliver_to(Manner::Plain, tab, at);
    }

    pub(super) fn deliver_to(&mut self, manner: Manner, tab: usize, at: usize) {
        let Some(message) = self.receive(tab, at) else {
            return;
        };
        match message {
            Message::Request(serial, ..) if manner == Manner::TurnsDown => {
                self.platform.reject(serial);
            }
            Message::Request(serial, name, mode, if_held) => {
                self.platform.request(serial, name, mode, if_held);
            }
            Message::End(serial) => self.platform.end(serial),
        }
        let mut news = self.platform.news();
        let is_theft = matches!(message, Message::Request(.., IfHeld::Steal));
        if is_theft && manner == Manner::TellsThiefFirst {
            news.reverse();
        }
        for news in news {
            let owner = self.owners[news.serial()];
            self.tabs[owner].from_platform.push(news);
        }
        self.check();
    }

    fn receive(&mut self, tab: usize, at: usize) -> Option<Message> {
        let sent = &mut self.tabs[tab].to_platform;
        let serial = sent.get(at.checked_rem(sent.len())?)?.serial();
        let first = sent.iter().position(|message| message.serial() == serial);
        Some(sent.remove(first?))
    }

    /// `tab` hears what the platform has said. What is said of its own accord keeps its
    /// order; that a lease is over as it was told to be may be heard at any time.
    pub(super) fn hear(&mut self, tab: usize, at: usize) {
        let said = &self.tabs[tab].from_platform;
        let Some(at) = at.checked_rem(said.len()) else {
            return;
        };
        let serial = said[at].serial();
        let first = said.iter().position(|news| news.serial() == serial);
        let is_over = |news: &News| matches!(news, News::Ended(_));
        let first = first.filter(|&first| is_over(&said[first]));
        let nth = first.or_else(|| said.iter().position(|news| !is_over(news)));
        self.hear_nth(
            tab,
            nth.expect("the first that is said of it is one or the other"),
        );
    }

    fn hear_nth(&mut self, tab: usize, nth: usize) {
        let now = self.now;
        let Tab {
            relay,
            lines,
            errands,
            from_platform,
            to_platform,
            ..
        } = &mut self.tabs[tab];
        let news = from_platform.remove(nth);
        let mut errand = errands.iter_mut();
        let errand = errand.find(|(_, errand)| errand.serial == news.serial());
        let (&lease, errand) = errand.expect("a lease ends once, and then no more is said");
        assert_eq!(lines[errand.name], relay.line_of(lease));
        match news {
            // The page withdrew it, and the browser does not call back.
            News::Granted(_) if errand.is_ended && errand.if_held == IfHeld::Queue => {}
            News::Granted(serial) => {
                errand.granted = Some(now);
                if !relay.answered(lease, true, now) {
                    errand.is_ended = true;
                    to_platform.push(Message::End(serial));
                }
            }
            News::Refused(_) => assert!(!relay.answered(lease, false, now), "keep what?"),
            News::Stolen(_) | News::Rejected(_) | News::Ended(_) => {
                assert_eq!(relay.is_ending(lease), errand.is_ended && !errand.is_frozen);
                errands.remove(&lease);
                relay.ended(lease, now, |was_held| {
                    assert_eq!(was_held, matches!(news, News::Stolen(_)));
                    String::from("the platform's reason")
                });
            }
        }
        self.follow(tab);
    }

    /// Delivers all that is under way, in order, and what follows from it.
    pub(super) fn settle(&mut self) {
        (0..self.tabs.len()).for_each(|tab| self.ring(tab));
        while !self.is_quiet() {
            for tab in 0..self.tabs.len() {
                self.deliver(tab, 0);
                if !self.tabs[tab].from_platform.is_empty() {
                    self.hear_nth(tab, 0);
                }
            }
        }
    }

    fn is_quiet(&self) -> bool {
        let quiet = |tab: &Tab| tab.to_platform.is_empty() && tab.from_platform.is_empty();
        self.tabs.iter().all(quiet)
    }

    /// Whether nothing is left of anything, with anybody.
    pub(super) fn is_empty(&self) -> bool {
        let mut tabs = self.tabs.iter();
        self.platform.is_empty() && tabs.all(|tab| tab.errands.is_empty() && tab.relay.is_empty())
    }

    pub(super) fn tasks(&self) -> impl DoubleEndedIterator<Item = TaskId> {
        self.tasks.keys().copied()
    }

    pub(super) fn relay(&self, tab: usize) -> &Relay<TaskId, String> {
        &self.tabs[tab].relay
    }

    pub(super) fn holds(&self, tab: usize, name: &str) -> bool {
        let line = self.tabs[tab].lines.get(name);
        line.is_some_and(|&line| self.relay(tab).holds(line))
    }

    pub(super) fn held_exclusively_since(&self, tab: usize, name: &str) -> Option<f64> {
        let line = *self.tabs[tab].lines.get(name)?;
        self.relay(tab).held_exclusively_since(line)
    }

    pub(super) fn slot(&self, id: TaskId) -> RequestSlot {
        self.tasks[&id].slot
    }

    pub(super) fn state(&self, id: TaskId) -> &State<String> {
        self.relay(self.want(id).tab).state(self.slot(id))
    }

    fn want(&self, id: TaskId) -> Want {
        self.tasks[&id].want
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
