//! [`PlatformEvents`]: what the browser reports.

use crate::core::handoff::{GrantId, Settled};

/// The events that the browser reports. They may come in any order, and more than once.
///
/// It is copied into each of the functions that the browser calls.
pub(super) trait PlatformEvents: Copy + 'static {
    /// The browser called back for `grant`, with a lock or without one. Returns whether the
    /// lock is to be held.
    ///
    /// The commands that follow wait for [`apply_commands`](Self::apply_commands): the lock may
    /// be released at once, so first that which releases it has to be in place.
    fn called_back(&self, grant: GrantId, has_lock: bool) -> bool;

    /// Applies the commands that follow from [`called_back`](Self::called_back).
    fn apply_commands(&self);

    /// The promise of the request for `grant` was settled.
    fn settled(&self, grant: GrantId, how: Settled<String>);

    /// The page goes into the back/forward cache.
    fn page_cached(&self);

    /// The page is hidden, or can be seen again.
    fn page_visibility(&self, is_hidden: bool);
}
