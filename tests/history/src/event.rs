//! [`Event`]: what a client logs.

use std::io::BufRead;

use serde::{Deserialize, Serialize};

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in nanoseconds of a monotonic clock that all clients read.
    pub at: u64,
    /// The process, tab or thread that may hand a lock on among its own tasks, and dies as a whole.
    pub context: String,
    #[serde(flatten)]
    pub what: What,
}

/// What happened. `request` is a number of the context's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum What {
    /// It is about to ask.
    Asked {
        request: u64,
        key: String,
        mode: Mode,
        how: How,
        /// For how long it will wait, in nanoseconds; for ever if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout: Option<u64>,
    },
    /// The backend has the request, and has not granted it: it stands in the queue by now.
    Queued { request: u64 },
    /// It has the lock.
    Granted { request: u64 },
    /// The fencing token that came with the lock.
    Token { request: u64, token: u64 },
    /// It is about to release the lock.
    Releasing { request: u64 },
    /// The release has returned.
    Released { request: u64 },
    /// It was told that the lock is lost. It still has to release it.
    Lost { request: u64 },
    /// It is about to withdraw the request.
    GivingUp { request: u64 },
    /// There will be no lock: somebody else has it, the time ran out, or it was withdrawn.
    Ended { request: u64, why: Ended },
    /// The backend said that all locks of this context are lost, as when its file was deleted.
    Invalidated,
    /// It is about to be killed.
    Killing,
    /// It is dead, and whatever frees its locks has had the time that it promises.
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Exclusive,
    Shared,
}

impl Mode {
    pub fn conflicts_with(self, other: Self) -> bool {
        self == Self::Exclusive || other == Self::Exclusive
    }
}

/// How a lock was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    Lock,
    TryLock,
    Steal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    Busy,
    TimedOut,
    Withdrawn,
    /// It was granted, and stolen before the client heard of it.
    Lost,
    /// An error that says nothing of the lock, such as a lost connection.
    Failed,
}

/// Reads lines of JSON.
///
/// # Errors
///
/// With the number of the line that is none.
pub fn read(lines: impl BufRead) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    for (number, line) in lines.lines().enumerate() {
        let wrong = |error: &dyn std::fmt::Display| format!("line {}: {error}", number + 1);
        let line = line.map_err(|error| wrong(&error))?;
        // A client that was killed may have been writing.
        if line.trim().is_empty() {
            continue;
        }
        events.push(serde_json::from_str(&line).map_err(|error| wrong(&error))?);
    }
    Ok(events)
}

/// Writes a line of JSON.
pub fn line(event: &Event) -> String {
    serde_json::to_string(event).expect("numbers and text are JSON")
}
