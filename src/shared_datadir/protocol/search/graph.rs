//! [`Graph`]: all states that can be reached, and how.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;

use super::Rules;
use super::state::{CONTENDERS, State, Step};
use crate::hash::BuildHasher;

pub(super) struct Graph<R: Rules> {
    pub(super) states: Vec<State<R>>,
    /// For each state, those from which it is reached without a cancel or a death.
    before: Vec<Vec<usize>>,
}

impl<R: Rules> Graph<R> {
    /// `keeps` never releases what it was granted.
    pub(super) fn search(start: State<R>, keeps: Option<usize>) -> Self {
        let hasher = BuildHasher::default();
        // The places of the states, found by the hashes of what is there.
        let mut known = HashTable::new();
        known.insert_unique(hasher.hash_one(&start), 0, |_| {
            unreachable!("there is room")
        });
        let (mut states, mut before) = (vec![start], vec![Vec::new()]);
        let mut next = 0;
        while next < states.len() {
            for who in 0..CONTENDERS {
                for step in states[next].steps(who, keeps) {
                    let mut state = states[next].clone();
                    state.take(who, step);
                    let hash = hasher.hash_one(&state);
                    let number = match known.find(hash, |&number: &usize| states[number] == state) {
                        Some(&number) => number,
                        None => {
                            state.check();
                            let number = states.len();
                            states.push(state);
                            before.push(Vec::new());
                            known.insert_unique(hash, number, |&number| {
                                hasher.hash_one(&states[number])
                            });
                            number
                        }
                    };
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
    fn assert_always_reached(&self, goal: impl Fn(&State<R>) -> bool) {
        self.assert_reached_if(|_| true, goal);
    }

    /// The same from every state that `counts`.
    pub(super) fn assert_reached_if(
        &self,
        counts: impl Fn(&State<R>) -> bool,
        goal: impl Fn(&State<R>) -> bool,
    ) {
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

    pub(super) fn assert_all_can_end(&self) {
        self.assert_always_reached(State::is_over);
    }
}
