//! The native half of the npm package: locks of the process and of datadirs, for JavaScript.
//!
//! JavaScript keeps the waits, their timers and the guards, as it does for the WebAssembly of
//! pages; `js/src/node` has what calls this. Here are numbers for what it asks for, and what
//! wakes it when another thread has freed a lock. So every call is answered within the call, and
//! nothing here waits.
//!
//! - [`exports`] has what JavaScript calls, and [`calls`] what it calls for every lock.
//! - [`thread`] keeps what the JavaScript of one thread has asked for.
//! - [`function`] calls the thread that waits for a grant, from whichever thread that comes.
//! - [`opening`] opens a datadir without blocking the thread that asked.
//! - [`copies`] sees to it that one copy of the addon has the locks of the process.
//! - [`client`] is one copy of the package in one thread, and frees what it has when its
//!   environment ends.

mod calls;
mod client;
pub mod copies;
pub mod datadirs;
pub mod exports;
mod function;
mod opening;
mod thread;
