//! [`WakerSet`]: the wakers of all tasks that wait for one request to change. Each task
//! registers its own, and removes it when it no longer waits.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Waker;

#[derive(Debug, Default)]
pub(crate) struct WakerSet(Vec<(WakerId, Waker)>);

/// Identifies a waker. No number is used twice: all wakers of a request are woken at once,
/// and a task that has not noticed yet must not remove the waker of another.
pub(crate) type WakerId = u64;

impl WakerSet {
    /// Registers a waker, or replaces the one of this `id`. Returns the old one: to drop it can
    /// run foreign code, so the caller does that without a lock.
    pub(crate) fn set(&mut self, id: &mut Option<WakerId>, waker: Waker) -> Option<Waker> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut known = self.0.iter_mut();
        if let Some((_, known)) = known.find(|(known, _)| Some(*known) == *id) {
            return Some(std::mem::replace(known, waker));
        }
        let new = NEXT.fetch_add(1, Relaxed);
        *id = Some(new);
        self.0.push((new, waker));
        None
    }

    /// Removes a waker, for the caller to drop in the same way.
    pub(crate) fn remove(&mut self, id: WakerId) -> Option<Waker> {
        let place = self.0.iter().position(|(known, _)| *known == id)?;
        let (_, waker) = self.0.swap_remove(place);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(waker)
    }
}

impl IntoIterator for WakerSet {
    type Item = Waker;
    type IntoIter = std::vec::IntoIter<Waker>;

    fn into_iter(self) -> Self::IntoIter {
        let wakers = self.0.into_iter().map(|(_, waker)| waker);
        wakers.collect::<Vec<_>>().into_iter()
    }
}
