//! [`LockMode`].

use core::fmt;

/// How a lock is held.
///
/// Either one exclusive holder of a key, or any number of shared ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LockMode {
    /// Nobody else holds the key in any mode: a writer.
    #[default]
    Exclusive,
    /// Nobody else holds the key exclusively: a reader among readers.
    Shared,
}

impl LockMode {
    /// The name that the Web Locks API uses: `"exclusive"` or `"shared"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::LockMode;

    #[test]
    fn a_mode_is_shown_as_the_web_locks_api_names_it() {
        assert_eq!(LockMode::Exclusive.to_string(), "exclusive");
        assert_eq!(LockMode::Shared.to_string(), "shared");
    }
}
