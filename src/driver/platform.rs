//! [`Platform`]: what the driver needs of a lock manager that grants locks.

use crate::core::handoff::{GrantId, IfHeld};
use crate::guard::LockMode;

/// Applies the [commands](crate::core::handoff::Command) of the rules, one method each.
///
/// A method may run foreign code, and that may report an event or request another lock.
pub(crate) trait Platform {
    /// The present time, in milliseconds.
    fn now(&self) -> f64;

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

    /// Goes to the lock manager and back, and then tells the rules.
    fn confirm(&self, grant: GrantId);

    /// Reminds the rules [a little later](crate::core::handoff::MILLIS).
    fn remind(&self);
}
