//! Windows: the time of the last tick, which comes every 10 to 16 milliseconds
//! ([GetTickCount64](https://learn.microsoft.com/windows/win32/api/sysinfoapi/nf-sysinfoapi-gettickcount64)).

use windows_sys::Win32::System::SystemInformation::GetTickCount64;

#[inline]
pub(super) fn nanos() -> u64 {
    // SAFETY: it takes nothing and touches no memory of ours.
    let millis = unsafe { GetTickCount64() };
    millis * 1_000_000
}
