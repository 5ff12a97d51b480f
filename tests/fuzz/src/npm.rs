//! The exports of the npm package's wasm, driven by arbitrary calls of `js/src/client.ts` and arbitrary answers of
//! the platform: early, late, twice, about what is long gone, or never.

use std::collections::{BTreeMap, BTreeSet};

// They are compiled here from the same file as in `js/crate`.
#[path = "../../../js/crate/src/exports.rs"]
mod exports;

use exports::{
    ahead, called_back, check_key, close, confirmed, detail, downgrade, free, holds, key_buffer,
    list_asked, list_own, lose_all, next, open, remind, remove, request, row, set_hidden, settled,
    since, state, try_at_once,
};

const HELD: u32 = 1;
const RELEASING: u32 = 5;
const UNSUPPORTED: u32 = 7;

/// As many bytes as `Client.brokenRule` copies: one more than a key can have.
const KEY_BUFFER: usize = 201;

/// A grant of the platform, by the slot and the serial number that the rules gave it.
type Grant = (u32, u32);

pub(super) fn calls_and_answers(data: &[u8]) {
    exports::load();
    let mut page = Page::default();
    let mut data = data.iter().copied();
    while let Some(call) = data.next() {
        let argument = data.next().unwrap_or(0);
        page.call(call, usize::from(argument));
        page.check();
    }
    page.end();
}

/// The number of the rule that a key breaks, or 0, and where, as `Client.brokenRule` is told.
pub(super) fn broken_rule(key: &[u8]) -> (u32, usize) {
    let length = key.len().min(KEY_BUFFER);
    // SAFETY: that many bytes are there, as they are for JavaScript. Nothing else uses them, as `EDGE` is not borrowed
    // between two calls.
    unsafe { key_buffer().copy_from_nonoverlapping(key.as_ptr(), length) };
    let broken = check_key(u32::try_from(length).expect("it is small"));
    (broken & 7, broken as usize >> 3)
}

#[derive(Debug, Default)]
struct Page {
    now: f64,
    /// The queues that are open, and whether each is local.
    queues: BTreeMap<u32, bool>,
    /// The requests that were not removed, with their queues and whether they are shared.
    requests: BTreeMap<u32, (u32, bool)>,
    /// All grants that the rules have ever requested, with their queues.
    grants: Vec<(Grant, u32)>,
    /// How each was requested: 1 shared, 4 to steal.
    modes: BTreeMap<Grant, u32>,
    /// Those that the platform has called back for, which it does once.
    called: BTreeSet<Grant>,
    /// Those that keep a lock of the platform.
    kept: BTreeSet<Grant>,
    /// Those that were stolen, of which the page has not heard.
    stolen: BTreeSet<Grant>,
    /// Those whose promise is not settled.
    unsettled: BTreeSet<Grant>,
    /// Those that wait for round trips.
    confirming: BTreeSet<Grant>,
    is_reminded: bool,
}

impl Page {
    fn call(&mut self, call: u8, argument: usize) {
        self.now += 0.25 * f64::from(call >> 5);
        let now = self.now;
        match call % 22 {
            0 if self.queues.len() < 4 => drop(
                self.queues
                    .insert(open(argument & 1 == 1), argument & 1 == 1),
            ),
            0..=4 => self.request(argument),
            5 | 6 => self.free(argument),
            7 => {
                if let Some(number) = nth(self.requests.keys(), argument) {
                    self.requests.remove(&number);
                    self.unused(remove(number, now));
                }
            }
            8 => {
                if let Some(number) = nth(self.requests.keys(), argument) {
                    try_at_once(number, now);
                }
            }
            9 | 10 => self.called_back(argument, true),
            11 => self.called_back(argument, false),
            12 => self.settled(argument, 0),
            13 => self.settled(argument, 1 + (argument as u32 >> 7)),
            14 => {
                if let Some(grant) = nth(self.confirming.iter(), argument) {
                    self.confirming.remove(&grant);
                    self.unused(confirmed(grant.0, grant.1, now));
                }
            }
            15 => {
                lose_all();
                assert!(
                    self.held().all(|(_, is_local, _)| is_local),
                    "the page holds what it has lost"
                );
                self.kept.clear();
                self.stolen.clear();
            }
            16 if self.is_reminded => {
                self.is_reminded = false;
                remind(now);
            }
            17 => set_hidden(argument & 1 == 1, now),
            18 => self.look(argument),
            20 => self.downgrade(argument),
            21 if argument & 0xf0 == 0xf0 => self.rush(argument),
            _ => self.run(argument),
        }
    }

    fn request(&mut self, argument: usize) {
        let Some(queue) = nth(self.queues.keys(), argument) else {
            return;
        };
        let flags = match (argument as u32 >> 2) & 15 {
            // The specification has no shared steal, and none without a queue of its own.
            flags if flags & 4 != 0 && argument & 0xc0 == 0 => 4,
            // `passing: false` is for locks of the platform alone.
            flags if self.queues[&queue] => flags & 3,
            flags => flags & 11,
        };
        let answer = request(queue, flags, self.now);
        let number = answer >> 4;
        let is_new = self
            .requests
            .insert(number, (queue, flags & 1 == 1))
            .is_none();
        assert!(is_new, "request {number} is given twice");
    }

    /// As `Client.free` does it: without the time first.
    fn free(&mut self, argument: usize) {
        let Some(number) = nth(self.requests.keys(), argument) else {
            return;
        };
        if !matches!(state(number) & 7, HELD | 4) {
            return;
        }
        let mut freed = free(number, -1.0);
        if freed == 6 && argument & 1 == 0 {
            return;
        }
        if matches!(freed, 2 | 4 | 6) {
            freed = free(number, self.now);
        }
        if freed == 0 {
            assert_eq!(state(number) & 7, RELEASING);
            return;
        }
        assert_eq!(freed & 1, 1, "it is free, or will be");
        self.requests.remove(&number);
        self.unused(freed >> 2);
    }

    /// A lock of the platform that is held for one alone stays so.
    fn downgrade(&mut self, argument: usize) {
        let Some(number) = nth(self.requests.keys(), argument) else {
            return;
        };
        let before = state(number) & 7;
        let (queue, is_shared) = self.requests[&number];
        let after = downgrade(number, self.now) & 7;
        if before == HELD && !is_shared && !self.queues[&queue] {
            assert_eq!(after, UNSUPPORTED);
        } else {
            assert_eq!(after, before);
            if before == HELD {
                self.requests.insert(number, (queue, true));
            }
        }
    }

    /// Many who come one after the other, each just before the one before it goes: more than a grant may be handed on to.
    fn rush(&mut self, argument: usize) {
        let Some(queue) = nth(self.queues.keys(), argument) else {
            return;
        };
        let mut before = None;
        for _ in 0..1100 {
            let number = request(queue, 0, self.now) >> 4;
            self.requests.insert(number, (queue, false));
            if let Some(before) = before.replace(number) {
                self.requests.remove(&before);
                assert_eq!(remove(before, self.now), 0, "somebody waits");
            }
        }
    }

    fn called_back(&mut self, argument: usize, has_lock: bool) {
        let Some((grant, queue)) = nth(self.grants.iter(), argument) else {
            return;
        };
        // The platform keeps to its own rule: what it has granted and not been given back is in the way, but for
        // one who steals. The victims may hear of that later.
        let rivals: Vec<Grant> = self
            .grants
            .iter()
            .filter(|&&(_, of)| of == queue)
            .map(|&(rival, _)| rival)
            .collect();
        let mut rivals = rivals
            .into_iter()
            .filter(|rival| *rival != grant && self.kept.contains(rival))
            .collect::<Vec<_>>();
        if has_lock {
            let mode = self.modes[&grant];
            rivals.retain(|rival| mode & self.modes[rival] & 1 == 0);
            if mode & 4 == 0 && !rivals.is_empty() {
                return;
            }
        }
        if !self.called.insert(grant) {
            return;
        }
        if has_lock {
            rivals.iter().for_each(|rival| {
                self.stolen.extend(self.kept.take(rival));
            });
        }
        // A promise that is settled is followed by a call in WebKit, and by none a second time.
        if called_back(grant.0, grant.1, has_lock, self.now) {
            assert!(has_lock, "it keeps a lock that it was not given");
            assert!(
                self.unsettled.contains(&grant),
                "it keeps a lock that is over"
            );
            self.kept.insert(grant);
        }
    }

    fn settled(&mut self, argument: usize, how: u32) {
        if let Some((grant, _)) = nth(self.grants.iter(), argument) {
            self.unsettled.remove(&grant);
            self.kept.remove(&grant);
            self.stolen.remove(&grant);
            self.unused(settled(grant.0, grant.1, how, 5, self.now));
        }
    }

    fn look(&mut self, argument: usize) {
        for &queue in self.queues.keys() {
            let held = self.held().any(|(of, ..)| of == queue);
            assert_eq!(holds(queue), held, "queue {queue}");
        }
        for &number in self.requests.keys() {
            // `Client.ahead` is for requests that wait.
            if state(number) & 7 == 0 && ahead(number, argument as u32 & 7) {
                assert_eq!(state(detail(0)) & 7, HELD, "the holder holds");
            }
        }
    }

    /// The commands that follow, or a few of them: JavaScript may come back in the middle.
    fn run(&mut self, argument: usize) {
        let most = if argument & 1 == 0 {
            usize::MAX
        } else {
            argument >> 1
        };
        for _ in 0..most {
            let command = next();
            let grant = (command >> 3, detail(0));
            match command & 7 {
                0 => return,
                1 => {}
                2 => self.requested(grant, argument),
                3 | 4 => drop(self.kept.remove(&grant)),
                5 => drop(self.confirming.insert(grant)),
                _ => self.is_reminded = true,
            }
        }
    }

    fn requested(&mut self, grant: Grant, argument: usize) {
        let queue = detail(1);
        assert_eq!(
            self.queues.get(&queue),
            Some(&false),
            "queue {queue} is the platform's"
        );
        assert!(
            self.grants.iter().all(|&(known, _)| known != grant),
            "grant {grant:?} is given twice"
        );
        self.modes.insert(grant, detail(2));
        self.grants.push((grant, queue));
        self.unsettled.insert(grant);
        // The call throws, as where `navigator.locks` is missing.
        if argument & 0xe0 == 0xe0 {
            self.settled(self.grants.len() - 1, 2);
        }
    }

    /// The queue of this number less one, if it is not 0, is used no more.
    fn unused(&mut self, number: u32) {
        if number > 0 && number & 1 == 0 && close(number - 1) {
            assert!(
                self.requests
                    .values()
                    .all(|&(queue, _)| queue != number - 1),
                "the queue is in use"
            );
            self.queues.remove(&(number - 1));
        }
    }

    /// The queues of all that is held, whether they are local, and whether it is shared.
    fn held(&self) -> impl Iterator<Item = (u32, bool, bool)> {
        let held = self
            .requests
            .iter()
            .filter(|&(&number, _)| state(number) & 7 == HELD);
        held.map(|(_, &(queue, is_shared))| (queue, self.queues[&queue], is_shared))
    }

    fn check(&self) {
        for (&queue, &is_local) in &self.queues {
            let holders = || self.held().filter(move |&(of, ..)| of == queue);
            let exclusive = holders().filter(|&(.., is_shared)| !is_shared).count();
            assert!(
                exclusive == 0 || holders().count() == 1,
                "queue {queue} has holders that exclude each other: {self:?}"
            );
            if !is_local && holders().next().is_some() {
                let is_kept = |grant: &&(Grant, u32)| {
                    grant.1 == queue
                        && (self.kept.contains(&grant.0) || self.stolen.contains(&grant.0))
                };
                assert!(
                    self.grants.iter().any(|grant| is_kept(&grant)),
                    "queue {queue} holds by no grant"
                );
            }
        }
        let rows = list_own();
        let held = (0..rows).filter(|&n| {
            let number = row(n);
            let flags = detail(0);
            let (queue, is_shared) = self.requests[&number];
            assert_eq!(
                (flags >> 3, flags & 1 == 1),
                (queue, is_shared),
                "what is listed of request {number}"
            );
            assert!((0.0..=self.now).contains(&since()), "since {}", since());
            flags & 2 != 0
        });
        assert_eq!(held.count(), self.held().count(), "what is listed as held");
        for n in 0..list_asked() {
            row(n);
        }
    }

    /// Everybody leaves, and the platform answers all that it was asked.
    fn end(&mut self) {
        while let Some((&number, _)) = self.requests.first_key_value() {
            self.requests.remove(&number);
            self.unused(remove(number, self.now));
        }
        for _ in 0..3 {
            self.run(0);
            for number in 0..self.grants.len() {
                if self.unsettled.contains(&self.grants[number].0) {
                    self.settled(number, 0);
                }
            }
            while let Some(grant) = self.confirming.pop_first() {
                self.unused(confirmed(grant.0, grant.1, self.now));
            }
        }
        assert_eq!(list_own(), 0, "somebody is left");
        assert_eq!(list_asked(), 0, "a grant is left");
        set_hidden(false, self.now);
        for &queue in self.queues.keys() {
            assert!(close(queue), "queue {queue} is in use by nobody");
        }
        while next() != 0 {}
    }
}

fn nth<'a, T: Copy + 'a>(mut all: impl ExactSizeIterator<Item = &'a T>, at: usize) -> Option<T> {
    let at = at.checked_rem(all.len())?;
    all.nth(at).copied()
}
