//! Local locks against a model that is too simple to be wrong: one list for each lock, in
//! the order of the requests, and the rule of the Web Locks specification.

use proptest::prelude::*;

use super::{Downgraded, HandOff, IfHeld, Passing, QueueSlot, RequestSlot, State};
use crate::guard::LockMode::{self, Exclusive, Shared};

#[derive(Debug, Clone, Copy)]
enum Step {
    Ask(usize, LockMode, IfHeld),
    /// Frees, or gives up, one of those that are there.
    Remove(usize),
    Downgrade(usize),
    /// Nothing that a platform's page goes through is of interest to a local lock.
    LoseAll,
    Remind,
}

/// A request that waits, holds, or has lost what it held.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Modelled {
    slot: RequestSlot,
    mode: LockMode,
    is_held: bool,
}

fn conflict(a: LockMode, b: LockMode) -> bool {
    a == Exclusive || b == Exclusive
}

#[derive(Default)]
struct Model {
    queue: Vec<Modelled>,
}

impl Model {
    /// A request is granted when no earlier request, held or pending, conflicts with it.
    fn grant(&mut self) {
        for at in 0..self.queue.len() {
            let mode = self.queue[at].mode;
            let mut before = self.queue[..at].iter();
            self.queue[at].is_held |= !before.any(|other| conflict(other.mode, mode));
        }
    }
}

/// One of all requests, with the place of its queue.
fn nth_of(
    models: &[Model],
    lost: &[(usize, RequestSlot)],
    nth: usize,
) -> Option<(usize, RequestSlot)> {
    let places = models.iter().enumerate();
    let there = places.flat_map(|(at, model)| model.queue.iter().map(move |one| (at, one.slot)));
    let all: Vec<(usize, RequestSlot)> = there.chain(lost.iter().copied()).collect();
    nth.checked_rem(all.len()).map(|nth| all[nth])
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mode = prop_oneof![Just(Exclusive), Just(Shared)];
    let if_held =
        prop_oneof![4 => Just(IfHeld::Queue), 2 => Just(IfHeld::Refuse), 1 => Just(IfHeld::Steal)];
    let ask = (0..2_usize, mode, if_held).prop_map(|(queue, mode, if_held)| {
        let mode = if if_held == IfHeld::Steal {
            Exclusive
        } else {
            mode
        };
        Step::Ask(queue, mode, if_held)
    });
    let remove = (0..64_usize).prop_map(Step::Remove);
    let downgrade = (0..64_usize).prop_map(Step::Downgrade);
    let others = prop_oneof![Just(Step::LoseAll), Just(Step::Remind)];
    let step = prop_oneof![6 => ask, 5 => remove, 2 => downgrade, 2 => others];
    // Miri takes a thousand times as long, and all are looked at after each step.
    prop::collection::vec(step, 1..if cfg!(miri) { 24 } else { 200 })
}

proptest! {
    #[test]
    fn local_locks_are_as_the_specification_has_them(steps in steps()) {
        let mut rules: HandOff<RequestSlot, ()> = HandOff::new();
        let queues: [QueueSlot; 2] = [(); 2].map(|()| rules.open(true));
        let mut models = [Model::default(), Model::default()];
        let mut lost: Vec<(usize, RequestSlot)> = Vec::new();
        for (now, step) in steps.into_iter().enumerate() {
            let now = now as f64 * 7.0;
            match step {
                Step::Ask(at, mode, if_held) => {
                    let slot = rules.request(queues[at], mode, if_held, Passing::On, now);
                    *rules.waker(slot) = Some(slot);
                    let queue = &mut models[at].queue;
                    let is_held = false;
                    match if_held {
                        IfHeld::Queue => queue.push(Modelled { slot, mode, is_held }),
                        IfHeld::Refuse => {
                            let is_refused = queue.iter().any(|other| conflict(other.mode, mode));
                            prop_assert_eq!(is_refused, *rules.state(slot) == State::Busy);
                            match is_refused {
                                true => drop(rules.remove(slot, now)),
                                false => queue.push(Modelled { slot, mode, is_held }),
                            }
                        }
                        IfHeld::Steal => {
                            lost.extend(queue.iter().filter(|other| other.is_held).map(|other| (at, other.slot)));
                            queue.retain(|other| !other.is_held);
                            queue.insert(0, Modelled { slot, mode, is_held });
                        }
                    }
                    models[at].grant();
                }
                Step::Remove(nth) => {
                    let Some((at, slot)) = nth_of(&models, &lost, nth) else {
                        continue;
                    };
                    rules.release(slot, now);
                    prop_assert!(*rules.state(slot) != State::Releasing, "it takes no time");
                    let (_, unused) = rules.remove(slot, now);
                    models[at].queue.retain(|one| one.slot != slot);
                    lost.retain(|one| one.1 != slot);
                    models[at].grant();
                    let is_unused = models[at].queue.is_empty() && !lost.iter().any(|one| one.0 == at);
                    prop_assert_eq!(unused, is_unused.then_some(queues[at]));
                }
                Step::Downgrade(nth) => {
                    let Some((at, slot)) = nth_of(&models, &lost, nth) else {
                        continue;
                    };
                    let of_model = models[at].queue.iter_mut().find(|one| one.slot == slot && one.is_held);
                    let wanted = match of_model {
                        Some(one) => {
                            one.mode = Shared;
                            Downgraded::Shared
                        }
                        None => Downgraded::NotHeld,
                    };
                    prop_assert_eq!(rules.downgrade(slot, now), wanted);
                    models[at].grant();
                }
                Step::LoseAll => prop_assert!(rules.lose_all(&super::Reason::Cached).is_empty()),
                Step::Remind => rules.remind(now),
            }
            prop_assert_eq!(rules.next_command(), None, "no platform is asked for anything");
            while let Some(woken) = rules.next_wake() {
                let mut all = models.iter().flat_map(|model| &model.queue).map(|one| one.slot);
                let is_there = all.any(|slot| slot == woken) || lost.iter().any(|one| one.1 == woken);
                if is_there {
                    *rules.waker(woken) = Some(woken);
                }
            }
            for (at, model) in models.iter().enumerate() {
                for one in &model.queue {
                    let is_held = matches!(rules.state(one.slot), State::Held(_));
                    prop_assert_eq!(is_held, one.is_held);
                    prop_assert!(is_held || *rules.state(one.slot) == State::Pending);
                    let in_front = model.queue.iter().filter(|other| !other.is_held);
                    let in_front = in_front.take_while(|other| other.slot != one.slot).count();
                    if !is_held {
                        let ahead = rules.ahead_of(one.slot, 1000).expect("somebody holds it");
                        prop_assert_eq!(ahead.waiting, Some(in_front));
                        prop_assert!(model.queue.iter().any(|other| other.is_held && other.slot == ahead.holder));
                    }
                }
                prop_assert_eq!(rules.holds(queues[at]), model.queue.iter().any(|one| one.is_held));
            }
            for &(_, slot) in &lost {
                prop_assert!(matches!(rules.state(slot), State::Lost(super::Reason::Stolen)));
            }
        }
    }
}
