//! [`State`]: where three contenders are, and what they can do next.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::{Answer, Call, release};
use super::Rules;
use super::kernel::{Kernel, OpenFile, conflict};
use crate::guard::LockMode::{self, Exclusive, Shared};

pub(super) const CONTENDERS: usize = 3;

pub(super) fn for_tickets(contender: usize) -> OpenFile {
    contender
}

/// The open file of a wait.
fn for_waits(contender: usize, number: usize) -> OpenFile {
    (1 + number) * CONTENDERS + contender
}

/// A wait that is under way in a thread of its own: it locks, frees, and is over.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Wait {
    pub(super) mode: LockMode,
    pub(super) bytes: Range<u64>,
    file: OpenFile,
    pub(super) locked: bool,
    /// Whether a request still waits for it.
    pub(super) wanted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Contender<R> {
    /// The modes of the requests that it has still to make.
    to_come: Vec<LockMode>,
    pub(super) request: Option<R>,
    pub(super) waits: Vec<Wait>,
    /// What it locks for a moment, to find whether it can be locked.
    probes: Option<Range<u64>>,
    /// What is still to be unlocked of a request that is no more.
    undoes: VecDeque<Call>,
    /// What is still to be called to weaken what was granted.
    weakens: VecDeque<Call>,
    pub(super) is_weakened: bool,
}

impl<R> Contender<R> {
    pub(super) fn is_undoing(&self) -> bool {
        !self.undoes.is_empty()
    }
}

/// One step: which contender does what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The next call of its request, or the release if that is granted, or the next request.
    Go,
    /// The next step of a wait.
    Wait(usize),
    /// Begin to share what was granted exclusively.
    Weaken,
    /// Begin to wait, for one who would join the holders, until nobody is behind.
    Join,
    Cancel,
    Die,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct State<R: Rules> {
    pub(super) kernel: R::Kernel,
    pub(super) contenders: [Contender<R>; CONTENDERS],
    /// How often a contender, whichever, may still cancel or die.
    faults: usize,
    /// Whether what was granted exclusively may be weakened.
    pub(super) weakens: bool,
    /// Whether a process that holds may have one who would join.
    pub(super) joins: bool,
    /// Who has a ticket, or the gate and will have one, in the order in which they got it. It is what
    /// the test knows, and no contender looks at it.
    pub(super) queue: Vec<usize>,
}

impl<R: Rules> State<R> {
    pub(super) fn new(modes: [&[LockMode]; CONTENDERS], faults: usize) -> Self {
        let contender = |modes: &[LockMode]| Contender {
            to_come: modes.to_vec(),
            request: None,
            waits: Vec::new(),
            probes: None,
            undoes: VecDeque::new(),
            weakens: VecDeque::new(),
            is_weakened: false,
        };
        Self {
            kernel: R::Kernel::default(),
            contenders: modes.map(contender),
            faults,
            weakens: false,
            joins: false,
            queue: Vec::new(),
        }
    }

    /// What `who` can do next. Whoever has no choice is left out.
    pub(super) fn steps(&self, who: usize, keeps: Option<usize>) -> Vec<Step> {
        let contender = &self.contenders[who];
        let mut steps = Vec::new();
        match &contender.request {
            _ if contender.is_undoing() => steps.push(Step::Go),
            None if contender.to_come.is_empty() => {}
            None => steps.push(Step::Go),
            Some(request) => {
                let waits = contender.waits.iter().any(|wait| wait.wanted);
                let keeps = keeps == Some(who) && request.granted().is_some();
                if !waits && !keeps {
                    steps.push(Step::Go);
                }
                let can_weaken = request.granted().is_some() && request.mode() == Exclusive;
                if self.weakens && can_weaken && !contender.is_weakened {
                    steps.push(Step::Weaken);
                }
                if self.joins && request.granted().is_some() && contender.waits.is_empty() {
                    steps.push(Step::Join);
                }
                // A request is cancelled between two calls of its own thread.
                let is_calling = contender.probes.is_some() || !contender.weakens.is_empty();
                if self.faults > 0 && !is_calling {
                    steps.push(Step::Cancel);
                }
            }
        }
        if self.faults > 0 && (contender.request.is_some() || contender.is_undoing()) {
            steps.push(Step::Die);
        }
        for (place, wait) in contender.waits.iter().enumerate() {
            let free = || {
                self.kernel
                    .can_lock(wait.file, wait.mode, wait.bytes.clone())
            };
            if wait.locked || free() {
                steps.push(Step::Wait(place));
            }
        }
        steps
    }

    pub(super) fn take(&mut self, who: usize, step: Step) {
        match step {
            Step::Go => self.go(who),
            Step::Wait(place) => self.wait(who, place),
            Step::Weaken => {
                let ticket = self.ticket(who).expect("it is granted");
                let contender = &mut self.contenders[who];
                if contender.weakens.is_empty() {
                    contender.weakens = R::weaken(ticket).into();
                }
                let call = contender.weakens.pop_front().expect("there is one");
                assert_eq!(self.call(who, call), Some(Answer::Done));
                let contender = &mut self.contenders[who];
                contender.is_weakened = contender.weakens.is_empty();
            }
            Step::Join => {
                let ticket = self.ticket(who).expect("it is granted");
                // As `await_nobody_behind`, of a region with so few tickets. Nothing of the protocol
                // waits for it.
                self.begin_wait(who, self.mode(who), ticket + 1..R::TICKETS + 1, false);
            }
            Step::Cancel => {
                // By another thread than those that wait.
                let contender = &mut self.contenders[who];
                let request = contender.request.take().expect("it has one");
                contender.undoes = match request.granted() {
                    Some(ticket) => [release(ticket)].into(),
                    None => request.cancel().into(),
                };
                contender.is_weakened = false;
                for wait in &mut contender.waits {
                    wait.wanted = false;
                }
                if self.contenders[who].is_undoing() {
                    self.go(who);
                }
                self.faults -= 1;
            }
            Step::Die => {
                self.kernel.close(for_tickets(who));
                for wait in &self.contenders[who].waits {
                    self.kernel.close(wait.file);
                }
                let to_come = std::mem::take(&mut self.contenders[who].to_come);
                self.contenders[who] = Contender {
                    to_come,
                    request: None,
                    waits: Vec::new(),
                    probes: None,
                    undoes: VecDeque::new(),
                    weakens: VecDeque::new(),
                    is_weakened: false,
                };
                self.faults -= 1;
            }
        }
        self.note_places(who);
    }

    /// Keeps the queue as the tickets are.
    fn note_places(&mut self, who: usize) {
        let request = self.contenders[who].request.as_ref();
        let has_place =
            request.is_some_and(|request| request.ticket().is_some() || request.has_gate());
        match self.queue.iter().position(|&other| other == who) {
            None if has_place => self.queue.push(who),
            Some(place) if !has_place => drop(self.queue.remove(place)),
            _ => {}
        }
    }

    fn begin_wait(&mut self, who: usize, mode: LockMode, bytes: Range<u64>, wanted: bool) {
        let contender = &mut self.contenders[who];
        let numbers = || (0..).map(|number| for_waits(who, number));
        let is_new = |file: &OpenFile| contender.waits.iter().all(|w| w.file != *file);
        let file = match R::Kernel::WAITS_SHARE_A_FILE {
            true => numbers().next(),
            false => numbers().find(is_new),
        };
        let wait = Wait {
            mode,
            bytes,
            file: file.expect("there are many"),
            locked: false,
            wanted,
        };
        // One that is under way for a cancelled request does as well.
        let serves = |other: &&mut Wait| R::serves(other, &wait);
        match contender.waits.iter_mut().find(serves) {
            Some(other) => other.wanted |= wanted,
            None => contender.waits.push(wait),
        }
    }

    fn go(&mut self, who: usize) {
        let contender = &mut self.contenders[who];
        if let Some(undo) = contender.undoes.pop_front() {
            self.call(who, undo);
            return;
        }
        let Some(mut request) = contender.request.take() else {
            let mode = contender.to_come.pop().expect("there is one");
            contender.request = Some(R::new(mode));
            return;
        };
        if let Some(ticket) = request.granted() {
            // Not in the middle of a change.
            if !contender.weakens.is_empty() {
                contender.request = Some(request);
                return self.take(who, Step::Weaken);
            }
            contender.is_weakened = false;
            self.call(who, release(ticket));
            return;
        }
        match request.next().expect("it is not granted") {
            Call::Wait(mode, bytes) => {
                self.begin_wait(who, mode, bytes, true);
            }
            call => {
                if let Some(answer) = self.call(who, call) {
                    let was_alone = request.is_alone_so_far();
                    request.answered(answer);
                    // `take_if_alone` promises it.
                    if was_alone && !request.is_alone_so_far() && request.granted().is_none() {
                        assert!(
                            !self.kernel.holds(for_tickets(who)),
                            "{who} leaves something"
                        );
                    }
                }
            }
        }
        self.contenders[who].request = Some(request);
    }

    fn wait(&mut self, who: usize, place: usize) {
        let wait = &mut self.contenders[who].waits[place];
        let (file, mode, bytes) = (wait.file, wait.mode, wait.bytes.clone());
        if !wait.locked {
            wait.locked = true;
            assert!(self.kernel.try_lock(file, mode, bytes));
            return;
        }
        let wait = self.contenders[who].waits.remove(place);
        self.kernel.unlock(file, bytes);
        if let Some(request) = &mut self.contenders[who].request
            && wait.wanted
        {
            request.answered(Answer::Done);
        }
    }

    /// `None` if it is to be made again, for its second half.
    fn call(&mut self, who: usize, call: Call) -> Option<Answer> {
        let file = for_tickets(who);
        Some(match call {
            Call::TryLock(mode, bytes) => match self.kernel.try_lock(file, mode, bytes) {
                true => Answer::Done,
                false => Answer::Conflict,
            },
            Call::Unlock(bytes) => {
                self.kernel.unlock(file, bytes);
                Answer::Done
            }
            Call::FindConflict(mode, bytes) => {
                let found = self.kernel.find_conflict(file, mode, bytes.clone());
                if found.is_some() {
                    return found;
                }
                if let Some(probed) = self.contenders[who].probes.take() {
                    self.kernel.unlock(file, probed);
                    return Some(Answer::Found(None));
                }
                if self.kernel.try_lock(file, mode, bytes.clone()) {
                    self.contenders[who].probes = Some(bytes);
                    return None;
                }
                Answer::Found(Some(bytes.start))
            }
            Call::Wait(..) => unreachable!("waits are threads of their own"),
        })
    }

    fn ticket(&self, who: usize) -> Option<u64> {
        self.contenders[who].request.as_ref()?.ticket()
    }

    pub(super) fn is_granted(&self, who: usize) -> bool {
        let request = self.contenders[who].request.as_ref();
        request.is_some_and(|request| request.granted().is_some())
    }

    /// What it is granted or will be.
    fn mode(&self, who: usize) -> LockMode {
        let contender = &self.contenders[who];
        match contender.is_weakened {
            true => Shared,
            false => contender.request.as_ref().expect("it has a ticket").mode(),
        }
    }

    pub(super) fn check(&self) {
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
            if let Some(ticket) = self.ticket(who) {
                let mode = self.mode(who);
                let held = self.kernel.holds_byte(for_tickets(who), mode, ticket);
                assert!(held, "{who} has a ticket that is not locked: {self:#?}");
            }
            if contender.request.is_none() && !contender.is_undoing() {
                let left = self.kernel.holds(for_tickets(who));
                assert!(!left, "something is left of {who}: {self:#?}");
            }
            // What a process without requests has locked for a wait is gone by itself.
            let bound = 2 * R::TICKETS as usize;
            assert!(contender.waits.len() <= bound, "threads pile up: {self:#?}");
        }
    }

    pub(super) fn is_over(&self) -> bool {
        let mut contenders = self.contenders.iter();
        contenders.all(|contender| {
            contender.request.is_none() && contender.to_come.is_empty() && !contender.is_undoing()
        })
    }
}
