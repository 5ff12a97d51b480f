//! [`Watchers`]: those who watch a held lock for its loss. A loss is rare and wakes all of them;
//! each looks for itself.

use slab::Slab;

use super::{Serial, give_slots_back};

/// Names one who watches, by a serial number and where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatcherId {
    serial: Serial,
    slot: usize,
}

#[derive(Debug)]
pub(super) struct Watchers<W>(Slab<Watcher<W>>);

#[derive(Debug)]
struct Watcher<W> {
    serial: Serial,
    waker: W,
}

impl<W> Watchers<W> {
    pub(super) fn new() -> Self {
        Self(Slab::new())
    }

    pub(super) fn add(&mut self, serial: Serial, waker: W) -> WatcherId {
        let slot = self.0.insert(Watcher { serial, waker });
        WatcherId { serial, slot }
    }

    /// `None` if it was taken out meanwhile.
    pub(super) fn remove(&mut self, id: WatcherId) -> Option<W> {
        let watcher = self.0.get(id.slot)?;
        if watcher.serial != id.serial {
            return None;
        }
        let waker = self.0.remove(id.slot).waker;
        give_slots_back(&mut self.0);
        Some(waker)
    }

    /// Takes all of them out, to be woken.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = W> + use<W> {
        let watchers = std::mem::take(&mut self.0);
        watchers.into_iter().map(|(_, watcher)| watcher.waker)
    }

    #[cfg(all(any(test, crosslock_fuzz), not(any(loom, target_family = "wasm"))))]
    pub(super) fn capacity(&self) -> usize {
        self.0.capacity()
    }
}
