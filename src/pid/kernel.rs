//! What the operating system is asked to do, in the same words for every platform.
//! Whatever differs between platforms is below this line, and all the `unsafe`.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::Primitive;
#[cfg(unix)]
pub(super) use unix::{
    FileId, Locks, Opening, holds, is_still_at, is_unsupported, open, read_at_start, write_at_start,
};
#[cfg(windows)]
pub(crate) use windows::Primitive;
#[cfg(windows)]
pub(super) use windows::{
    FileId, Locks, Opening, holds, is_still_at, is_unsupported, open, read_at_start, write_at_start,
};
