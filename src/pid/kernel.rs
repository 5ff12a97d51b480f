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
    FileId, Locks, Opening, holds, is_still_at, is_unsupported, open, read_at_start, write_at_start,
};
