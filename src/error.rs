//! What can go wrong: [`LockError`] for keyed locks, [`PidLockError`] for
//! opening a datadir.
//!
//! *Held by someone else* is an error only for those who waited. For those who tried it is
//! an answer: `None`.
//!
//! The cause of an error stands in its [`source`](std::error::Error::source) alone. So a
//! program that prints the whole chain, as `{:#}` of anyhow does, prints each cause once.

mod contention;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::key::{InvalidKey, KeyRule};
pub use contention::Contention;

/// Why a lock was not acquired, or why it is no longer held.
///
/// More variants, and more fields in a variant, may be added in any release. So a `match` has
/// an arm `_`, a pattern ends in `..`, and a backend of your own makes these errors with the
/// functions below.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// The key breaks the rules of [`LockKey`](crate::LockKey). A retry cannot help.
    #[error(transparent)]
    InvalidKey(#[from] InvalidKey),

    /// The namespace breaks the rules, which are those for keys.
    #[error("invalid lock namespace \"{namespace}\": {rule}")]
    #[non_exhaustive]
    InvalidNamespace {
        /// The refused namespace, escaped and cut.
        namespace: String,
        /// The rule that it breaks.
        rule: KeyRule,
    },

    /// Somebody else held the lock for longer than the caller was ready to wait.
    #[error("timed out acquiring lock \"{key}\" after {timeout:?}{}", detail(.contention))]
    #[non_exhaustive]
    TimedOut {
        /// The key that was waited for.
        key: String,
        /// How long the caller was ready to wait.
        timeout: Duration,
        /// Who was in the way, if the backend knows.
        contention: Option<Box<Contention>>,
    },

    /// The backend does not work here: an API is missing or switched off.
    /// Nothing is locked, and nothing will be until the cause is removed.
    #[error("locks are unavailable: {reason}")]
    #[non_exhaustive]
    Unavailable {
        /// What is missing, and what to do.
        reason: String,
    },

    /// A lock that had been granted was taken away, or the manager lost what all its locks
    /// depend on. What it protected may be in use by somebody else.
    ///
    /// In browsers a wait can also end with this error: when the lock was stolen just as it
    /// was granted, or when the page went into the back/forward cache. Then nothing was locked,
    /// and the lock may be requested again.
    #[error("{}lost: {reason}", subject(.key))]
    #[non_exhaustive]
    Lost {
        /// The key of the lost lock; `None` when the whole manager is lost.
        key: Option<String>,
        /// What happened.
        reason: String,
    },

    /// The backend has no such operation.
    #[error("this lock manager does not support {operation}")]
    #[non_exhaustive]
    Unsupported {
        /// The operation.
        operation: &'static str,
    },

    /// The operating system failed in a way that says nothing about who holds the lock.
    #[error("{context}")]
    #[non_exhaustive]
    Io {
        /// What was being done, and to which path.
        context: String,
        /// The system's own error.
        source: std::io::Error,
    },

    /// The backend failed in a way of its own that says nothing about who holds the lock,
    /// such as a database that refuses the password. Of the backends of this crate only
    /// `postgres` fails like this; the others are those of third parties.
    #[error("{context}")]
    #[non_exhaustive]
    Backend {
        /// What was being done, and to what.
        context: String,
        /// The error of whatever the backend is built on. `downcast_ref` finds its type.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// For backends: the functions that make these errors.
impl LockError {
    /// [`TimedOut`](Self::TimedOut): `key` was waited for, for the whole of `timeout`.
    pub fn timed_out(key: &str, timeout: Duration, contention: Option<Contention>) -> Self {
        Self::TimedOut {
            key: key.to_owned(),
            timeout,
            contention: contention.map(Box::new),
        }
    }

    /// [`Unavailable`](Self::Unavailable). `reason` says what is missing, and what to do.
    pub fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable {
            reason: reason.into(),
        }
    }

    /// [`Lost`](Self::Lost): the lock on `key` was lost. `reason` says what happened.
    pub fn lost(key: &str, reason: impl Into<String>) -> Self {
        Self::Lost {
            key: Some(key.to_owned()),
            reason: reason.into(),
        }
    }

    /// [`Lost`](Self::Lost): the manager lost what all its locks depend on. `reason` says what
    /// happened.
    pub fn manager_lost(reason: impl Into<String>) -> Self {
        Self::Lost {
            key: None,
            reason: reason.into(),
        }
    }

    /// [`Unsupported`](Self::Unsupported): the backend has no `operation`.
    pub fn unsupported(operation: &'static str) -> Self {
        Self::Unsupported { operation }
    }

    /// [`Io`](Self::Io). `context` says what was being done, and to which path.
    pub fn io(context: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io {
            context: context.into(),
            source,
        }
    }

    /// [`Backend`](Self::Backend), with the error of whatever the backend is built on.
    ///
    /// ```
    /// use std::error::Error;
    /// use crosslock::LockError;
    ///
    /// # type Closed = std::num::ParseIntError;
    /// # let closed: Closed = "".parse::<u8>().unwrap_err();
    /// let error = LockError::backend("cannot read the queue of lock \"k\"", closed);
    /// assert_eq!(error.to_string(), "cannot read the queue of lock \"k\"");
    /// assert!(error.source().is_some_and(|source| source.is::<Closed>()));
    /// ```
    pub fn backend(
        context: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Backend {
            context: context.into(),
            source: source.into(),
        }
    }
}

fn detail(contention: &Option<Box<Contention>>) -> String {
    contention
        .as_ref()
        .map_or_else(String::new, |c| format!(": {c}"))
}

fn subject(key: &Option<String>) -> String {
    key.as_ref().map_or_else(
        || String::from("lock manager "),
        |key| format!("lock \"{key}\" "),
    )
}

/// Why a lock manager could not be opened: on a datadir, or by
/// [`platform_default`](crate::platform_default()).
///
/// The variants call for different reactions. [`AlreadyHeld`](Self::AlreadyHeld) is the answer
/// "another instance is running". The others are faults that say nothing about other
/// instances.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PidLockError {
    /// Another manager, in this process or another, has the datadir open.
    #[error("another process is already using datadir {}{}", datadir.display(), Holder(*pid))]
    AlreadyHeld {
        /// The datadir as the caller spelled it.
        datadir: PathBuf,
        /// The process id of the holder, if it was recorded and could be confirmed: on Linux
        /// the kernel names the same process, elsewhere a process with that id exists. It is
        /// for people. The lock of the kernel decides, and not this number.
        pid: Option<u32>,
    },

    /// Another manager has the datadir open, and it is of a kind that cannot be there beside this
    /// one: a pid-lock has the datadir for itself, and a `SharedDatadirLockManager` shares it by
    /// key. They refuse each other, whichever comes first. The message says which of them is
    /// there, and what to do.
    #[error("another process is already using datadir {}{}: {}", datadir.display(), Holder(*pid), OtherKind(*is_shared))]
    #[non_exhaustive]
    OtherKind {
        /// The datadir as the caller spelled it.
        datadir: PathBuf,
        /// The process id of the holder, as for [`AlreadyHeld`](Self::AlreadyHeld). `None` for
        /// processes that share the datadir: none of them writes its id into `LOCK`.
        pid: Option<u32>,
        /// Whether the other one shares the datadir by key, and this one wanted it for itself.
        is_shared: bool,
    },

    /// The datadir could not be locked for a reason other than another holder.
    #[error("cannot lock datadir {}", datadir.display())]
    SetupFailed {
        /// The datadir as the caller spelled it.
        datadir: PathBuf,
        /// The cause. Its message names the path and says what to do. Its
        /// [kind](std::io::Error::kind) and its source are those of the system.
        source: std::io::Error,
    },

    /// The locks of the platform cannot be used by anyone: there is no `navigator.locks`
    /// ([`LockError::Unavailable`]), or the namespace breaks the rules
    /// ([`LockError::InvalidNamespace`]).
    #[error(transparent)]
    Unusable(#[from] LockError),
}

/// The end of the sentence that says who holds a datadir. Programs match that sentence.
struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, " (holder PID: {pid})"),
            None => Ok(()),
        }
    }
}

/// What the other one is, and what to do. The argument says whether it shares the datadir.
struct OtherKind(bool);

impl fmt::Display for OtherKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            true => {
                "it shares the datadir by key (SharedDatadirLockManager); \
                 stop it, or open the datadir with SharedDatadirLockManager here as well"
            }
            false => {
                "it has the datadir for itself (a pid-lock); \
                 stop it, or have it open the datadir with SharedDatadirLockManager as well"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timed_out(contention: Option<Contention>) -> String {
        LockError::TimedOut {
            key: "k".into(),
            timeout: Duration::from_millis(150),
            contention: contention.map(Box::new),
        }
        .to_string()
    }

    #[test]
    fn a_timeout_says_who_is_in_the_way() {
        assert_eq!(
            timed_out(None),
            "timed out acquiring lock \"k\" after 150ms"
        );
        let contention = Contention {
            holder: Some("tab 3".into()),
            held_for: Some(Duration::from_micros(2_300_700)),
            ahead: Some(2),
            no_answer: false,
        };
        assert_eq!(
            timed_out(Some(contention)),
            "timed out acquiring lock \"k\" after 150ms: \
             held by tab 3 for 2.3s, 2 requests wait in front"
        );
    }

    #[test]
    fn a_loss_names_the_key_or_the_manager() {
        let lost = |key: Option<&str>| {
            let (key, reason) = (key.map(String::from), "stolen".into());
            LockError::Lost { key, reason }.to_string()
        };
        assert_eq!(lost(Some("k")), "lock \"k\" lost: stolen");
        assert_eq!(lost(None), "lock manager lost: stolen");
    }

    /// `js/src/messages.ts` has the same texts, and the tests of the npm package compare them
    /// with the same file.
    #[test]
    fn messages_are_the_same_in_both_languages() {
        let all: serde_json::Value =
            serde_json::from_str(include_str!("../tests/messages.json")).unwrap();
        let list = |name: &str| all[name].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| match value.as_str() {
            Some(text) => text.to_owned(),
            None => {
                let times = value["times"].as_u64().unwrap();
                value["repeat"].as_str().unwrap().repeat(times as usize)
            }
        };
        for case in list("keys") {
            let error = crate::LockKey::new(&text(&case[0])).unwrap_err();
            assert_eq!(LockError::from(error).to_string(), case[1]);
        }
        let in_namespace = |namespace: &str, rule| LockError::InvalidNamespace {
            namespace: namespace.to_owned(),
            rule,
        };
        for case in list("namespaces") {
            let error = crate::LockKey::new(&text(&case[0])).unwrap_err();
            assert_eq!(in_namespace(error.key(), error.rule()).to_string(), case[1]);
        }
        for case in list("prefixes") {
            let error = InvalidKey::new(&text(&case[0]), KeyRule::Prefix);
            assert_eq!(in_namespace(error.key(), error.rule()).to_string(), case[1]);
        }
        let millis = |value: &serde_json::Value| {
            let millis = value.as_f64()?;
            Some(Duration::from_micros((millis * 1000.0).round() as u64))
        };
        for case in list("timeouts") {
            let contention = Contention {
                holder: case["holder"].as_str().map(str::to_owned),
                held_for: millis(&case["heldFor"]),
                ahead: case["ahead"].as_u64().map(|ahead| ahead as usize),
                no_answer: case["noAnswer"] == true,
            };
            let is_known = contention != Contention::default();
            let timeout = millis(&case["millis"]).unwrap();
            let error = LockError::timed_out("k", timeout, is_known.then_some(contention));
            assert_eq!(error.to_string(), case["message"]);
        }
    }
}
