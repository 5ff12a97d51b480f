//! [`Wait`]: who waits for whom, and whether they wait for each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use super::{LockInfo, LockSnapshot};
use crate::guard::LockMode;

/// A client that waits for a key which another has, or is to have before it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// The label of the one who waits.
    pub client: String,
    /// What it waits for.
    pub key: String,
    /// The label of the one who holds the key, or is queued for it in front.
    pub behind: String,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client,
            key,
            behind,
        } = self;
        write!(f, "{client} waits for \"{key}\" behind {behind}")
    }
}

impl LockSnapshot {
    /// Who waits for whom, by the labels of the clients. Requests without a label are left out.
    ///
    /// A request waits for all that hold its key or are queued for it in front of it, as far as they
    /// conflict with it.
    pub fn waits(&self) -> Vec<Wait> {
        let mut before: BTreeMap<&str, Vec<&LockInfo>> = BTreeMap::new();
        for held in &self.held {
            before.entry(&held.key).or_default().push(held);
        }
        let mut waits = Vec::new();
        for pending in &self.pending {
            let before = before.entry(&pending.key).or_default();
            for ahead in &*before {
                if let (Some(client), Some(behind)) = (&pending.client, &ahead.client)
                    && !(pending.mode == LockMode::Shared && ahead.mode == LockMode::Shared)
                {
                    waits.push(Wait {
                        client: client.clone(),
                        key: pending.key.clone(),
                        behind: behind.clone(),
                    });
                }
            }
            before.push(pending);
        }
        waits
    }

    /// A circle of clients that wait for each other: a deadlock, which only a timeout ends. `None`
    /// if there is none. Each wait is for the next one's, and the last for the first one's.
    ///
    /// It goes by labels. So it is right only if each label is one task, which waits for one lock at
    /// a time: give each task a manager with a label of its own. Where a label is a whole process
    /// or tab, the circle may be one of tasks that do not wait for each other.
    pub fn deadlock(&self) -> Option<Vec<Wait>> {
        let waits = self.waits();
        waits.iter().find_map(|wait| circle(&waits, wait))
    }

    /// The same, of the circles that go through a wait for `key`.
    #[cfg(feature = "tracing")]
    pub(crate) fn deadlock_at(&self, key: &str) -> Option<Vec<Wait>> {
        let waits = self.waits();
        let mut of_key = waits.iter().filter(|wait| wait.key == key);
        of_key.find_map(|wait| circle(&waits, wait))
    }
}

/// The shortest circle that begins with `first`.
fn circle(waits: &[Wait], first: &Wait) -> Option<Vec<Wait>> {
    let mut seen = BTreeSet::from([first.behind.as_str()]);
    let mut ways = VecDeque::from([vec![first]]);
    while let Some(way) = ways.pop_front() {
        let last = way.last().expect("a way has a wait");
        if last.behind == first.client {
            return Some(way.into_iter().cloned().collect());
        }
        for next in waits.iter().filter(|next| next.client == last.behind) {
            if seen.insert(&next.behind) {
                ways.push_back([&way[..], &[next]].concat());
            }
        }
    }
    None
}

#[cfg(all(test, not(any(loom, target_family = "wasm"))))]
mod tests {
    use super::*;

    fn info(client: &str, key: &str, mode: LockMode) -> LockInfo {
        let mut info = LockInfo::new(key, mode);
        info.client = (!client.is_empty()).then(|| client.to_owned());
        info
    }

    fn snapshot(held: &[(&str, &str)], pending: &[(&str, &str)]) -> LockSnapshot {
        let exclusive = |of: &[(&str, &str)]| {
            let infos = of.iter();
            infos
                .map(|(client, key)| info(client, key, LockMode::Exclusive))
                .collect()
        };
        LockSnapshot::new(exclusive(held), exclusive(pending))
    }

    fn told(circle: Option<Vec<Wait>>) -> Vec<String> {
        let waits = circle.into_iter().flatten();
        waits.map(|wait| wait.to_string()).collect()
    }

    #[test]
    fn two_that_wait_for_each_other_are_found() {
        let both = snapshot(&[("a", "x"), ("b", "y")], &[("a", "y"), ("b", "x")]);
        let expected = ["a waits for \"y\" behind b", "b waits for \"x\" behind a"];
        assert_eq!(told(both.deadlock()), expected);
    }

    #[test]
    fn a_queue_is_no_circle() {
        let queue = snapshot(
            &[("a", "x"), ("b", "y")],
            &[("b", "x"), ("c", "x"), ("c", "y")],
        );
        assert_eq!(told(queue.deadlock()), [""; 0]);
        let waits: Vec<_> = queue.waits().iter().map(Wait::to_string).collect();
        assert!(
            waits.contains(&"c waits for \"x\" behind b".to_owned()),
            "{waits:?}"
        );
    }

    /// `b` has nothing, but stands before `a` in the queue for what `c` has.
    #[test]
    fn those_in_front_count_though_they_hold_nothing() {
        let circle = snapshot(
            &[("c", "x"), ("a", "y")],
            &[("b", "x"), ("a", "x"), ("b", "y")],
        );
        let expected = ["b waits for \"y\" behind a", "a waits for \"x\" behind b"];
        let mut found = told(circle.deadlock());
        found.sort();
        let mut expected: Vec<_> = expected.map(str::to_owned).to_vec();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn readers_do_not_wait_for_readers() {
        let shared = |client, key| info(client, key, LockMode::Shared);
        let held = vec![shared("a", "x"), info("b", "y", LockMode::Exclusive)];
        let pending = vec![info("a", "y", LockMode::Exclusive), shared("b", "x")];
        assert_eq!(LockSnapshot::new(held, pending).deadlock(), None);
    }

    #[test]
    fn one_that_waits_for_itself_is_a_circle() {
        let own = snapshot(&[("a", "x")], &[("a", "x")]);
        assert_eq!(told(own.deadlock()), ["a waits for \"x\" behind a"]);
    }

    #[test]
    fn who_has_no_label_is_left_out() {
        let unnamed = snapshot(&[("", "x"), ("b", "y")], &[("", "y"), ("b", "x")]);
        assert_eq!(unnamed.deadlock(), None);
        assert_eq!(unnamed.waits(), []);
    }
}
