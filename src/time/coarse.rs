//! A cheap clock, good to some milliseconds: every lock notes when it was granted, and
//! an exact clock would cost as much as the lock.

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
#[path = "coarse/unix.rs"]
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

    /// Against the exact clock: that the unit is right, and that it moves. How long a
    /// tick takes is up to the machine: a busy virtual one was seen to take 20 ms.
    #[test]
    fn ages_are_those_of_the_exact_clock_but_for_some_ticks() {
        const SOME_TICKS: Duration = Duration::from_secs(2);
        let before = Instant::now();
        let since = Since::now();
        let after = Instant::now();
        let mut youngest = since.elapsed();
        while after.elapsed() < Duration::from_millis(300) {
            std::thread::yield_now();
            let age = since.elapsed();
            assert!(youngest <= age, "it went back");
            youngest = age;
        }
        assert!(youngest > Duration::from_millis(100), "{youngest:?}");
        assert!(youngest < before.elapsed() + SOME_TICKS, "{youngest:?}");
    }
}
