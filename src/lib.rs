//! Named async locks with one API for browser tabs, Node and native processes.
//!
//! An application names what it is about to touch (`lightning.send.42`), holds a lock on that
//! name, and knows that nobody else in the chosen scope holds it. It picks the backend that
//! reaches as far as its dataset is shared:
//!
//! | backend | where it runs | what it excludes |
//! | --- | --- | --- |
//! | [`memory::MemoryLockManager`] | everywhere, wasm too | tasks and threads of one process; every instance shares one keyspace |
//! | `pid_flock::FlockPidLockManager` | Linux, macOS, Android, Windows | the above for one datadir, and a second process on that datadir is refused (`flock(2)`, `LockFileEx` on `<datadir>/LOCK`) |
//! | `pid_fcntl::FcntlPidLockManager` | Linux, macOS, iOS, Android | the same with `fcntl` locks, also over POSIX-compliant NFS |
//! | `shared_datadir::SharedDatadirLockManager` | Linux, macOS, iOS, Android, Windows | the same, but every process on the datadir is let in, and they exclude each other by key: a CLI beside its daemon |
//! | `web_locks::WebLockManager` | wasm: browsers, Node 24.5+ | all same-origin tabs and workers of one browser profile (`navigator.locks`); in Node, the threads of one process |
//! | `postgres::PostgresLockManager` (feature `postgres`) | Linux, macOS, Windows | all instances, on any machine, that connect to one PostgreSQL database; with fencing tokens |
//!
//! The README says for each platform what was run there and what was only compiled.
//!
//! # How to pick
//!
//! - One process, or tests: memory.
//! - One process per datadir (a CLI, a daemon, a desktop wallet): a pid-lock; `fcntl`
//!   where the datadir may be on network storage.
//! - Several processes on one datadir, each of which names what it touches (a CLI beside its
//!   daemon): `shared_datadir`. Nobody is refused but pid-locks, and these refuse it.
//! - A browser: Web Locks, the only thing there that reaches other tabs.
//! - A dataset in PostgreSQL, for instances on several machines: `postgres`.
//! - No wish to think: [`platform_default()`], or [`platform_default_with`] if not every
//!   platform has a datadir.
//!
//! What callers must still guarantee: one backend per dataset for ever, and the same namespace
//! or directory in every instance. Two managers of different kinds do not exclude each other,
//! except that all managers of datadirs refuse each other. [`LockManager::scope`] says what is
//! excluded.
//!
//! # What every backend promises
//!
//! [`LockManager`] has the promises in full. In short: exclusion, first come first served, no
//! polling for a lock, a timeout on every wait, cancel safety, and no lock that outlives its
//! holder.
//!
//! # What is logged
//!
//! Messages go to the [`log`](https://docs.rs/log) facade, with the target `crosslock`. A
//! warning says, once for each manager, that its datadir was lost, and on the web that a page
//! lost its locks to the back/forward cache. Debug messages tell of every key that was refused,
//! and of every other failure that [`LockManager::try_lock`] could only answer with `None`.
//!
//! # Features
//!
//! - `conformance` (off by default): the module `conformance`, for tests of a backend of your
//!   own: how to write one, and the suite that shows whether it keeps the contract.
//! - `postgres` (off by default): the module `postgres`, with locks in a PostgreSQL database. It brings
//!   tokio-postgres and rustls; nothing of them is built without it.
//! - `serde` (off by default): `Serialize` and `Deserialize` for [`LockSnapshot`],
//!   [`LockInfo`], [`LockMode`], [`LockScope`] and [`Contention`]. Modes and scopes are
//!   written as the npm package writes them (`"exclusive"`, `"origin"`), times in
//!   milliseconds. `examples/snapshot.rs` in the repository hands a snapshot to JavaScript.
//! - `tracing` (off by default): the module `traced`, which wraps any manager so that each lock has a span:
//!   asked, granted after, held for, by whom, lost. It also warns of deadlocks.
//!
//! # Where to read on
//!
//! [`LockManager`] and [`LockGuard`] are the contract, [`LockKey`] the rules for
//! names, [`LockError`] what can go wrong. In the repository, `docs/migrating.md` is for
//! those who come from other locks, and `docs/parity.md` has the names of the npm package
//! beside those of this crate.
//!
//! In the sources, `src/core` has the rules that Rust and JavaScript share. They are plain state
//! machines: numbers go in, effects come out. `src/web_locks` connects them with Rust
//! applications, and `js` with JavaScript: `js/crate` compiles the same rules into the
//! WebAssembly of the npm package, and `js/src` turns their effects into promises. The keyed
//! locks of one process are built on a lock table, another plain state machine, in
//! `src/table.rs`.

extern crate alloc;

#[cfg(feature = "conformance")]
pub mod conformance;
mod core;
#[cfg(any(unix, windows))]
mod datadir_lock;
#[cfg(any(
    all(any(test, crosslock_fuzz), not(any(loom, target_family = "wasm"))),
    all(target_family = "wasm", target_os = "unknown")
))]
mod driver;
#[cfg(all(feature = "__edge", any(unix, windows)))]
#[doc(hidden)]
pub mod edge;
mod error;
mod fencing;
// For `tests/fuzz`, which compiles these sources as a crate of its own.
#[cfg(crosslock_fuzz)]
#[path = "../tests/fuzz/src/targets.rs"]
pub mod fuzz;
mod guard;
mod hash;
mod key;
mod manager;
pub mod memory;
#[cfg(unix)]
pub mod pid_fcntl;
#[cfg(any(windows, all(unix, not(target_os = "ios"))))]
pub mod pid_flock;
mod platform;
#[cfg(all(
    feature = "postgres",
    not(all(target_family = "wasm", target_os = "unknown"))
))]
pub mod postgres;
mod scope;
#[cfg(feature = "serde")]
mod serialize;
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
))]
pub mod shared_datadir;
mod snapshot;
mod sync;
mod table;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod tasks;
mod time;
#[cfg(feature = "tracing")]
pub mod traced;
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub mod web_locks;

#[cfg(any(unix, windows))]
pub use datadir_lock::DatadirOptions;
pub use error::{Contention, LockError, PidLockError};
pub use fencing::FencingToken;
pub use guard::{LockGuard, LockMode};
pub use key::{InvalidKey, KeyRule, LockKey};
pub use manager::{AcquireOptions, LockManager};
pub use platform::{PlatformError, PlatformOptions, platform_default, platform_default_with};
pub use scope::LockScope;
pub use snapshot::{LockInfo, LockSnapshot, Wait};

/// Compiles and runs the Rust examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Compiles what is Rust in the page for those who come from other locks.
#[cfg(doctest)]
#[doc = include_str!("../docs/migrating.md")]
struct Migrating;

/// Runs the recipes that are in Rust. Both are about several processes on one datadir.
#[cfg(all(
    doctest,
    any(target_os = "linux", target_os = "android", target_vendor = "apple")
))]
mod recipes {
    #[doc = include_str!("../docs/recipes/daemon-and-cli.md")]
    struct DaemonAndCli;
    #[doc = include_str!("../docs/recipes/run-once.md")]
    struct RunOnce;
}
