//! The lock on a datadir: what [`pid_flock`](crate::pid_flock) and
//! [`pid_fcntl`](crate::pid_fcntl) share, which is everything but the primitive.
//!
//! `<datadir>/LOCK` is locked by the kernel for as long as a manager or one of its
//! guards lives. The kernel's lock is the only authority; the process id in the
//! file is there for people. Keys are locked in memory, in a table of the datadir's
//! own, so two datadirs in one process do not contend on equal keys.
//!
//! - [`file`] opens `LOCK`, locks it, and makes sure that the two belong together.
//! - [`record`] is what stands in it.
//! - [`datadir`] joins the locked file and the lock table, and watches over both.
//! - [`failure`] puts into words why a datadir could not be opened.
//! - [`kernel`] has the primitives, one file for each platform.

pub(crate) mod datadir;
mod failure;
mod file;
mod kernel;
mod record;

pub(crate) use kernel::Primitive;
