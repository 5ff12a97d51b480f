//! A cheap clock, good to some milliseconds: every lock notes when it was granted, and
//! an exact clock would cost as much as the lock.

#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "coarse/linux.rs"]
mod clock;
#[cfg(target_vendor = "apple")]
#[path = "coarse/apple.rs"]
mod clock;
#[cfg(windows)]
#[path = "coarse/windows.rs"]
mod clock;
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
)))]
#[path = "coarse/exact.rs"]
mod clock;

use std::time::Duration;

/// A moment to tell an age from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since {
    /// Since some moment before the first call in this process.
    nanos: u64,
}

impl Since {
    /// The longest time between two ticks of the cheap clock, which is Windows' 64th of
    /// a second.
    const GRAIN: Duration = Duration::from_millis(16);

    #[inline]
    pub(crate) fn now() -> Self {
        let nanos = clock::nanos();
        Self { nanos }
    }

    pub(crate) fn elapsed(self) -> Duration {
        // Rounded up: whoever waited for a second must not read that the lock was held
        // for less. Threads may see the clock a tick apart, hence no plain difference.
        Duration::from_nanos(clock::nanos().saturating_sub(self.nanos)) + Self::GRAIN
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    /// Against the exact clock: never too short, and too long by two ticks at most. (What
    /// the machine does between two looks at clocks counts for neither side.)
    #[test]
    fn ages_are_never_too_short() {
        let before = Instant::now();
        let since = Since::now();
        let after = Instant::now();
        // Long enough to see that the unit is right.
        while after.elapsed() < Duration::from_millis(100) {
            std::thread::yield_now();
            let shortest = after.elapsed();
            let age = since.elapsed();
            let longest = before.elapsed() + 2 * Since::GRAIN;
            assert!(shortest <= age && age <= longest, "{shortest:?} {age:?} {longest:?}");
        }
    }
}
