//! What JavaScript calls to open and close datadirs.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crosslock::edge::{Kind, explained};
use crosslock::{LockError, PidLockError};
use napi::bindgen_prelude::Uint8Array;
use napi::{Error, Result};
use napi_derive::napi;

use crate::exports::{Code, error};
use crate::thread;

/// Begins to open a datadir, for `timeout` milliseconds at most, which may be infinite. `kind`: 0
/// by `flock`, 1 by `fcntl`, 2 shared by key. The client is called when `opened` has something. A
/// path is bytes on Unix, and UTF-16 on Windows.
#[napi(catch_unwind)]
pub fn open_datadir(
    client: u32,
    kind: u32,
    datadir: Uint8Array,
    lock_file: Option<Uint8Array>,
    timeout: f64,
) -> Result<u32, Code> {
    let kind = match kind {
        0 => Kind::Flock,
        1 => Kind::Fcntl,
        _ => Kind::Shared,
    };
    let datadir = path(&datadir);
    let lock_file = lock_file.map(|name| path(&name));
    // What is longer than it can count is for ever.
    let timeout = Duration::try_from_secs_f64(timeout / 1e3).unwrap_or(Duration::MAX);
    let ticket =
        thread::with(|thread| thread.open_datadir(client, kind, datadir, lock_file, timeout));
    ticket.map_err(|error| {
        let message = format!("cannot start a thread to open the datadir: {error}");
        Error::new(Code::UNAVAILABLE, message)
    })
}

#[cfg(unix)]
fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes.to_vec()).into()
}

#[cfg(windows)]
fn path(bytes: &[u8]) -> PathBuf {
    use std::os::windows::ffi::OsStringExt;
    let (units, _) = bytes.as_chunks();
    let units: Vec<u16> = units.iter().map(|&unit| u16::from_le_bytes(unit)).collect();
    std::ffi::OsString::from_wide(&units).into()
}

/// What came of a datadir that was to be opened.
#[derive(Debug, Default)]
#[napi(object)]
pub struct Opened {
    pub ticket: u32,
    /// The space of its locks. If there is none, the rest says why.
    pub space: Option<u32>,
    pub code: Option<String>,
    pub message: Option<String>,
    /// Who has it.
    pub pid: Option<u32>,
    /// What the system said, by its number.
    pub errno: Option<i32>,
}

/// The next datadir of a client that was opened, or could not be.
#[napi(catch_unwind)]
pub fn opened(client: u32) -> Option<Opened> {
    let (ticket, opened) = thread::with(|thread| thread.opened(client))?;
    let failed = match opened {
        Some(Ok(space)) => {
            return Some(Opened {
                ticket,
                space: Some(space),
                ..Opened::default()
            });
        }
        None => {
            let message = "this platform has no such lock";
            return Some(failed(ticket, "UNSUPPORTED", message.to_owned()));
        }
        Some(Err(failed)) => failed,
    };
    // JavaScript shows only the first of several causes.
    let message = explained(&failed);
    Some(match failed {
        PidLockError::AlreadyHeld { pid, .. } | PidLockError::OtherKind { pid, .. } => Opened {
            pid,
            ..self::failed(ticket, "ALREADY_HELD", message)
        },
        PidLockError::SetupFailed { source, .. } => Opened {
            errno: errno(&source),
            ..self::failed(ticket, "IO", message)
        },
        _ => self::failed(ticket, "UNAVAILABLE", message),
    })
}

fn failed(ticket: u32, code: &str, message: String) -> Opened {
    Opened {
        ticket,
        code: Some(code.to_owned()),
        message: Some(message),
        ..Opened::default()
    }
}

/// The number that the system gave, however deep it is.
fn errno(error: &io::Error) -> Option<i32> {
    if let Some(errno) = error.raw_os_error() {
        return Some(errno);
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(errno) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error)
        {
            return Some(errno);
        }
        cause = error.source();
    }
    None
}

/// Gives a datadir up when the last of its requests is gone. Returns whether that is now.
#[napi(catch_unwind)]
pub fn close_datadir(space: u32) -> bool {
    thread::with(|thread| thread.close_datadir(space))
}

/// Looks whether a datadir is still ours. Returns why not.
#[napi(catch_unwind)]
pub fn check_datadir(space: u32) -> Result<Option<String>, Code> {
    let locks = thread::with(|thread| thread.locks(space).clone());
    match locks.check() {
        Ok(()) => Ok(None),
        Err(LockError::Lost { reason, .. }) => Ok(Some(reason)),
        Err(other) => Err(error(other)),
    }
}
