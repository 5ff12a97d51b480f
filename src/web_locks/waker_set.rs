//! [`Wakers`]: all who wait for one request to change. Each looks for itself, and takes
//! its waker with it when it goes.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Waker;

#[derive(Debug, Default)]
pub(super) struct Wakers(Vec<(WakerId, Waker)>);

/// Names a waker, and for ever: those of a request are woken all at once, and whoever has
/// not noticed yet must not take away the next one's.
pub(super) type WakerId = u64;

impl Wakers {
    /// Returns the waker that this one replaces, for the caller to drop where that can do
    /// no harm.
    pub(super) fn set(&mut self, id: &mut Option<WakerId>, waker: Waker) -> Option<Waker> {
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

    pub(super) fn remove(&mut self, id: WakerId) -> Option<Waker> {
        let place = self.0.iter().position(|(known, _)| *known == id)?;
        let (_, waker) = self.0.swap_remove(place);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(waker)
    }
}

impl IntoIterator for Wakers {
    type Item = Waker;
    type IntoIter = std::vec::IntoIter<Waker>;

    fn into_iter(self) -> Self::IntoIter {
        let wakers = self.0.into_iter().map(|(_, waker)| waker);
        wakers.collect::<Vec<_>>().into_iter()
    }
}
