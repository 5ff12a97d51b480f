//! Windows: by `EnumProcessModules` and `GetProcAddress`.

use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::AtomicU32;

use windows_sys::Win32::Foundation::{FreeLibrary, HMODULE};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GetModuleFileNameW, GetModuleHandleExW, GetProcAddress,
};
use windows_sys::Win32::System::ProcessStatus::K32EnumProcessModules;
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::Copy;

/// The copies that are loaded, without our own.
pub(super) fn others(symbol: &CStr, own: &'static AtomicU32) -> Vec<Copy> {
    let mut copies = Vec::new();
    for address in modules() {
        // Another thread may unload it meanwhile, unless we have it, too.
        let mut module = ptr::null_mut();
        // SAFETY: it takes the address, whatever is there now, and writes the module if there is one.
        let is_loaded = unsafe {
            let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
            GetModuleHandleExW(flags, address.cast(), &mut module) != 0
        };
        if !is_loaded {
            continue;
        }
        // SAFETY: the module is loaded, and what has this symbol is a copy of the addon. That is
        // left loaded, so that it cannot go while it is looked at.
        let claim: Option<&'static AtomicU32> = unsafe {
            let claim = GetProcAddress(module, symbol.as_ptr().cast());
            claim.map(|claim| &*(claim as *const AtomicU32))
        };
        match claim {
            Some(claim) if !ptr::eq(claim, own) => {
                let path = path_of(module);
                copies.push(Copy { claim, path });
            }
            // SAFETY: we have loaded it above, and do not use it any more.
            _ => drop(unsafe { FreeLibrary(module) }),
        }
    }
    copies
}

/// What was loaded a moment ago: where each module begins, which is its handle as well.
fn modules() -> Vec<HMODULE> {
    let mut modules: Vec<HMODULE> = vec![ptr::null_mut(); 256];
    loop {
        let size = size_of_val(modules.as_slice()) as u32;
        let mut needed = 0;
        // SAFETY: it writes as many as fit, and how many bytes all of them need.
        let done = unsafe {
            K32EnumProcessModules(GetCurrentProcess(), modules.as_mut_ptr(), size, &mut needed)
        };
        let count = needed as usize / size_of::<HMODULE>();
        let fits = count <= modules.len();
        modules.resize(if done == 0 { 0 } else { count }, ptr::null_mut());
        if fits || done == 0 {
            return modules;
        }
    }
}

/// A path may be longer than `MAX_PATH`, and is cut to the room that there is for it.
fn path_of(module: HMODULE) -> String {
    let mut path = vec![0; 512];
    loop {
        // SAFETY: it writes no more than fits.
        let length = unsafe { GetModuleFileNameW(module, path.as_mut_ptr(), path.len() as u32) };
        let length = length as usize;
        // The longest that Windows has.
        if length < path.len() || length > 1 << 15 {
            return String::from_utf16_lossy(&path[..length]);
        }
        path.resize(path.len() * 2, 0);
    }
}
