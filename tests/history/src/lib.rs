//! A checker of histories: clients of any backend log what they asked for and what they got,
//! each with a monotonic clock that all of them share, and [`check`] decides afterwards whether
//! the contract of `LockManager` was kept.
//!
//! A client sees a lock from outside. It reads the clock before it asks and after it is
//! answered, so the history knows of each lock a time in which it was *certainly* held (from
//! the answer to the moment before the release) and one in which it was *possibly* held (from
//! the question to the moment after the release). Every check uses that one of the two which
//! cannot blame a backend that did right. What is reported is therefore a fault, and needs no
//! ceiling for a slow machine; the two checks that do have one say so.
//!
//! - [`event`] is what clients log, in memory or as lines of JSON;
//! - [`operation`] puts the events of each request together;
//! - [`check`] has the checks, one file each;
//! - `workload` makes histories of any `LockManager`, by a seed.

pub mod check;
pub mod event;
pub mod operation;

#[cfg(target_os = "linux")]
pub mod recorder;
#[cfg(target_os = "linux")]
pub mod requests;
#[cfg(target_os = "linux")]
pub mod workload;

pub use check::{Contract, Order, Violation, check};
pub use event::{Event, How, Mode, What};
pub use operation::{History, Malformed, Operation};
