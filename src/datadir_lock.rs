//! The lock on a datadir: what [`pid_flock`](crate::pid_flock) and
//! [`pid_fcntl`](crate::pid_fcntl) share, which is all but the primitive.
//!
//! The kernel locks `<datadir>/LOCK` for as long as a manager or one of its guards
//! lives. That lock is the only authority; the process id (PID) in the file is there
//! for people. Keys are locked in memory, in a table of the datadir's own, so two
//! datadirs in one process do not contend on equal keys.
//!
//! - [`file`](mod@file) opens `LOCK`, locks it, and makes sure that the path still leads to it.
//! - [`holder_pid`] reads and writes the PID in it.
//! - [`datadir`] joins the locked file and the lock table, and notices when the lock is lost.
//! - [`failure`] explains why a datadir could not be opened.
//! - [`options`] has what a caller can tell about all that.
//! - [`kernel`] has the system calls, one file for each platform.

pub(crate) mod datadir;
pub(crate) mod failure;
mod file;
mod holder_pid;
pub(crate) mod kernel;
mod options;
#[cfg(crosslock_fuzz)]
#[path = "../tests/fuzz/src/parsers.rs"]
pub(crate) mod parsers;

pub(crate) use kernel::Primitive;
pub use options::DatadirOptions;

/// The name of the lock file in a datadir, unless the application gives another.
pub(crate) const LOCK_FILE: &str = "LOCK";
