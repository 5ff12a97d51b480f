//! The seam between the [driver](super::driver) and a lock manager that grants locks.
//! [`Platform`] is what the driver asks for, [`PlatformEvents`] what is reported to it.

use crate::core::handoff::{GrantId, IfHeld, Settled};
use crate::guard::LockMode;

/// Carries out the [commands](crate::core::handoff::Command) of the rules, one method each.
///
/// A method may run foreign code, which may do anything: report an event, or ask for another
/// lock. The driver can bear that.
pub(super) trait Platform {
    /// Requests the lock `name` for `grant`.
    ///
    /// # Errors
    ///
    /// Why it cannot be requested. Nothing of the request is left then.
    fn request(
        &self,
        grant: GrantId,
        name: &str,
        mode: LockMode,
        if_held: IfHeld,
    ) -> Result<(), String>;

    /// Withdraws the request of `grant`, or releases its lock.
    fn release(&self, grant: GrantId);

    /// Drops what is kept for `grant`, whose lock was taken away.
    fn forget(&self, grant: GrantId);

    /// Reports to the rules when messages have gone to the lock manager and back this often.
    fn confirm(&self, grant: GrantId, round_trips: u32);

    /// Reminds the rules a little later.
    fn remind(&self);
}

/// What the browser reports, in whatever order, and however often.
///
/// Copied into each of the functions that the browser calls.
pub(super) trait PlatformEvents: Copy + 'static {
    /// The browser called back for `grant`, with a lock or without one. Returns whether the
    /// lock is to be held.
    ///
    /// What follows is not carried out before [`apply_commands`](Self::apply_commands): the
    /// lock may be released at once, so first whatever releases it has to be in place.
    fn called_back(&self, grant: GrantId, has_lock: bool) -> bool;

    /// Carries out what follows from [`called_back`](Self::called_back).
    fn apply_commands(&self);

    /// The promise of the request for `grant` was settled.
    fn settled(&self, grant: GrantId, how: Settled<String>);

    /// The page goes into the back/forward cache.
    fn page_cached(&self);

    /// The page is hidden, or can be seen again.
    fn page_visibility(&self, is_hidden: bool);
}
