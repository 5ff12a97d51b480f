//! [`Ticket`]: what this process has or wants of a region, and its requests that use it.
//!
//! A process has at most one ticket for a region. Its requests queue in the lock table, as for
//! every other manager, and those that are granted there come here. They are more than one only if
//! all are shared (or if two keys have one region). The ticket is handed on among them while
//! others wait, within bounds: see [`granted`].

mod failure;
mod granted;

use std::collections::BTreeMap;
use std::io;
use std::task::Waker;

use super::protocol::{self, Acquisition, Answer, Call};
use crate::guard::LockMode;
use crate::time::Since;
pub(super) use failure::Failure;
use granted::Granted;

/// How often one who does not wait looks again when something is in the way. It may be the lock
/// of a wait that is just through, or a gate that is just used, which are gone in a moment.
const LOOKS: usize = 3;

/// Names a request of this process. A later one has a greater number.
pub(super) type RequestNumber = u64;

/// Makes a call of the kernel about the region.
pub(super) trait Kernel {
    fn call(&self, call: &Call) -> io::Result<Answer>;
}

#[derive(Debug)]
pub(super) struct Ticket {
    /// The requests that may still come to use it: those that queue in the lock table, and all
    /// below. While there is one, the ticket is kept for it.
    users: usize,
    state: State,
    /// Those that wait for the ticket, or have not noticed yet what came of that.
    requests: BTreeMap<RequestNumber, Request>,
}

#[derive(Debug)]
enum State {
    None,
    Pending {
        acquisition: Acquisition,
        /// Names this acquisition among all of the file.
        number: u64,
        since: Since,
    },
    Granted(Granted),
}

#[derive(Debug)]
struct Request {
    mode: LockMode,
    outcome: Option<Result<(), Failure>>,
    waker: Option<Waker>,
}

/// What is to be done when the ticket is not borrowed or locked any more.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) wakes: Vec<Waker>,
    /// The ticket is to be told, with this number, when this wait is over.
    pub(super) wait: Option<(u64, Call)>,
}

impl Effects {
    /// Adds what came after.
    pub(super) fn then(&mut self, later: Self) {
        self.wakes.extend(later.wakes);
        self.wait = later.wait;
    }
}

/// Numbers that the tickets of one file share.
#[derive(Debug, Default)]
pub(super) struct Numbers(u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// Whether one who has `held` may do what `wanted` allows.
fn covers(held: LockMode, wanted: LockMode) -> bool {
    held == LockMode::Exclusive || wanted == LockMode::Shared
}

impl Ticket {
    pub(super) fn new() -> Self {
        Self {
            users: 0,
            state: State::None,
            requests: BTreeMap::new(),
        }
    }

    /// A request that may come to use the ticket has joined the queue in the lock table.
    pub(super) fn add_user(&mut self) {
        self.users += 1;
    }

    /// Nobody in this process wants it any more: the ticket is gone, and this may be dropped.
    pub(super) fn is_unused(&self) -> bool {
        self.users == 0
    }

    /// The byte that is locked for this process, and how.
    pub(super) fn locked(&self) -> Option<(u64, LockMode)> {
        match &self.state {
            State::None => None,
            State::Pending { acquisition, .. } => Some((acquisition.ticket()?, acquisition.mode())),
            State::Granted(granted) => Some((granted.byte, granted.mode)),
        }
    }

    /// For how long the process has waited for the ticket, if it has not got it yet.
    pub(super) fn pending_since(&self) -> Option<Since> {
        match self.state {
            State::Pending { since, .. } => Some(since),
            _ => None,
        }
    }

    /// How many requests have been granted what they wait for in the lock table as well.
    pub(super) fn holders(&self) -> usize {
        match &self.state {
            State::Granted(granted) => granted.holders,
            _ => 0,
        }
    }

    /// One of the [users](Self::add_user) asks for the ticket. What comes of it is in
    /// [`outcome`](Self::outcome), after [`advance`](Self::advance).
    pub(super) fn request(&mut self, number: RequestNumber, mode: LockMode) {
        let request = Request {
            mode,
            outcome: None,
            waker: None,
        };
        self.requests.insert(number, request);
    }

    /// Takes the ticket for one of the [users](Self::add_user), if nobody in this process has it
    /// or waits for it and no other process is in the way. That is nearly always so, and then
    /// there is no request to be remembered. If it is `false`, [`request`](Self::request) goes on.
    pub(super) fn take_at_once(
        &mut self,
        mode: LockMode,
        numbers: &mut Numbers,
        kernel: &dyn Kernel,
    ) -> io::Result<bool> {
        // Without a ticket nobody waits for one: a request that was made begins to acquire it, or fails.
        if !matches!(self.state, State::None) {
            return Ok(false);
        }
        let byte = match protocol::take_if_alone(mode, |call| kernel.call(call))? {
            Ok(byte) => byte,
            Err(acquisition) => {
                self.state = State::Pending {
                    acquisition,
                    number: numbers.next(),
                    since: Since::now(),
                };
                return Ok(false);
            }
        };
        let mut granted = Granted::new(byte, mode);
        (granted.holders, granted.turns) = (1, 1);
        self.state = State::Granted(granted);
        Ok(true)
    }

    /// What came of a request; `None` while it waits. It is forgotten when it is told. If it
    /// was granted, [`release`](Self::release) has to follow, and if it failed,
    /// [`remove_user`](Self::remove_user).
    pub(super) fn outcome(&mut self, number: RequestNumber) -> Option<Result<(), Failure>> {
        let outcome = self.requests.get(&number)?.outcome?;
        self.requests.remove(&number);
        Some(outcome)
    }

    /// Has `waker` woken when there is an outcome. Returns the one that was there before, for
    /// the caller to drop where that can do no harm.
    pub(super) fn wake_by(&mut self, number: RequestNumber, waker: Waker) -> Option<Waker> {
        let request = self.requests.get_mut(&number)?;
        request.waker.replace(waker)
    }

    /// A request is not wanted any more, granted or not.
    pub(super) fn withdraw(
        &mut self,
        number: RequestNumber,
        numbers: &mut Numbers,
        kernel: &dyn Kernel,
    ) -> Effects {
        let Some(request) = self.requests.remove(&number) else {
            return Effects::default();
        };
        let mut effects = match request.outcome {
            Some(Ok(())) => self.release(numbers, kernel),
            _ => self.remove_user(numbers, kernel),
        };
        // Dropped by the caller with the others, although nobody waits for it.
        effects.wakes.extend(request.waker);
        effects
    }

    /// A holder is done, and with that no user any more.
    pub(super) fn release(&mut self, numbers: &mut Numbers, kernel: &dyn Kernel) -> Effects {
        if let State::Granted(granted) = &mut self.state {
            granted.holders -= 1;
            if granted.holders == 0 && self.users > 1 && granted.is_due(kernel) {
                self.give_back(kernel);
            }
        }
        self.remove_user(numbers, kernel)
    }

    /// The one holder goes on in shared mode. The kernel replaces the lock in one step, and wakes
    /// the processes that wait for it in that mode.
    ///
    /// If there are more holders, they have other keys of the same region, exclusively for all
    /// that is known here. Then nothing changes: other processes wait for longer than they would
    /// have to, by a chance of one in 2^40 for each two keys.
    pub(super) fn share(
        &mut self,
        numbers: &mut Numbers,
        kernel: &dyn Kernel,
    ) -> (io::Result<()>, Effects) {
        if let State::Granted(granted) = &mut self.state
            && granted.holders == 1
        {
            if let Err(error) = granted.weaken_to(LockMode::Shared, kernel) {
                return (Err(error), Effects::default());
            }
            // Whoever waits to join waited for more than conflicts with it now.
            granted.join = None;
            // Those of this process that have queued behind it are to read with it, however long it
            // was held and whoever waits elsewhere. They are so many and no more.
            granted.passes = self.users - granted.holders;
        }
        (Ok(()), self.advance(numbers, kernel))
    }

    /// A user is gone that does not hold the ticket.
    pub(super) fn remove_user(&mut self, numbers: &mut Numbers, kernel: &dyn Kernel) -> Effects {
        self.users -= 1;
        if self.users == 0 {
            self.give_back(kernel);
            return Effects::default();
        }
        self.advance(numbers, kernel)
    }

    /// Unlocks all that the process has of the region.
    fn give_back(&mut self, kernel: &dyn Kernel) {
        let unlock = |call: Call| {
            // If it fails, the descriptor was closed by somebody else or the server is gone, and the
            // lock is gone with it. No caller could do anything about it.
            if let Err(error) = kernel.call(&call) {
                log::debug!(target: "crosslock", "a lock of the kernel was not freed: {error}");
            }
        };
        match std::mem::replace(&mut self.state, State::None) {
            State::None => {}
            State::Pending { acquisition, .. } => acquisition.cancel().for_each(unlock),
            State::Granted(granted) => unlock(protocol::release(granted.byte)),
        }
    }

    /// Names the wait that it depends on. All that were before it are of no interest any more.
    fn wait_number(&self) -> Option<u64> {
        match &self.state {
            State::None => None,
            State::Pending { number, .. } => Some(*number),
            State::Granted(granted) => granted.join,
        }
    }

    /// A wait is over that was asked for as `number`. Others are ignored.
    pub(super) fn waited(
        &mut self,
        number: u64,
        result: Result<(), Failure>,
        numbers: &mut Numbers,
        kernel: &dyn Kernel,
    ) -> Effects {
        if self.wait_number() != Some(number) {
            return Effects::default();
        }
        if let Err(failure) = result {
            return self.fail(failure, kernel);
        }
        match &mut self.state {
            State::Pending { acquisition, .. } => acquisition.answered(Answer::Done),
            State::Granted(granted) => granted.join = None,
            State::None => {}
        }
        self.advance(numbers, kernel)
    }

    /// Grants what can be granted, in the order of the requests, and goes on with the
    /// acquisition until it has to wait.
    pub(super) fn advance(&mut self, numbers: &mut Numbers, kernel: &dyn Kernel) -> Effects {
        let mut effects = Effects::default();
        if let Err(error) = self.try_advance(numbers, kernel, &mut effects) {
            effects.then(self.fail(Failure::from(&error), kernel));
        }
        effects
    }

    fn try_advance(
        &mut self,
        numbers: &mut Numbers,
        kernel: &dyn Kernel,
        effects: &mut Effects,
    ) -> io::Result<()> {
        while let Some((&number, mode)) = self.first_waiting() {
            match &mut self.state {
                State::None => {
                    self.state = State::Pending {
                        acquisition: Acquisition::new(mode),
                        number: numbers.next(),
                        since: Since::now(),
                    };
                }
                State::Pending {
                    acquisition,
                    number,
                    since: _,
                } => {
                    if !covers(acquisition.mode(), mode) {
                        // It was for one that is gone. Only a new ticket can exclude.
                        self.give_back(kernel);
                        continue;
                    }
                    if let Some(wait) = run(acquisition, kernel)? {
                        effects.wait = Some((*number, wait));
                        return Ok(());
                    }
                    let byte = acquisition.granted().expect("it has nothing to wait for");
                    self.state = State::Granted(Granted::new(byte, acquisition.mode()));
                }
                State::Granted(granted) if granted.holders == 0 => {
                    if !covers(granted.mode, mode) {
                        self.give_back(kernel);
                        continue;
                    }
                    granted.weaken_to(mode, kernel)?;
                    self.grant(number, effects);
                }
                State::Granted(granted) => {
                    if !covers(granted.mode, mode) {
                        return Ok(());
                    }
                    // To join those who hold would otherwise keep others out for ever. The others
                    // may go before the holders do, in whichever way: then it joins.
                    if granted.passes > 0 {
                        granted.passes -= 1;
                    } else if granted.is_due(kernel) {
                        let call = protocol::await_nobody_behind(granted.mode, granted.byte);
                        let join = *granted.join.get_or_insert_with(|| numbers.next());
                        effects.wait = Some((join, call));
                        return Ok(());
                    }
                    self.grant(number, effects);
                }
            }
        }
        Ok(())
    }

    fn first_waiting(&self) -> Option<(&RequestNumber, LockMode)> {
        let mut requests = self.requests.iter();
        let (number, request) = requests.find(|(_, request)| request.outcome.is_none())?;
        Some((number, request.mode))
    }

    fn grant(&mut self, number: RequestNumber, effects: &mut Effects) {
        if let State::Granted(granted) = &mut self.state {
            granted.holders += 1;
            granted.turns += 1;
        }
        let request = self.requests.get_mut(&number).expect("it waits");
        request.outcome = Some(Ok(()));
        effects.wakes.extend(request.waker.take());
    }

    /// Fails all that wait. Those who hold stay as they are.
    fn fail(&mut self, failure: Failure, kernel: &dyn Kernel) -> Effects {
        if self.holders() == 0 {
            self.give_back(kernel);
        }
        let mut effects = Effects::default();
        for request in self.requests.values_mut() {
            if request.outcome.is_none() {
                request.outcome = Some(Err(failure));
                effects.wakes.extend(request.waker.take());
            }
        }
        effects
    }

    /// Wakes all that wait, to look for themselves.
    pub(super) fn wake_all(&mut self) -> Vec<Waker> {
        let requests = self.requests.values_mut();
        requests
            .filter_map(|request| request.waker.take())
            .collect()
    }

    /// Looks again, a few times, at what the acquisition has to wait for. It does no harm that a
    /// thread may wait for it at the same time: after every wait it looks.
    pub(super) fn look_again(&mut self, numbers: &mut Numbers, kernel: &dyn Kernel) -> Effects {
        let mut all = Effects::default();
        for _ in 0..LOOKS {
            let Some(number) = self.wait_number() else {
                break;
            };
            std::thread::yield_now();
            all.then(self.waited(number, Ok(()), numbers, kernel));
        }
        all
    }
}

/// Goes on until it is granted or has to wait.
fn run(acquisition: &mut Acquisition, kernel: &dyn Kernel) -> io::Result<Option<Call>> {
    while let Some(call) = acquisition.next() {
        if matches!(call, Call::Wait(..)) {
            return Ok(Some(call));
        }
        acquisition.answered(kernel.call(&call)?);
    }
    Ok(None)
}
