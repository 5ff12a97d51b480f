//! Linux, Android and Apple's systems: a time that the kernel notes now and then, in
//! memory that every process can read, for
//! [clock_gettime(2)](https://man7.org/linux/man-pages/man2/clock_gettime.2.html).

/// As of the last tick, which comes every 1 to 10 milliseconds.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_COARSE;
/// As of the last context switch, says clock_gettime(3) there.
#[cfg(target_vendor = "apple")]
const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC_RAW_APPROX;

#[inline]
pub(super) fn nanos() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for the write, and nothing else is touched. It fails for
    // unknown clocks alone, and these are older than what Rust runs on.
    unsafe { libc::clock_gettime(CLOCK, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
