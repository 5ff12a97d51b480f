//! macOS, iOS and their kin: the time as of the last context switch (clock_gettime(3)
//! there).

#[inline]
pub(super) fn nanos() -> u64 {
    // SAFETY: it takes and touches no memory of ours. It fails for unknown clocks alone.
    unsafe { libc::clock_gettime_nsec_np(libc::CLOCK_MONOTONIC_RAW_APPROX) }
}
