//! The system calls behind a datadir lock, by the same names for every platform. All that
//! differs between platforms is in the modules below, and so is all `unsafe`.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as family;
#[cfg(windows)]
use windows as family;

pub(crate) use family::{FileId, Primitive, create, is_still_at, open};
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(crate) use family::{LockDescription, answer, record_lock, uninterrupted};
pub(super) use family::{
    Locks, OpenPermit, holds, is_shared_by_others, is_unsupported, may_write, process_id,
    read_at_start, write_at_start,
};
#[cfg(crosslock_fuzz)]
pub(super) use family::{has_ended, lock_holder};
#[cfg(windows)]
pub(crate) use family::{lock_bytes, unlock_bytes};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use family::{lockers, shows_our_processes};

/// The result of taking a lock.
pub(super) enum Taken<T> {
    Locked(T),
    /// Another open file or process holds it.
    Held,
    /// The kernel has only classic locks, which demand that files are opened one at a time.
    /// Close the file, and open it again with the exclusive permit.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "for kernels with classic locks alone")
    )]
    NeedsExclusivePermit,
}
