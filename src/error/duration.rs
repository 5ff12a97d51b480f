//! [`ShownDuration`]: how messages show a time.

use std::fmt;
use std::time::Duration;

/// Prints a time like its `Debug`. The code of that can do much more, and is so large that it
/// shows in the size of what a browser loads.
pub(super) struct ShownDuration(pub(super) Duration);

impl fmt::Display for ShownDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        // One unit of `whole` is this many nanoseconds.
        let (whole, mut rest, mut unit, name) = match (secs, nanos) {
            (1.., _) => (secs, nanos, 1_000_000_000, "s"),
            (0, 1_000_000..) => (
                u64::from(nanos / 1_000_000),
                nanos % 1_000_000,
                1_000_000,
                "ms",
            ),
            (0, 1_000..) => (u64::from(nanos / 1_000), nanos % 1_000, 1_000, "µs"),
            (0, _) => (u64::from(nanos), 0, 1, "ns"),
        };
        write!(f, "{whole}")?;
        if rest > 0 {
            f.write_str(".")?;
        }
        while rest > 0 {
            unit /= 10;
            write!(f, "{}", rest / unit)?;
            rest %= unit;
        }
        f.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_their_debug() {
        let nanos = [
            0,
            1,
            999,
            1_000,
            1_050,
            999_999,
            1_000_000,
            1_500_000,
            150_000_000,
            999_999_999,
        ];
        for secs in [0, 1, 59, 86_400, u64::MAX] {
            for time in nanos.map(|nanos| Duration::new(secs, nanos)) {
                assert_eq!(ShownDuration(time).to_string(), format!("{time:?}"));
            }
        }
    }
}
