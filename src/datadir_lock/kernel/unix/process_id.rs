//! [`process_id`]: the PID of this process, without a system call every time.
//!
//! Every use of a datadir checks whether this process is a forked child of the one that
//! opened it. `getpid` is a system call, because the C libraries no longer cache the PID. Here
//! it is cached in a page that the kernel wipes in every forked child.

use std::io;
use std::ptr::NonNull;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The PID, or zero before the first call. It is never unmapped.
struct Page(NonNull<AtomicU32>);

// SAFETY: it is the address of an atomic that lives for as long as the process.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

/// The PID of this process.
#[inline]
pub(in crate::datadir_lock) fn process_id() -> u32 {
    static PAGE: OnceLock<Option<Page>> = OnceLock::new();
    let Some(page) = PAGE.get_or_init(|| Page::new().ok()) else {
        return std::process::id();
    };
    // SAFETY: the page is never unmapped, and is used as nothing but this atomic.
    let cached = unsafe { page.0.as_ref() };
    // Relaxed is enough: every thread would write the same number, and a forked child begins
    // with one thread. (A child of `vfork` shares the page with its parent and finds the
    // parent's PID, but all it may do is call `exec`.)
    match cached.load(Relaxed) {
        0 => {
            let id = std::process::id();
            cached.store(id, Relaxed);
            id
        }
        id => id,
    }
}

impl Page {
    /// Fails where the kernel cannot wipe pages in a child: Linux before 4.14, and the user mode of QEMU
    /// before 8.0.
    fn new() -> io::Result<Self> {
        // The kernel rounds this up to a page.
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
        // SAFETY: this is the page that was mapped above, and no pointer to it exists elsewhere.
        let wiped = unsafe { is_wiped_on_fork(page, SIZE) };
        if wiped.is_err() {
            // SAFETY: as above, and `page` is not used after this.
            unsafe { libc::munmap(page, SIZE) };
        }
        let page = NonNull::new(page.cast()).expect("null is no mapping");
        wiped.map(|()| Self(page))
    }
}

/// Has the page wiped in every forked child.
///
/// An emulator of the kernel may ignore all advice and report success, as that of QEMU did. A child
/// would then take its parent's PID for its own, and the parent's locks as well. So advice that
/// does not exist must be refused.
///
/// # Safety
///
/// The page is mapped, private and anonymous, and nothing else is kept in it.
unsafe fn is_wiped_on_fork(page: *mut libc::c_void, size: usize) -> io::Result<()> {
    const NO_ADVICE: libc::c_int = -1;
    // SAFETY: the kernel knows no such advice, so it does nothing.
    if unsafe { libc::madvise(page, size, NO_ADVICE) } == 0 {
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: the caller says so of the page.
    match unsafe { libc::madvise(page, size, libc::MADV_WIPEONFORK) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cached_pid_is_that_of_the_process() {
        assert_eq!(process_id(), std::process::id());
        assert_eq!(process_id(), std::process::id());
    }
}
