//! What the operating system is asked to do, in the same words for every platform.
//! Whatever differs between platforms is below this line, and all the `unsafe`.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

pub(crate) use platform::Primitive;
pub(super) use platform::{
    FileId, Locks, Opening, create, holds, is_still_at, is_unsupported, may_write, open,
    process_id, read_at_start, write_at_start,
};

/// What came of taking a lock.
pub(super) enum Taken<T> {
    Locked(T),
    /// Somebody else has it.
    Held,
    /// It takes more care than the file was opened with: close it, and begin anew.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "for kernels with classic locks alone")
    )]
    Again,
}
