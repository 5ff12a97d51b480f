//! Windows: by `EnumProcessModules` and `GetProcAddress`.

use std::ffi::CStr;
use std::ptr;
use std::sync::atomic::AtomicU32;

use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::LibraryLoader::{GetModuleFileNameW, GetProcAddress};
use windows_sys::Win32::System::ProcessStatus::K32EnumProcessModules;
use windows_sys::Win32::System::Threading::GetCurrentProcess;

use super::Copy;

/// The copies that are loaded, without our own.
pub(super) fn others(symbol: &CStr, own: &'static AtomicU32) -> Vec<Copy> {
    let mut copies = Vec::new();
    for module in modules() {
        // SAFETY: the module is loaded. What has this symbol is a copy of the addon, which stays
        // loaded for ever: napi sees to that once it has made a thread-safe function.
        let claim = unsafe {
            let claim = GetProcAddress(module, symbol.as_ptr().cast());
            claim.map(|claim| &*(claim as *const AtomicU32))
        };
        if let Some(claim) = claim
            && !ptr::eq(claim, own)
        {
            let path = path_of(module);
            copies.push(Copy { claim, path });
        }
    }
    copies
}

fn modules() -> Vec<HMODULE> {
    let mut modules: Vec<HMODULE> = vec![ptr::null_mut(); 256];
    loop {
        let size = size_of_val(modules.as_slice()) as u32;
        let mut needed = 0;
        // SAFETY: it writes as many as fit, and how many there are.
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

fn path_of(module: HMODULE) -> String {
    let mut path = [0; 1024];
    // SAFETY: it writes no more than fits.
    let length = unsafe { GetModuleFileNameW(module, path.as_mut_ptr(), path.len() as u32) };
    String::from_utf16_lossy(&path[..length as usize])
}
