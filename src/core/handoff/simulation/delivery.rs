//! The messages between the tabs of a world and its platform: each tab's commands on their way
//! out, and the platform's events on their way back. A test chooses which is next.

use std::cell::RefCell;
use std::sync::Arc;

use super::platform::Event;
use super::{Message, PlatformRequest, Tab, World};
use crate::core::handoff::{GrantId, IfHeld, MILLIS, Settled, State};
use crate::driver::Platform;
use crate::guard::LockMode;

/// How the platform takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Plain,
    /// The thief hears of a steal before the victims do.
    TellsThiefFirst,
    /// As WebKit does it: a victim whose grant is on its way is rejected first, and called back
    /// all the same.
    RejectsFirst,
    /// The request is refused, as in a document that may not have locks.
    Rejects,
}

/// What the driver of a tab drives.
struct TabPlatform<'w> {
    world: RefCell<&'w mut World>,
    tab: usize,
}

impl Platform for TabPlatform<'_> {
    fn now(&self) -> f64 {
        self.world.borrow().now
    }

    fn request(
        &self,
        grant: GrantId,
        name: &str,
        mode: LockMode,
        if_held: IfHeld,
    ) -> Result<(), String> {
        if self.world.borrow().tabs[self.tab].is_broken {
            return Err("there is no lock manager".into());
        }
        self.world
            .borrow_mut()
            .send(self.tab, grant, name, mode, if_held);
        Ok(())
    }

    fn release(&self, grant: GrantId) {
        self.world.borrow_mut().end(self.tab, grant);
    }

    fn forget(&self, grant: GrantId) {
        let mut world = self.world.borrow_mut();
        let request = world.tabs[self.tab].requests.get_mut(&grant);
        let request = request.expect("what is over need not be forgotten");
        assert!(request.granted.is_some() && !request.is_ended);
        request.is_forgotten = true;
    }

    fn confirm(&self, grant: GrantId) {
        let mut world = self.world.borrow_mut();
        let mut owners = world.owners.iter();
        let serial = owners.position(|owner| *owner == (self.tab, grant));
        let serial = serial.expect("it was requested");
        let message = Message::RoundTrip(serial);
        world.tabs[self.tab].to_platform.push(message);
    }

    fn remind(&self) {
        let mut world = self.world.borrow_mut();
        let at = world.now + MILLIS;
        let before = world.tabs[self.tab].remind_at.replace(at);
        assert_eq!(before, None, "a tab has one timer for the reminder");
    }
}

impl World {
    /// Applies the commands of `tab`, and checks the world.
    pub(super) fn apply_commands(&mut self, tab: usize) {
        let driver = Arc::clone(&self.tabs[tab].driver);
        let world = RefCell::new(&mut *self);
        driver.apply_commands(&TabPlatform { world, tab });
        self.check();
        self.views_are_exact(tab);
    }

    fn end(&mut self, tab: usize, grant: GrantId) {
        self.it_could_not_be_handed_on(tab, grant);
        let request = self.tabs[tab].requests.get_mut(&grant);
        let request = request.expect("a request that is over cannot be ended");
        assert!(!request.is_ended, "a grant is ended twice");
        request.is_ended = true;
        let serial = request.serial;
        if request.granted.is_some() {
            self.tabs[tab].to_platform.push(Message::End(serial));
        } else if request.if_held == IfHeld::Queue {
            self.tabs[tab].to_platform.push(Message::Withdraw(serial));
            self.tabs[tab].from_platform.push(Event::Aborted(serial));
        }
        // A try or a steal that is not answered yet cannot be withdrawn.
    }

    fn send(&mut self, tab: usize, grant: GrantId, name: &str, mode: LockMode, if_held: IfHeld) {
        let name = *self.names.get(name).expect("a task has requested it");
        let serial = self.owners.len();
        self.owners.push((tab, grant));
        let request = PlatformRequest {
            serial,
            name,
            mode,
            if_held,
            granted: None,
            turns: 0,
            first: None,
            is_ended: false,
            is_forgotten: false,
            is_withdrawn: false,
            is_settled: false,
            is_frozen: false,
        };
        let before = self.tabs[tab].requests.insert(grant, request);
        assert!(before.is_none(), "a grant that is not over is requested");
        let message = Message::Request(serial, name, mode, if_held);
        self.tabs[tab].to_platform.push(message);
    }

    /// The platform receives a message that `tab` has sent: the one at `at`, or an earlier
    /// one about the same grant. Others may come in any order: a lock is freed by a promise,
    /// a little after the call that says so.
    pub(in crate::core::handoff) fn deliver(&mut self, tab: usize, at: usize) {
        self.deliver_to(Delivery::Plain, tab, at);
    }

    pub(in crate::core::handoff) fn deliver_to(
        &mut self,
        delivery: Delivery,
        tab: usize,
        at: usize,
    ) {
        let Some(message) = self.take_message(tab, at) else {
            return;
        };
        match message {
            Message::Request(serial, ..) if delivery == Delivery::Rejects => {
                self.platform.reject(serial);
            }
            Message::Request(serial, name, mode, if_held) => {
                self.platform.request(serial, name, mode, if_held);
            }
            Message::End(serial) => self.platform.end(serial),
            Message::Withdraw(serial) => {
                self.platform.withdraw(serial);
                let (tab, grant) = self.owners[serial];
                if let Some(request) = self.tabs[tab].requests.get_mut(&grant) {
                    request.is_withdrawn = true;
                }
                self.forget(tab, grant);
            }
            Message::RoundTrip(serial) => {
                self.tabs[tab].from_platform.push(Event::Confirmed(serial));
            }
        }
        self.queue_events(
            delivery,
            matches!(message, Message::Request(.., IfHeld::Steal)),
        );
        self.check();
    }

    /// Puts the events of the platform on their way.
    fn queue_events(&mut self, delivery: Delivery, is_theft: bool) {
        let mut events = self.platform.take_events();
        if is_theft && delivery == Delivery::TellsThiefFirst {
            events.reverse();
        }
        for event in events {
            let (owner, _) = self.owners[event.serial()];
            let to = &mut self.tabs[owner].from_platform;
            let grant = Event::Granted(event.serial());
            let grant = to.iter().position(|&earlier| earlier == grant);
            match (delivery, event, grant) {
                (Delivery::RejectsFirst, Event::Stolen(_), Some(grant)) => to.insert(grant, event),
                _ => to.push(event),
            }
        }
    }

    /// Forgets a request of which nothing is left, in the tab and in the platform.
    fn forget(&mut self, tab: usize, grant: GrantId) {
        let requests = &mut self.tabs[tab].requests;
        if let Some(request) = requests.get(&grant)
            && request.is_settled
            && (request.is_withdrawn || !request.is_ended || request.granted.is_some())
        {
            requests.remove(&grant);
        }
    }

    fn take_message(&mut self, tab: usize, at: usize) -> Option<Message> {
        let sent = &mut self.tabs[tab].to_platform;
        let serial = sent.get(at.checked_rem(sent.len())?)?.serial();
        let first = sent.iter().position(|message| message.serial() == serial);
        Some(sent.remove(first?))
    }

    /// `tab` receives an event of the platform. Events keep their order, but that a grant has
    /// ended as the tab wished may be received at any time.
    pub(in crate::core::handoff) fn receive_event(&mut self, tab: usize, at: usize) {
        let said = &self.tabs[tab].from_platform;
        let Some(at) = at.checked_rem(said.len()) else {
            return;
        };
        let serial = said[at].serial();
        let first = said.iter().position(|event| event.serial() == serial);
        let is_over = |event: &Event| {
            matches!(
                event,
                Event::Ended(_) | Event::Aborted(_) | Event::Confirmed(_)
            )
        };
        let first = first.filter(|&first| is_over(&said[first]));
        let nth = first.or_else(|| said.iter().position(|event| !is_over(event)));
        self.receive_nth(
            tab,
            nth.expect("the first that is said of it is one or the other"),
        );
    }

    fn receive_nth(&mut self, tab: usize, nth: usize) {
        let event = self.tabs[tab].from_platform.remove(nth);
        self.tabs[tab].received.push(event);
        let (_, grant) = self.owners[event.serial()];
        let now = self.now;
        let Tab {
            driver,
            requests,
            to_platform,
            ..
        } = &mut self.tabs[tab];
        let request = requests.get_mut(&grant);
        let called_back = |has_lock| driver.with(|rules| rules.called_back(grant, has_lock, now));
        let settled = |how| driver.with(|rules| rules.settled(grant, how, now));
        let mut is_settled = true;
        match (event, request) {
            // It was rejected before, and is called back all the same.
            (Event::Granted(_), None) => assert!(!called_back(true)),
            // The page withdrew it. Most browsers do not call back, and none has to.
            (Event::Granted(_), Some(request))
                if request.is_ended && request.if_held == IfHeld::Queue =>
            {
                assert!(!called_back(true));
                is_settled = false;
            }
            (Event::Granted(serial), Some(request)) => {
                request.granted = Some(now);
                if !called_back(true) {
                    request.is_ended = true;
                    to_platform.push(Message::End(serial));
                }
                is_settled = false;
            }
            (Event::Refused(_), _) => {
                assert!(!called_back(false), "there is no lock to hold");
                is_settled = false;
            }
            (Event::Stolen(_) | Event::Aborted(_), _) => settled(Settled::Aborted),
            (Event::Rejected(_), _) => settled(Settled::Failed("the platform's reason".into())),
            (Event::Ended(_), _) => settled(Settled::Resolved),
            (Event::Confirmed(_), _) => driver.with(|rules| rules.confirmed(grant, now)),
        }
        if let Some(request) = self.tabs[tab].requests.get_mut(&grant) {
            request.is_settled |= is_settled;
            if !matches!(event, Event::Aborted(_)) && is_settled {
                // An event that the platform sends by itself shows that it has none any more.
                request.is_withdrawn = true;
            }
        }
        self.forget(tab, grant);
        self.apply_commands(tab);
    }

    /// `tab` receives an event once more, and nothing changes.
    pub(in crate::core::handoff) fn repeat(&mut self, tab: usize, nth: usize) {
        let received = &self.tabs[tab].received;
        let Some(nth) = nth.checked_rem(received.len()) else {
            return;
        };
        let event = received[nth];
        let (_, grant) = self.owners[event.serial()];
        let states: Vec<State<String>> = self.tasks().map(|id| self.state(id)).collect();
        let now = self.now;
        self.tabs[tab].driver.with(|rules| match event {
            Event::Granted(_) | Event::Refused(_) => {
                let has_lock = matches!(event, Event::Granted(_));
                assert!(!rules.called_back(grant, has_lock, now));
            }
            Event::Stolen(_) | Event::Aborted(_) => rules.settled(grant, Settled::Aborted, now),
            Event::Rejected(_) => rules.settled(grant, Settled::Failed("".into()), now),
            Event::Ended(_) => rules.settled(grant, Settled::Resolved, now),
            Event::Confirmed(_) => rules.confirmed(grant, now),
        });
        let same = self.tasks().map(|id| self.state(id));
        assert_eq!(states, same.collect::<Vec<_>>());
        self.apply_commands(tab);
    }

    /// Delivers all messages in order, and those that follow from them.
    pub(in crate::core::handoff) fn deliver_all(&mut self) {
        (0..self.tabs.len()).for_each(|tab| self.fire_timer(tab));
        while !self.is_quiet() {
            self.queue_events(Delivery::Plain, false);
            for tab in 0..self.tabs.len() {
                self.deliver(tab, 0);
                if !self.tabs[tab].from_platform.is_empty() {
                    self.receive_nth(tab, 0);
                }
            }
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        let quiet = |tab: &Tab| tab.to_platform.is_empty() && tab.from_platform.is_empty();
        self.tabs.iter().all(quiet)
    }
}
