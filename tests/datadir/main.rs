//! Datadir locks under what happens to a datadir: real processes, real files.
#![cfg(not(target_family = "wasm"))]

mod child;
#[path = "../support/folder.rs"]
mod folder;
mod managers;
#[allow(dead_code, reason = "no test program uses all of it")]
#[path = "../support/runner.rs"]
mod runner;

mod contents;
mod death;
mod options;
mod refusal;
mod setup;
mod spawning;
mod waiting;

#[cfg(target_os = "linux")]
#[path = "../support/filter.rs"]
mod filter;
#[cfg(unix)]
mod fork;
#[cfg(target_os = "linux")]
mod intercept;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(unix)]
mod loss;
#[cfg(target_os = "linux")]
mod server;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
