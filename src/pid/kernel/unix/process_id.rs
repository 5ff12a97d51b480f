//! [`process_id`]: this process's number, without asking the kernel every time.
//!
//! Every use of a datadir asks whether this process is still the one that opened it, and
//! not a forked child. `getpid` is a system call, as the C libraries do not remember its
//! answer any more; a page that the kernel wipes in every forked child remembers it, and
//! forgets it when it has to.

use std::io;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The number, or zero as long as nobody has asked. Never unmapped.
struct Page(NonNull<AtomicU32>);

// SAFETY: it is the address of an atomic that lives for as long as the process.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

/// The number of this process.
#[inline]
pub(in crate::pid) fn process_id() -> u32 {
    static PAGE: OnceLock<Option<Page>> = OnceLock::new();
    let Some(page) = PAGE.get_or_init(|| Page::new().ok()) else {
        return std::process::id();
    };
    // SAFETY: the page is never unmapped, and nothing but this atomic is made of it. A child
    // that shares its memory with the parent until it calls `exec` finds the parent's number
    // there; such a child has nothing to do here.
    let remembered = unsafe { page.0.as_ref() };
    // Nothing has to be ordered: every thread would write the same number, and a forked
    // child begins with one thread alone.
    match remembered.load(Relaxed) {
        0 => {
            let id = std::process::id();
            remembered.store(id, Relaxed);
            id
        }
        id => id,
    }
}

impl Page {
    /// An error where the kernel wipes no pages: Linux before 4.14.
    fn new() -> io::Result<Self> {
        // The kernel rounds it up to a page.
        const SIZE: usize = size_of::<AtomicU32>();
        let (access, kind) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of
        // ours.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), SIZE, access, kind, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is the page that was mapped above, which nobody else knows of.
        if unsafe { libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) } == -1 {
            let error = io::Error::last_os_error();
            // SAFETY: as above, and nobody will.
            unsafe { libc::munmap(page, SIZE) };
            return Err(error);
        }
        let page = NonNull::new(page.cast()).expect("null is no mapping");
        Ok(Self(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_remembered() {
        assert_eq!(process_id(), std::process::id());
        assert_eq!(process_id(), std::process::id());
    }
}
