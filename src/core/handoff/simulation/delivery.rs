//! What is under way between the tabs of a world and its platform: each tab's commands on
//! their way out, and the platform's events on their way back. A test chooses which is next.

use super::platform::Event;
use super::{Cause, Message, PlatformRequest, Tab, World};
use crate::core::handoff::{Command, GrantId, IfHeld, MILLIS, QueueSlot, Settled, State};
use crate::guard::LockMode;

/// How the platform takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::core::handoff) enum Delivery {
    Plain,
    /// The thief hears of a steal before the victims do.
    TellsThiefFirst,
    /// A victim whose grant is on its way is rejected first, and called back all the same:
    /// WebKit's way.
    RejectsFirst,
    /// As in a document that may not have locks.
    TurnsDown,
}

impl World {
    /// Carries out what the rules of `tab` ordered, and sees whether all is well.
    pub(super) fn apply_commands(&mut self, tab: usize) {
        while let Some(command) = self.tabs[tab].hand_off.next_command() {
            match command {
                Command::Request {
                    grant,
                    queue,
                    mode,
                    if_held,
                } => self.send(tab, grant, queue, mode, if_held),
                Command::Release(grant) => self.end(tab, grant),
                Command::Forget(grant) => {
                    let request = &self.tabs[tab].requests[&grant];
                    assert!(request.granted.is_some() && !request.is_ended);
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
        while let Some(id) = self.tabs[tab].hand_off.next_wake() {
            if let Some(task) = self.tasks.get_mut(&id) {
                task.is_woken = true;
            }
        }
        self.check();
        self.views_are_exact(tab);
    }

    fn end(&mut self, tab: usize, grant: GrantId) {
        self.it_could_not_be_handed_on(tab, grant);
        let request = self.tabs[tab].requests.get_mut(&grant);
        let request = request.expect("only what is not over can be ended");
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

    fn send(&mut self, tab: usize, grant: GrantId, queue: QueueSlot, mode: LockMode, how: IfHeld) {
        let name = self.tabs[tab].name_of(queue);
        let serial = self.owners.len();
        self.owners.push((tab, grant));
        let request = PlatformRequest {
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
        let before = self.tabs[tab].requests.insert(grant, request);
        assert!(before.is_none(), "a grant that is not over is asked for");
        let message = Message::Request(serial, name, mode, how);
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
            Message::Request(serial, ..) if delivery == Delivery::TurnsDown => {
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
            Message::RoundTrips(serial, left) => {
                self.platform.pass_time();
                match left {
                    1 => self.tabs[tab].from_platform.push(Event::Confirmed(serial)),
                    _ => {
                        let message = Message::RoundTrips(serial, left - 1);
                        self.tabs[tab].to_platform.push(message);
                    }
                }
            }
        }
        self.queue_events(
            delivery,
            matches!(message, Message::Request(.., IfHeld::Steal)),
        );
        self.check();
    }

    /// Sends on what the platform has to say.
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

    /// Forgets a request of which nothing is left, here and there.
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

    /// `tab` hears what the platform has said. What is said of its own accord keeps its
    /// order; that a grant is over as it was told to be may be received at any time.
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
            hand_off,
            requests,
            to_platform,
            ..
        } = &mut self.tabs[tab];
        let request = requests.get_mut(&grant);
        let mut is_settled = true;
        let unused = match (event, request) {
            // It was rejected before, and is called back all the same.
            (Event::Granted(_), None) => {
                assert!(!hand_off.called_back(grant, true, now));
                None
            }
            // The page withdrew it. Most browsers do not call back, and none has to.
            (Event::Granted(_), Some(request))
                if request.is_ended && request.if_held == IfHeld::Queue =>
            {
                assert!(!hand_off.called_back(grant, true, now));
                is_settled = false;
                None
            }
            (Event::Granted(serial), Some(request)) => {
                request.granted = Some(now);
                if !hand_off.called_back(grant, true, now) {
                    request.is_ended = true;
                    to_platform.push(Message::End(serial));
                }
                is_settled = false;
                None
            }
            (Event::Refused(_), _) => {
                assert!(!hand_off.called_back(grant, false, now), "keep what?");
                is_settled = false;
                None
            }
            (Event::Stolen(_) | Event::Aborted(_), _) => {
                hand_off.settled(grant, Settled::Aborted, now)
            }
            (Event::Rejected(_), _) => {
                let why = "the platform's reason";
                hand_off.settled(grant, Settled::Failed(why), now)
            }
            (Event::Ended(_), _) => hand_off.settled(grant, Settled::Resolved, now),
            (Event::Confirmed(_), _) => hand_off.confirmed(grant, now),
        };
        self.tabs[tab].close(unused);
        if let Some(request) = self.tabs[tab].requests.get_mut(&grant) {
            request.is_settled |= is_settled;
            if !matches!(event, Event::Aborted(_)) && is_settled {
                // Whatever is said of its own accord, the platform knows.
                request.is_withdrawn = true;
            }
        }
        self.forget(tab, grant);
        self.apply_commands(tab);
    }

    /// Something that `tab` has received is said again, and is news to nobody.
    pub(in crate::core::handoff) fn repeat(&mut self, tab: usize, nth: usize) {
        let received = &self.tabs[tab].received;
        let Some(nth) = nth.checked_rem(received.len()) else {
            return;
        };
        let event = received[nth];
        let (_, grant) = self.owners[event.serial()];
        let states: Vec<State<Cause>> = self.tasks().map(|id| *self.state(id)).collect();
        let (hand_off, now) = (&mut self.tabs[tab].hand_off, self.now);
        let unused = match event {
            Event::Granted(_) | Event::Refused(_) => {
                let has_lock = matches!(event, Event::Granted(_));
                assert!(!hand_off.called_back(grant, has_lock, now));
                None
            }
            Event::Stolen(_) | Event::Aborted(_) => hand_off.settled(grant, Settled::Aborted, now),
            Event::Rejected(_) => hand_off.settled(grant, Settled::Failed(""), now),
            Event::Ended(_) => hand_off.settled(grant, Settled::Resolved, now),
            Event::Confirmed(_) => hand_off.confirmed(grant, now),
        };
        assert_eq!(unused, None);
        let same = self.tasks().map(|id| *self.state(id));
        assert_eq!(states, same.collect::<Vec<_>>());
        self.apply_commands(tab);
    }

    /// Delivers all that is under way, in order, and what follows from it.
    pub(in crate::core::handoff) fn deliver_all(&mut self) {
        (0..self.tabs.len()).for_each(|tab| self.fire_timer(tab));
        while !self.is_quiet() {
            self.platform.pass_time();
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
        self.tabs.iter().all(quiet) && !self.platform.is_withdrawn_held()
    }
}
