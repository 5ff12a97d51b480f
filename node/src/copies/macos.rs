//! macOS: by `dyld(3)` and `dlsym(3)`.

use std::ffi::{CStr, c_char};
use std::ptr;
use std::sync::atomic::AtomicU32;

use super::Copy;

// As `<mach-o/dyld.h>` has them. (libc has them no longer.)
unsafe extern "C" {
    safe fn _dyld_image_count() -> u32;
    /// A string for as long as the image is loaded, or null.
    safe fn _dyld_get_image_name(index: u32) -> *const c_char;
}

/// The copies that are loaded, without our own.
pub(super) fn others(symbol: &CStr, own: &'static AtomicU32) -> Vec<Copy> {
    let mut copies = Vec::new();
    // An image that goes meanwhile leaves its index to another, or has no name.
    for index in 0.._dyld_image_count() {
        let name = _dyld_get_image_name(index);
        if name.is_null() {
            continue;
        }
        // SAFETY: both are strings. An image that is loaded already is not loaded again. What has
        // this symbol is a copy of the addon, and is left open, so that it cannot go while it is
        // looked at.
        let claim = unsafe {
            let image = libc::dlopen(name, libc::RTLD_LAZY | libc::RTLD_NOLOAD | libc::RTLD_FIRST);
            if image.is_null() {
                continue;
            }
            let claim: *const AtomicU32 = libc::dlsym(image, symbol.as_ptr()).cast();
            if claim.is_null() {
                libc::dlclose(image);
            }
            claim.as_ref()
        };
        if let Some(claim) = claim
            && !ptr::eq(claim, own)
        {
            // SAFETY: it is open, and so still loaded.
            let path = unsafe { CStr::from_ptr(name) }
                .to_string_lossy()
                .into_owned();
            copies.push(Copy { claim, path });
        }
    }
    copies
}
