//! Several copies of the addon in one process, such as those of two installations of the package.
//!
//! Each file that is loaded has statics of its own, and would have locks in memory of its own: two
//! would hold one lock. So one copy is the process's, and the others are of no use but to say where
//! that one is. Node loads a file twice only in name: all threads that load the same file have the
//! same statics.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use napi::bindgen_prelude::retain_current_module_for_unload_safety;

#[cfg_attr(target_os = "macos", path = "copies/macos.rs")]
#[cfg_attr(all(unix, not(target_os = "macos")), path = "copies/elf.rs")]
#[cfg_attr(windows, path = "copies/windows.rs")]
mod loaded;

/// Whether this copy is the process's. Every version has it under this name, and with these
/// values, so that any two can find each other.
#[unsafe(no_mangle)]
pub static CROSSLOCK_NODE_CLAIM: AtomicU32 = AtomicU32::new(NOT);

const SYMBOL: &CStr = c"CROSSLOCK_NODE_CLAIM";

const NOT: u32 = 0;
/// It wants to be, and looks for others.
const CLAIMS: u32 = 1;
const IS: u32 = 2;

/// Another copy.
struct Copy {
    claim: &'static AtomicU32,
    path: String,
}

/// Makes this copy the process's, if none is. Otherwise returns where that one is.
///
/// Two copies may come here at once. Each announces its claim before it looks for others, so at
/// least one of the two sees the other's (both are sequentially consistent, and a copy that was
/// loaded behind the look of another sees what that has announced). Of two that see each other the
/// one at the higher address gives way, and the other waits for that: only then does it know that
/// the first had not looked too early to see it.
pub(crate) fn claim() -> Option<String> {
    // Node unloads an addon with the last environment that has loaded it, and may so in a worker. What
    // the others find here, the locks, and wakers in queues of other threads have to stay. (musl
    // unloads nothing, and where it is linked for glibc that is said to the linker.)
    retain_current_module_for_unload_safety();
    let own: &'static AtomicU32 = &CROSSLOCK_NODE_CLAIM;
    let address = |claim: &'static AtomicU32| std::ptr::from_ref(claim).addr();
    loop {
        // Another thread may be here with the same copy, and come to the same.
        if own.load(SeqCst) == IS {
            return None;
        }
        let _ = own.compare_exchange(NOT, CLAIMS, SeqCst, SeqCst);
        let others = loaded::others(SYMBOL, own);
        if let Some(owner) = others.iter().find(|copy| copy.claim.load(SeqCst) == IS) {
            let _ = own.compare_exchange(CLAIMS, NOT, SeqCst, SeqCst);
            return Some(owner.path.clone());
        }
        let rivals = || {
            others
                .iter()
                .filter(|copy| copy.claim.load(SeqCst) == CLAIMS)
        };
        if rivals().any(|rival| address(rival.claim) < address(own)) {
            let _ = own.compare_exchange(CLAIMS, NOT, SeqCst, SeqCst);
            std::thread::yield_now();
            continue;
        }
        while rivals().next().is_some() {
            std::thread::yield_now();
        }
        if others.iter().all(|copy| copy.claim.load(SeqCst) != IS)
            && own.compare_exchange(CLAIMS, IS, SeqCst, SeqCst).is_ok()
        {
            return None;
        }
    }
}
