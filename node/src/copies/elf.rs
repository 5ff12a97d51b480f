//! Linux, Android and others whose objects are ELF: by `dl_iterate_phdr(3)` and `dlsym(3)`.

use std::ffi::{CStr, CString, c_int, c_void};
use std::ptr;
use std::sync::atomic::AtomicU32;

use super::Copy;

/// The copies that are loaded, without our own.
pub(super) fn others(symbol: &CStr, own: &'static AtomicU32) -> Vec<Copy> {
    let mut names: Vec<CString> = Vec::new();
    // SAFETY: the callback gets the vector that outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut names).cast()) };
    let copy = |name: CString| {
        let claim = claim_of(&name, symbol)?;
        let path = name.to_string_lossy().into_owned();
        (!ptr::eq(claim, own)).then_some(Copy { claim, path })
    };
    names.into_iter().filter_map(copy).collect()
}

/// Only notes the names: it is called with a lock of the loader taken, which `dlopen` takes as well.
unsafe extern "C" fn note(info: *mut libc::dl_phdr_info, _: usize, names: *mut c_void) -> c_int {
    // SAFETY: `dl_iterate_phdr` gives a valid object, whose name is a string or null, and the
    // vector of `others`.
    unsafe {
        let (name, names) = ((*info).dlpi_name, &mut *names.cast::<Vec<CString>>());
        if !name.is_null() && *name != 0 {
            names.push(CStr::from_ptr(name).to_owned());
        }
    }
    0
}

fn claim_of(name: &CStr, symbol: &CStr) -> Option<&'static AtomicU32> {
    // SAFETY: both are strings. An object that is loaded already is not loaded again, and its
    // initialisers do not run. What has this symbol is a copy of the addon.
    unsafe {
        let object = libc::dlopen(name.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
        if object.is_null() {
            return None;
        }
        let claim: *const AtomicU32 = libc::dlsym(object, symbol.as_ptr()).cast();
        if claim.is_null() {
            libc::dlclose(object);
        }
        // One that is a copy is left open, so that it cannot go while it is looked at.
        claim.as_ref()
    }
}
