//! What JavaScript calls. `js/src/node/addon.ts` describes the same from the other side.
//!
//! A panic ends one call: JavaScript gets it as an error. If it was under a mutex of the lock
//! table, that refuses every later call, so that nothing is granted in doubt.

use crosslock::edge::explained;
use crosslock::{KeyRule, LockError, LockKey, LockMode};
use napi::bindgen_prelude::Function;
use napi::bindgen_prelude::Object;
use napi::{Env, Error, JsValue, Result};
use napi_derive::napi;

use crate::calls;
use crate::client::Client;
use crate::copies;
use crate::thread;

/// Adds what is called for every lock.
#[napi(module_exports)]
pub fn add_calls(exports: Object<'_>) -> Result<()> {
    calls::add_to(exports)
}

/// The version of the crate, which is that of the package it belongs to.
#[napi(catch_unwind)]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Makes this copy of the addon the one of the process. Otherwise returns the path of that one, and
/// this one is not to be used.
#[napi(catch_unwind)]
pub fn claim() -> Option<String> {
    copies::claim()
}

/// The rule that a key breaks, in three bits, below the place of the first byte that is not
/// allowed; or 0.
#[napi(catch_unwind)]
pub fn check_key(key: String) -> u32 {
    let Err(invalid) = LockKey::new(&key) else {
        return 0;
    };
    match invalid.rule() {
        KeyRule::NotEmpty => 1,
        KeyRule::MaxLength { .. } => 2,
        KeyRule::Charset { at, .. } => 3 | (at as u32) << 3,
        KeyRule::Start => 4,
        _ => 5,
    }
}

/// Makes a client, which is one copy of the package in this thread. `wake` is called when `next`
/// has something to say. `name` is what others call it.
#[napi(catch_unwind)]
pub fn connect(env: Env, wake: Function<'_, (), ()>, name: String) -> Result<u32> {
    let (env, wake) = (env.raw(), wake.raw());
    // SAFETY: Node-API calls us in the thread of the environment that it gives us, with a function
    // of that environment.
    let client = unsafe { Client::new(env, wake, name.into())? };
    let client = thread::with(|thread| thread.connect(client));
    // SAFETY: the same, and each number that is given here is new.
    unsafe { Client::free_at_the_end(env, client)? };
    Ok(client)
}

/// The queue of a key of a space, which keeps the rules.
#[napi(catch_unwind)]
pub fn open(client: u32, space: u32, key: String) -> u32 {
    thread::with(|thread| thread.open(client, space, key))
}

/// Forgets a queue without requests.
#[napi(catch_unwind)]
pub fn close(queue: u32) {
    thread::with(|thread| thread.close(queue));
}

/// `request` in the name of another than the client.
#[napi(catch_unwind)]
pub fn request_as(queue: u32, flags: u32, name: String) -> Result<u32, Code> {
    calls::ask(queue, flags, Some(name.into()))
}

/// Why a request was lost.
#[napi(catch_unwind)]
pub fn reason(request: u32) -> String {
    thread::with(|thread| thread.reason(request - 1))
}

/// Who is in the way of a request.
#[derive(Debug)]
#[napi(object)]
pub struct Contention {
    pub holder: Option<String>,
    /// In milliseconds.
    pub held_for: f64,
    /// How many wait in front. Where it is not known, `holder` is in words.
    pub waiting: Option<u32>,
}

#[napi(catch_unwind)]
pub fn ahead(request: u32, most: u32) -> Option<Contention> {
    let contention = thread::with(|thread| thread.contention(request - 1, most as usize))?;
    Some(Contention {
        holder: contention.holder,
        held_for: contention.held_for?.as_secs_f64() * 1e3,
        waiting: contention.ahead.map(|ahead| ahead as u32),
    })
}

/// A request of any thread.
#[derive(Debug)]
#[napi(object)]
pub struct Row {
    pub key: String,
    pub is_shared: bool,
    pub is_held: bool,
    /// For how long, in milliseconds, if that is known.
    pub age: Option<f64>,
    pub name: Option<String>,
}

/// The requests of a space, of all threads, as of one moment; those of one key in their order.
#[napi(catch_unwind)]
pub fn list(space: u32) -> Result<Vec<Row>, Code> {
    let mut rows = Vec::new();
    let locks = thread::with(|thread| thread.locks(space).clone());
    let shown = locks.for_each(|row| {
        rows.push(Row {
            key: row.key.to_owned(),
            is_shared: row.mode == LockMode::Shared,
            is_held: row.is_held,
            age: row.age.map(|age| age.as_secs_f64() * 1e3),
            name: row.client.map(str::to_owned),
        });
    });
    shown.map_err(error)?;
    Ok(rows)
}

/// The `code` of an error: one of `LockErrorCode` in `js/src/errors.ts`.
#[derive(Debug)]
pub struct Code(&'static str);

impl Code {
    pub(crate) const UNAVAILABLE: Self = Self("UNAVAILABLE");
}

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl From<napi::Status> for Code {
    /// What Node-API itself reports.
    fn from(_: napi::Status) -> Self {
        Self::UNAVAILABLE
    }
}

pub(crate) fn error(error: LockError) -> Error<Code> {
    let code = match error {
        LockError::InvalidKey(_) => "INVALID_KEY",
        LockError::Lost { .. } => "LOST",
        LockError::Io { .. } => "IO",
        LockError::Unsupported { .. } => "UNSUPPORTED",
        _ => "UNAVAILABLE",
    };
    Error::new(Code(code), explained(&error))
}
