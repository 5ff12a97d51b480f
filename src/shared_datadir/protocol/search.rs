//! Every interleaving of three contenders on one key, over a simulated kernel. Each contender
//! may cancel or die at every step, and each call of the kernel is a step of its own.
//!
//! A state is what the kernel has locked, where each contender is, and which waits of requests
//! that were cancelled are still under way. All states that can be reached are visited, and
//! in each the obligations are checked:
//!
//! - [exclusion](State::check): no two granted requests conflict;
//! - [order](State::check): nobody is granted while an earlier request that conflicts has its
//!   ticket;
//! - [nothing is left](State::check) of whoever is idle, but for waits that hold nothing;
//! - [nobody is stuck](Graph::assert_all_can_end): from every state, all can be granted and
//!   released without anybody cancelling or dying.

use std::collections::HashMap;
use std::ops::Range;

use super::{Acquisition, Answer, Call, release};
use crate::guard::LockMode::{self, Exclusive, Shared};

const CONTENDERS: usize = 3;

/// Few, so that the region runs out of tickets in the middle of everything.
const TICKETS: u64 = 3;

/// An open file: that for the tickets of a contender, or that for its waits.
type OpenFile = usize;

fn for_tickets(contender: usize) -> OpenFile {
    contender
}

fn for_waits(contender: usize) -> OpenFile {
    CONTENDERS + contender
}

/// What the kernel has locked: for each byte, by which open files and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Kernel([Vec<(OpenFile, LockMode)>; TICKETS as usize + 1]);

fn conflict(one: LockMode, other: LockMode) -> bool {
    one == Exclusive || other == Exclusive
}

impl Kernel {
    fn find_conflict(&self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> Option<u64> {
        // To the kernel, a length of zero means all bytes up to the end of the file.
        assert!(!bytes.is_empty(), "a call about no bytes");
        let conflicts = |locks: &Vec<(OpenFile, LockMode)>| {
            locks
                .iter()
                .any(|&(other, held)| other != file && conflict(held, mode))
        };
        bytes
            .into_iter()
            .find(|&byte| conflicts(&self.0[byte as usize]))
    }

    fn unlock(&mut self, file: OpenFile, bytes: Range<u64>) {
        for byte in bytes {
            self.0[byte as usize].retain(|&(other, _)| other != file);
        }
    }

    fn try_lock(&mut self, file: OpenFile, mode: LockMode, bytes: Range<u64>) -> bool {
        if self.find_conflict(file, mode, bytes.clone()).is_some() {
            return false;
        }
        self.unlock(file, bytes.clone());
        for byte in bytes {
            let locks = &mut self.0[byte as usize];
            locks.push((file, mode));
            // In one order, so that equal states are equal.
            locks.sort_unstable_by_key(|&(file, _)| file);
        }
        true
    }

    fn holds(&self, file: OpenFile) -> bool {
        let mut locks = self.0.iter().flatten();
        locks.any(|&(other, _)| other == file)
    }
}

/// A wait that is under way in a thread of its own: it locks, frees, and is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Wait {
    mode: LockMode,
    bytes: Range<u64>,
    locked: bool,
    /// Whether a request still waits for it.
    wanted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Contender {
    /// The modes of the requests that it has still to make.
    to_come: Vec<LockMode>,
    request: Option<Acquisition>,
    waits: Vec<Wait>,
}

/// One step: which contender does what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The next call of its request, or the release if that is granted, or the next request.
    Go,
    /// The next step of a wait.
    Wait(usize),
    Cancel,
    Die,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    kernel: Kernel,
    contenders: [Contender; CONTENDERS],
    /// How often a contender, whichever, may still cancel or die.
    faults: usize,
    /// Who has a ticket, in the order in which they got it. It is what the test knows, and no
    /// contender looks at it.
    queue: Vec<usize>,
}

impl State {
    fn new(modes: [&[LockMode]; CONTENDERS], faults: usize) -> Self {
        let contender = |modes: &[LockMode]| Contender {
            to_come: modes.to_vec(),
            request: None,
            waits: Vec::new(),
        };
        Self {
            kernel: Kernel::default(),
            contenders: modes.map(contender),
            faults,
            queue: Vec::new(),
        }
    }

    /// What `who` can do next. Whoever has no choice is left out.
    fn steps(&self, who: usize, keeps: Option<usize>) -> Vec<Step> {
        let contender = &self.contenders[who];
        let mut steps = Vec::new();
        match &contender.request {
            None if contender.to_come.is_empty() => {}
            None => steps.push(Step::Go),
            Some(request) => {
                let waits = contender.waits.iter().any(|wait| wait.wanted);
                let keeps = keeps == Some(who) && request.granted().is_some();
                if !waits && !keeps {
                    steps.push(Step::Go);
                }
                if self.faults > 0 {
                    steps.extend([Step::Cancel, Step::Die]);
                }
            }
        }
        for (place, wait) in contender.waits.iter().enumerate() {
            let conflict = self
                .kernel
                .find_conflict(for_waits(who), wait.mode, wait.bytes.clone());
            if wait.locked || conflict.is_none() {
                steps.push(Step::Wait(place));
            }
        }
        steps
    }

    fn take(&mut self, who: usize, step: Step) {
        match step {
            Step::Go => self.go(who),
            Step::Wait(place) => self.wait(who, place),
            Step::Cancel => {
                // One call, from another thread than those that wait.
                let request = self.contenders[who].request.take().expect("it has one");
                let undo = match request.granted() {
                    Some(ticket) => release(ticket),
                    None => request.cancel(),
                };
                self.call(who, undo);
                self.queue.retain(|&other| other != who);
                for wait in &mut self.contenders[who].waits {
                    wait.wanted = false;
                }
                self.faults -= 1;
            }
            Step::Die => {
                for file in [for_tickets(who), for_waits(who)] {
                    self.kernel.unlock(file, 0..TICKETS + 1);
                }
                self.queue.retain(|&other| other != who);
                let contender = &mut self.contenders[who];
                contender.request = None;
                contender.waits.clear();
                self.faults -= 1;
            }
        }
    }

    fn go(&mut self, who: usize) {
        let Some(mut request) = self.contenders[who].request.take() else {
            let mode = self.contenders[who].to_come.pop().expect("there is one");
            let request = Acquisition::with_tickets(mode, TICKETS);
            self.contenders[who].request = Some(request);
            return;
        };
        if let Some(ticket) = request.granted() {
            self.call(who, release(ticket));
            self.queue.retain(|&other| other != who);
            return;
        }
        let had_ticket = self.has_ticket(who);
        match request.next().expect("it is not granted") {
            Call::Wait(mode, bytes) => {
                let waits = &mut self.contenders[who].waits;
                // One that is under way for a cancelled request does as well.
                let same = |wait: &&mut Wait| wait.mode == mode && wait.bytes == bytes;
                match waits.iter_mut().find(same) {
                    Some(wait) => wait.wanted = true,
                    None => waits.push(Wait {
                        mode,
                        bytes,
                        locked: false,
                        wanted: true,
                    }),
                }
            }
            call => {
                let answer = self.call(who, call);
                request.answered(answer);
            }
        }
        if !had_ticket && self.has_ticket(who) {
            self.queue.push(who);
        }
        self.contenders[who].request = Some(request);
    }

    /// Whether a byte is locked as its ticket, be it with the rest of the region.
    fn has_ticket(&self, who: usize) -> bool {
        let mut tickets = self.kernel.0[..TICKETS as usize].iter().flatten();
        tickets.any(|&(file, _)| file == for_tickets(who))
    }

    fn wait(&mut self, who: usize, place: usize) {
        let wait = &mut self.contenders[who].waits[place];
        let (mode, bytes) = (wait.mode, wait.bytes.clone());
        if !wait.locked {
            wait.locked = true;
            assert!(self.kernel.try_lock(for_waits(who), mode, bytes));
            return;
        }
        let wait = self.contenders[who].waits.remove(place);
        self.kernel.unlock(for_waits(who), bytes);
        if let Some(request) = &mut self.contenders[who].request
            && wait.wanted
        {
            request.answered(Answer::Done);
        }
    }

    fn call(&mut self, who: usize, call: Call) -> Answer {
        let file = for_tickets(who);
        match call {
            Call::TryLock(mode, bytes) => match self.kernel.try_lock(file, mode, bytes) {
                true => Answer::Done,
                false => Answer::Conflict,
            },
            Call::Unlock(bytes) => {
                self.kernel.unlock(file, bytes);
                Answer::Done
            }
            Call::FindConflict(mode, bytes) => {
                Answer::Found(self.kernel.find_conflict(file, mode, bytes))
            }
            Call::Wait(..) => unreachable!("waits are threads of their own"),
        }
    }

    fn is_granted(&self, who: usize) -> bool {
        let request = self.contenders[who].request.as_ref();
        request.is_some_and(|request| request.granted().is_some())
    }

    fn mode(&self, who: usize) -> LockMode {
        let request = self.contenders[who].request.as_ref();
        request.expect("it has a ticket").mode()
    }

    fn check(&self) {
        for who in (0..CONTENDERS).filter(|&who| self.is_granted(who)) {
            for other in (0..CONTENDERS).filter(|&other| other != who && self.is_granted(other)) {
                let overlap = conflict(self.mode(who), self.mode(other));
                assert!(!overlap, "{who} and {other} overlap: {self:#?}");
            }
            let place = self.queue.iter().position(|&other| other == who);
            let place = place.expect("a granted request has a ticket");
            for &earlier in &self.queue[..place] {
                let overtaken = conflict(self.mode(who), self.mode(earlier));
                assert!(!overtaken, "{who} has overtaken {earlier}: {self:#?}");
            }
        }
        for (who, contender) in self.contenders.iter().enumerate() {
            if contender.request.is_none() {
                let left = self.kernel.holds(for_tickets(who));
                assert!(!left, "something is left of {who}: {self:#?}");
            }
            // What a process without requests has locked for a wait is gone by itself.
            let bound = 2 * TICKETS as usize;
            assert!(contender.waits.len() <= bound, "threads pile up: {self:#?}");
        }
    }

    fn is_over(&self) -> bool {
        let mut contenders = self.contenders.iter();
        contenders.all(|contender| contender.request.is_none() && contender.to_come.is_empty())
    }
}

/// All states that can be reached, and how.
struct Graph {
    states: Vec<State>,
    /// For each state, those from which it is reached without a cancel or a death.
    before: Vec<Vec<usize>>,
}

impl Graph {
    /// `keeps` never releases what it was granted.
    fn search(start: State, keeps: Option<usize>) -> Self {
        let mut known = HashMap::from([(start.clone(), 0)]);
        let (mut states, mut before) = (vec![start], vec![Vec::new()]);
        let mut next = 0;
        while next < states.len() {
            for who in 0..CONTENDERS {
                for step in states[next].steps(who, keeps) {
                    let mut state = states[next].clone();
                    state.take(who, step);
                    let number = *known.entry(state).or_insert_with_key(|state| {
                        state.check();
                        states.push(state.clone());
                        before.push(Vec::new());
                        states.len() - 1
                    });
                    if !matches!(step, Step::Cancel | Step::Die) {
                        before[number].push(next);
                    }
                }
            }
            next += 1;
        }
        Self { states, before }
    }

    /// From every state, one with `goal` is reached without a cancel or a death.
    fn assert_always_reached(&self, goal: impl Fn(&State) -> bool) {
        self.assert_reached_if(|_| true, goal);
    }

    /// The same from every state that `counts`.
    fn assert_reached_if(&self, counts: impl Fn(&State) -> bool, goal: impl Fn(&State) -> bool) {
        let mut reaches: Vec<bool> = self.states.iter().map(goal).collect();
        let mut open: Vec<usize> = (0..reaches.len()).filter(|&state| reaches[state]).collect();
        assert!(!open.is_empty(), "no state is the goal");
        while let Some(state) = open.pop() {
            for &before in &self.before[state] {
                if !reaches[before] {
                    reaches[before] = true;
                    open.push(before);
                }
            }
        }
        let is_stuck = |&state: &usize| !reaches[state] && counts(&self.states[state]);
        let stuck = (0..reaches.len()).find(is_stuck);
        assert!(
            stuck.is_none(),
            "stuck in one of {} states: {:#?}",
            self.states.len(),
            &self.states[stuck.unwrap_or_default()]
        );
    }

    fn assert_all_can_end(&self) {
        self.assert_always_reached(State::is_over);
    }
}

/// All modes that three contenders can have, but for the order of the contenders.
const MODES: [[LockMode; CONTENDERS]; 4] = [
    [Exclusive, Exclusive, Exclusive],
    [Exclusive, Exclusive, Shared],
    [Exclusive, Shared, Shared],
    [Shared, Shared, Shared],
];

/// Each contender asks once, and all of them may cancel or die.
#[test]
fn cancel_and_death_at_every_step() {
    for modes in MODES {
        let once = [&modes[..1], &modes[1..2], &modes[2..]];
        Graph::search(State::new(once, CONTENDERS), None).assert_all_can_end();
    }
}

/// Each contender asks again when it was granted, was cancelled or died. This takes minutes.
#[test]
#[ignore = "it takes minutes: see CONTRIBUTING.md"]
fn cancel_and_death_at_every_step_of_two_rounds() {
    for modes in MODES {
        let twice: [&[LockMode]; CONTENDERS] = [&[modes[0]; 2], &[modes[1]; 2], &[modes[2]; 2]];
        Graph::search(State::new(twice, 2), None).assert_all_can_end();
    }
}

/// A request that was cancelled is followed by one in the other mode, whose wait is not that
/// of the first.
#[test]
fn a_wait_for_a_cancelled_request_does_no_harm() {
    let changing: &[LockMode] = &[Shared, Exclusive];
    let back: &[LockMode] = &[Exclusive, Shared];
    for third in [Shared, Exclusive] {
        let start = State::new([changing, back, &[third]], 1);
        let graph = Graph::search(start, None);
        let left_over = |state: &State| {
            let mut contenders = state.contenders.iter();
            contenders.any(|contender| {
                let is_left = |wait: &Wait| !wait.wanted && wait.locked;
                contender.request.is_some() && contender.waits.iter().any(is_left)
            })
        };
        assert!(graph.states.iter().any(left_over), "it never happens");
        graph.assert_all_can_end();
    }
}

/// A reader is granted while another reader keeps the key for ever, whatever a third one does
/// behind them or dies of.
#[test]
fn readers_hold_together() {
    for third in [Shared, Exclusive] {
        let start = State::new([&[Shared], &[Shared], &[third]], 1);
        let graph = Graph::search(start, Some(0));
        // Where the first one keeps the key and the second comes before the third.
        graph.assert_reached_if(
            |state| {
                let first = state.queue.first() == Some(&0) && state.is_granted(0);
                first && state.queue.get(1) == Some(&1)
            },
            |state| state.is_granted(1) || state.contenders[1].request.is_none(),
        );
    }
}

/// The queue stands still while somebody keeps the key. (That it goes on when the holder dies is
/// part of what the others show.)
#[test]
fn a_holder_that_stands_still_is_waited_for() {
    let start = State::new([&[Exclusive], &[Exclusive], &[Shared]], 0);
    let graph = Graph::search(start, Some(0));
    for state in graph.states.iter().filter(|state| state.is_granted(0)) {
        assert!(!state.is_granted(1) && !state.is_granted(2));
    }
}

/// The tickets come to an end, and the region is emptied for the next ones.
#[test]
fn tickets_run_out() {
    let modes: &[LockMode] = &[Exclusive, Shared];
    let graph = Graph::search(State::new([modes, modes, &[Exclusive]], 0), None);
    let runs_out = |state: &State| {
        let mut contenders = state.contenders.iter();
        contenders.any(|contender| {
            let stage = contender.request.as_ref().map(|request| request.stage);
            matches!(stage, Some(super::Stage::AwaitEmpty))
        })
    };
    assert!(graph.states.iter().any(runs_out), "it never happens");
    graph.assert_all_can_end();
}

/// A cancel is one call, after which nothing of the request is locked.
#[test]
fn a_cancelled_request_is_gone_at_once() {
    for mode in [Exclusive, Shared] {
        let start = State::new([&[mode], &[Exclusive], &[Shared]], 1);
        for state in Graph::search(start, None).states {
            if !state.steps(0, None).contains(&Step::Cancel) {
                continue;
            }
            let mut cancelled = state;
            cancelled.take(0, Step::Cancel);
            assert!(!cancelled.kernel.holds(for_tickets(0)));
            assert!(!cancelled.queue.contains(&0));
        }
    }
}
