//! A world to try the rules in: a few tabs, each with the rules, before one
//! [platform](Platform). What they say to each other is under way until a test delivers
//! it, so a test chooses what comes late. [`promises`] looks at the world after each step.

use std::collections::BTreeMap;

use super::{
    Command, GrantId, HandOff, IfHeld, MILLIS, Passing, QueueSlot, Quirks, Reason, RequestSlot,
    Settled, State,
};
use crate::guard::LockMode;

mod platform;
mod promises;

use platform::{News, Platform, Serial};

/// What a platform says to explain itself.
type Said = &'static str;

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
    fn is_in_queue(&self) -> bool {
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
    seen: State<Said>,
    is_woken: bool,
    /// For a try: whether something was in its way at any time.
    was_obstructed: bool,
}

#[derive(Debug)]
struct Tab {
    relay: HandOff<TaskId, Said>,
    queues: BTreeMap<&'static str, QueueSlot>,
    errands: BTreeMap<GrantId, Errand>,
    to_platform: Vec<Message>,
    from_platform: Vec<News>,
    /// All that was ever heard.
    heard: Vec<News>,
    is_hidden: bool,
    /// When the rules wants to be reminded.
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
            assert!(self.relay.close(queue), "somebody uses it");
            self.queues.retain(|_, known| *known != queue);
        }
    }
}

/// What a tab has under way for a grant.
#[derive(Debug)]
struct Errand {
    serial: Serial,
    name: &'static str,
    mode: LockMode,
    if_held: IfHeld,
    granted: Option<f64>,
    /// How often the grant was given to a task, and what the first one was.
    turns: u32,
    first: Option<Passing>,
    /// By the rules's order.
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

/// How the platform takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Plain,
    /// The thief hears of a steal before the victims do.
    TellsThiefFirst,
    /// A victim whose grant is on its way is rejected first, and called back all the same:
    /// WebKit's way.
    RejectsFirst,
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
    /// The tab of each request that was ever made of the platform, and what for.
    owners: Vec<(usize, GrantId)>,
}

impl World {
    pub(super) fn new(tabs: usize) -> Self {
        Self::with_quirks(tabs, Quirks::default())
    }

    pub(super) fn with_quirks(tabs: usize, quirks: Quirks) -> Self {
        let tab = |_| Tab {
            relay: HandOff::new(quirks),
            queues: BTreeMap::new(),
            errands: BTreeMap::new(),
            to_platform: Vec::new(),
            from_platform: Vec::new(),
            heard: Vec::new(),
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

    pub(super) fn ask(&mut self, want: Want) -> TaskId {
        let was_obstructed = self.is_obstructed(&want, None);
        let Tab { relay, queues, .. } = &mut self.tabs[want.tab];
        let queue = *queues.entry(want.name).or_insert_with(|| relay.open(false));
        let slot = relay.request(queue, want.mode, want.if_held, want.passing, self.now);
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
        *self.tabs[want.tab].relay.waker(slot) = Some(id);
        self.follow(want.tab);
        id
    }

    /// Frees a lock, or gives up a wait, and stays to hear of it.
    pub(super) fn release(&mut self, id: TaskId) {
        let Task { want, slot, .. } = self.tasks[&id];
        let relay = &mut self.tabs[want.tab].relay;
        relay.release(slot, self.now);
        let seen = *relay.state(slot);
        self.tasks.get_mut(&id).expect("it was there").seen = seen;
        self.follow(want.tab);
    }

    /// The same, and nobody is there any more.
    pub(super) fn leave(&mut self, id: TaskId) {
        let Task { want, slot, .. } = self.tasks.remove(&id).expect("it was there");
        let (_, unused) = self.tabs[want.tab].relay.remove(slot, self.now);
        self.tabs[want.tab].close(unused);
        self.follow(want.tab);
    }

    pub(super) fn lose_all(&mut self, tab: usize) {
        let unused = self.tabs[tab].relay.lose_all(&Reason::Cached);
        self.tabs[tab].close(unused);
        for errand in self.tabs[tab].errands.values_mut() {
            errand.is_frozen = true;
        }
        self.follow(tab);
    }

    pub(super) fn set_hidden(&mut self, tab: usize, is_hidden: bool) {
        self.tabs[tab].is_hidden = is_hidden;
        self.tabs[tab].relay.set_hidden(is_hidden, self.now);
        self.follow(tab);
    }

    /// A task that tried will wait no longer for what its tab has let go of.
    pub(super) fn try_at_once(&mut self, id: TaskId) {
        let Task { want, slot, .. } = self.tasks[&id];
        self.tabs[want.tab].relay.try_at_once(slot, self.now);
        // From now on, what its own tab has let go of is a reason to refuse it.
        self.tasks.get_mut(&id).expect("it is there").was_obstructed = true;
        self.follow(want.tab);
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

    /// Carries out what the rules of `tab` ordered, and sees whether all is well.
    fn follow(&mut self, tab: usize) {
        while let Some(order) = self.tabs[tab].relay.next_command() {
            match order {
                Command::Request {
                    grant,
                    queue,
                    mode,
                    if_held,
                } => self.send(tab, grant, queue, mode, if_held),
                Command::Release(grant) => self.end(tab, grant),
                Command::Forget(grant) => {
                    let errand = &self.tabs[tab].errands[&grant];
                    assert!(errand.granted.is_some() && !errand.is_ended);
                }
                Command::Confirm { grant, round_trips } => {
                    let mut owners = self.owners.iter();
                    let serial = owners.position(|owner| *owner == (tab, grant));
                    let serial = serial.expect("it was asked for");
                    let message = Message::RoundTrips(serial, round_trips);
                    self.tabs[tab].to_platform.push(message);
                }
                Command::Remind => {
                    let remind_at = &mut self.tabs[tab].remind_at;
                    let before = remind_at.replace(self.now + MILLIS);
                    assert_eq!(before, None, "two timers for one");
                }
            }
        }
        while let Some(id) = self.tabs[tab].relay.next_wake() {
            if let Some(task) = self.tasks.get_mut(&id) {
                task.is_woken = true;
            }
        }
        self.check();
        self.views_are_exact(tab);
    }

    fn end(&mut self, tab: usize, grant: GrantId) {
        self.it_could_not_be_handed_on(tab, grant);
        let errand = self.tabs[tab].errands.get_mut(&grant);
        let errand = errand.expect("only what is not over can be ended");
        assert!(!errand.is_ended, "a grant is ended twice");
        errand.is_ended = true;
        let serial = errand.serial;
        if errand.granted.is_some() {
            self.tabs[tab].to_platform.push(Message::End(serial));
        } else if errand.if_held == IfHeld::Queue {
            self.tabs[tab].to_platform.push(Message::Withdraw(serial));
            self.tabs[tab].from_platform.push(News::Aborted(serial));
        }
        // A try or a steal that is not answered yet cannot be withdrawn.
    }

    fn send(&mut self, tab: usize, grant: GrantId, queue: QueueSlot, mode: LockMode, how: IfHeld) {
        let name = self.tabs[tab].name_of(queue);
        let serial = self.owners.len();
        self.owners.push((tab, grant));
        let errand = Errand {
            serial,
            name,
            mode,
            if_held: how,
            granted: None,
            turns: 0,
            first: None,
            is_ended: false,
            is_withdrawn: false,
            is_settled: false,
            is_frozen: false,
        };
        let before = self.tabs[tab].errands.insert(grant, errand);
        assert!(before.is_none(), "a grant that is not over is asked for");
        let message = Message::Request(serial, name, mode, how);
        self.tabs[tab].to_platform.push(message);
    }

    /// The platform receives a message that `tab` has sent: the one at `at`, or an earlier
    /// one about the same grant. Others may come in any order: a lock is freed by a promise,
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
            Message::Withdraw(serial) => {
                self.platform.withdraw(serial);
                let (tab, grant) = self.owners[serial];
                if let Some(errand) = self.tabs[tab].errands.get_mut(&grant) {
                    errand.is_withdrawn = true;
                }
                self.forget(tab, grant);
            }
            Message::RoundTrips(serial, left) => {
                self.platform.pass_time();
                match left {
                    1 => self.tabs[tab].from_platform.push(News::Confirmed(serial)),
                    _ => {
                        let message = Message::RoundTrips(serial, left - 1);
                        self.tabs[tab].to_platform.push(message);
                    }
                }
            }
        }
        self.spread(
            manner,
            matches!(message, Message::Request(.., IfHeld::Steal)),
        );
        self.check();
    }

    /// Sends on what the platform has to say.
    fn spread(&mut self, manner: Manner, is_theft: bool) {
        let mut news = self.platform.news();
        if is_theft && manner == Manner::TellsThiefFirst {
            news.reverse();
        }
        for news in news {
            let (owner, _) = self.owners[news.serial()];
            let to = &mut self.tabs[owner].from_platform;
            let grant = News::Granted(news.serial());
            let grant = to.iter().position(|&earlier| earlier == grant);
            match (manner, news, grant) {
                (Manner::RejectsFirst, News::Stolen(_), Some(grant)) => to.insert(grant, news),
                _ => to.push(news),
            }
        }
    }

    /// Forgets an errand of which nothing is left, here and there.
    fn forget(&mut self, tab: usize, grant: GrantId) {
        let errands = &mut self.tabs[tab].errands;
        if let Some(errand) = errands.get(&grant)
            && errand.is_settled
            && (errand.is_withdrawn || !errand.is_ended || errand.granted.is_some())
        {
            errands.remove(&grant);
        }
    }

    fn receive(&mut self, tab: usize, at: usize) -> Option<Message> {
        let sent = &mut self.tabs[tab].to_platform;
        let serial = sent.get(at.checked_rem(sent.len())?)?.serial();
        let first = sent.iter().position(|message| message.serial() == serial);
        Some(sent.remove(first?))
    }

    /// `tab` hears what the platform has said. What is said of its own accord keeps its
    /// order; that a grant is over as it was told to be may be heard at any time.
    pub(super) fn hear(&mut self, tab: usize, at: usize) {
        let said = &self.tabs[tab].from_platform;
        let Some(at) = at.checked_rem(said.len()) else {
            return;
        };
        let serial = said[at].serial();
        let first = said.iter().position(|news| news.serial() == serial);
        let is_over =
            |news: &News| matches!(news, News::Ended(_) | News::Aborted(_) | News::Confirmed(_));
        let first = first.filter(|&first| is_over(&said[first]));
        let nth = first.or_else(|| said.iter().position(|news| !is_over(news)));
        self.hear_nth(
            tab,
            nth.expect("the first that is said of it is one or the other"),
        );
    }

    fn hear_nth(&mut self, tab: usize, nth: usize) {
        let news = self.tabs[tab].from_platform.remove(nth);
        self.tabs[tab].heard.push(news);
        let (_, grant) = self.owners[news.serial()];
        let now = self.now;
        let Tab {
            relay,
            errands,
            to_platform,
            ..
        } = &mut self.tabs[tab];
        let errand = errands.get_mut(&grant);
        let mut is_settled = true;
        let unused = match (news, errand) {
            // It was rejected before, and is called back all the same.
            (News::Granted(_), None) => {
                assert!(!relay.called_back(grant, true, now));
                None
            }
            // The page withdrew it. Most browsers do not call back, and none has to.
            (News::Granted(_), Some(errand))
                if errand.is_ended && errand.if_held == IfHeld::Queue =>
            {
                assert!(!relay.called_back(grant, true, now));
                is_settled = false;
                None
            }
            (News::Granted(serial), Some(errand)) => {
                errand.granted = Some(now);
                if !relay.called_back(grant, true, now) {
                    errand.is_ended = true;
                    to_platform.push(Message::End(serial));
                }
                is_settled = false;
                None
            }
            (News::Refused(_), _) => {
                assert!(!relay.called_back(grant, false, now), "keep what?");
                is_settled = false;
                None
            }
            (News::Stolen(_) | News::Aborted(_), _) => relay.settled(grant, Settled::Aborted, now),
            (News::Rejected(_), _) => {
                let why = "the platform's reason";
                relay.settled(grant, Settled::Failed(why), now)
            }
            (News::Ended(_), _) => relay.settled(grant, Settled::Resolved, now),
            (News::Confirmed(_), _) => relay.confirmed(grant, now),
        };
        self.tabs[tab].close(unused);
        if let Some(errand) = self.tabs[tab].errands.get_mut(&grant) {
            errand.is_settled |= is_settled;
            if !matches!(news, News::Aborted(_)) && is_settled {
                // Whatever is said of its own accord, the platform knows.
                errand.is_withdrawn = true;
            }
        }
        self.forget(tab, grant);
        self.follow(tab);
    }

    /// Something that `tab` has heard is said again, and is no news to anybody.
    pub(super) fn echo(&mut self, tab: usize, nth: usize) {
        let heard = &self.tabs[tab].heard;
        let Some(nth) = nth.checked_rem(heard.len()) else {
            return;
        };
        let news = heard[nth];
        let (_, grant) = self.owners[news.serial()];
        let states: Vec<State<Said>> = self.tasks().map(|id| *self.state(id)).collect();
        let (relay, now) = (&mut self.tabs[tab].relay, self.now);
        let unused = match news {
            News::Granted(_) | News::Refused(_) => {
                let has_lock = matches!(news, News::Granted(_));
                assert!(!relay.called_back(grant, has_lock, now));
                None
            }
            News::Stolen(_) | News::Aborted(_) => relay.settled(grant, Settled::Aborted, now),
            News::Rejected(_) => relay.settled(grant, Settled::Failed(""), now),
            News::Ended(_) => relay.settled(grant, Settled::Resolved, now),
            News::Confirmed(_) => relay.confirmed(grant, now),
        };
        assert_eq!(unused, None);
        let same = self.tasks().map(|id| *self.state(id));
        assert_eq!(states, same.collect::<Vec<_>>());
        self.follow(tab);
    }

    /// Delivers all that is under way, in order, and what follows from it.
    pub(super) fn settle(&mut self) {
        (0..self.tabs.len()).for_each(|tab| self.ring(tab));
        while !self.is_quiet() {
            self.platform.pass_time();
            self.spread(Manner::Plain, false);
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
        self.tabs.iter().all(quiet) && !self.platform.is_withdrawn_held()
    }

    /// Whether nothing is left of anything, with anybody.
    pub(super) fn is_empty(&self) -> bool {
        let mut tabs = self.tabs.iter();
        self.platform.is_empty() && tabs.all(|tab| tab.errands.is_empty() && tab.relay.is_empty())
    }

    pub(super) fn tasks(&self) -> impl DoubleEndedIterator<Item = TaskId> {
        self.tasks.keys().copied()
    }

    pub(super) fn relay(&self, tab: usize) -> &HandOff<TaskId, Said> {
        &self.tabs[tab].relay
    }

    pub(super) fn holds(&self, tab: usize, name: &str) -> bool {
        let queue = self.tabs[tab].queues.get(name);
        queue.is_some_and(|&queue| self.relay(tab).holds(queue))
    }

    pub(super) fn slot(&self, id: TaskId) -> RequestSlot {
        self.tasks[&id].slot
    }

    pub(super) fn state(&self, id: TaskId) -> &State<Said> {
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
