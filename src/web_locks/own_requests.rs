//! What this client knows of its own requests: [`own`], and [`asked`] for what the browser may
//! show of them.

use super::client::Client;
use super::names;
use crate::guard::LockMode;
use crate::snapshot::LockInfo;
use crate::time::Stamp;

/// A request of this client.
pub(super) struct Own {
    pub(super) info: LockInfo,
    /// Since when it is held, or waits.
    pub(super) since: f64,
    pub(super) is_held: bool,
    /// Of a request that waits: whether the browser knows of this one itself.
    pub(super) is_asked_for: bool,
}

/// The requests of this client whose names begin with `prefix`.
// It is called in three places. Inlined, it would be three times in what a browser loads.
#[inline(never)]
pub(super) fn own(prefix: &str) -> Vec<Own> {
    let mut all = Vec::new();
    Client::here().with(|rules| {
        rules.for_each_own(|name, own| {
            if let Some(key) = names::key_of(prefix, name) {
                all.push(Own {
                    info: LockInfo::new(key, own.mode),
                    since: own.since,
                    is_held: own.is_held,
                    is_asked_for: own.is_asked_for,
                });
            }
        });
    });
    for own in &mut all {
        own.info.age = Some(Stamp::at(own.since).elapsed());
    }
    all
}

/// What the browser may show of this client, by key and mode: how many requests wait, as far
/// as we know (their grants may be on the way), and how many were granted.
///
/// Another copy of this module in the same page has the same client id, and its requests must
/// not be left out. So each of ours is taken only once.
pub(super) struct Asked(Vec<(String, LockMode, [usize; 2])>);

impl Asked {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one of ours that can be what the browser shows as `info`. Returns whether there
    /// was one.
    pub(super) fn take(&mut self, info: &LockInfo, is_held: bool) -> bool {
        let mut all = self.0.iter_mut();
        let asked = all.find(|(key, mode, _)| (key, mode) == (&info.key, &info.mode));
        let Some((_, _, [waiting, granted])) = asked else {
            return false;
        };
        let count = match is_held && *granted > 0 {
            true => granted,
            false => waiting,
        };
        let is_one = *count > 0;
        *count -= usize::from(is_one);
        is_one
    }
}

/// What the browser may show of this client now, of the names that begin with `prefix`.
pub(super) fn asked(prefix: &str) -> Asked {
    let mut all: Vec<(String, LockMode, [usize; 2])> = Vec::new();
    Client::here().with(|rules| {
        rules.for_each_asked(|name, asked| {
            let Some(key) = names::key_of(prefix, name) else {
                return;
            };
            let mut known = all.iter_mut();
            let known = known.find(|(known, mode, _)| (known.as_str(), *mode) == (key, asked.mode));
            match known {
                Some((_, _, counts)) => counts[usize::from(asked.is_granted)] += 1,
                None => {
                    let mut counts = [0; 2];
                    counts[usize::from(asked.is_granted)] = 1;
                    all.push((key.to_owned(), asked.mode, counts));
                }
            }
        });
    });
    Asked(all)
}
