//! Keys that exclude each other between processes on one datadir: real processes, real files.
//!
//! Two managers in one process have two open files, so for the kernel they are as foreign to each
//! other as two processes. Where death, signals and forks do not matter, tests use that.
#![cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
))]

#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "it is shared with tests/datadir")]
#[path = "../support/filter.rs"]
mod filter;
#[path = "../support/folder.rs"]
mod folder;
#[cfg(unix)]
mod process;
#[cfg(unix)]
#[allow(dead_code, reason = "no test program uses all of it")]
#[path = "../support/runner.rs"]
mod runner;

mod between;
#[cfg(target_os = "linux")]
mod bytes;
mod collisions;
#[cfg(target_os = "linux")]
mod failures;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(unix)]
mod loss;
mod query;
mod readers;
mod refusal;
mod runtime;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod storm;
mod wakes;
#[cfg(windows)]
mod windows;
mod witness;
