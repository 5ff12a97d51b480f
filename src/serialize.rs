//! The feature `serde`: how times and modes are written. (The rest is derived.)
//!
//! Both are written as the npm package has them, so that a snapshot which a Rust application
//! hands to JavaScript reads like one of that package.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::guard::LockMode;

/// A time that may be unknown, in milliseconds, with a fraction. A number holds a whole
/// number of nanoseconds exactly up to 50 days.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let millis = time.map(|time| time.as_secs_f64() * 1000.0);
        millis.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let millis = Option::<f64>::deserialize(deserializer)?;
        let time = millis.map(|millis| Duration::try_from_secs_f64(millis / 1000.0));
        time.transpose().map_err(D::Error::custom)
    }
}

/// [`LockMode`] for serde's derive. The type itself is part of the core, which has no
/// dependency on serde.
#[derive(Serialize, Deserialize)]
#[serde(remote = "LockMode", rename_all = "lowercase")]
enum Mode {
    Exclusive,
    Shared,
}

impl Serialize for LockMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Mode::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for LockMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Mode::deserialize(deserializer)
    }
}
