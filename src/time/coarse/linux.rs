//! Linux and Android: the time of the last tick, which comes every 1 to 10 milliseconds
//! ([clock_gettime(2)](https://man7.org/linux/man-pages/man2/clock_gettime.2.html)). The
//! kernel keeps it in memory that every process can read.

#[inline]
pub(super) fn nanos() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for the write, and nothing else is touched. It cannot fail:
    // the clock exists since Linux 2.6.32, which is older than what Rust runs on.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
