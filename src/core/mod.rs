//! The rules, as plain state machines: what becomes of a request, whoever asks and
//! whoever grants. Numbers go in, effects come out. Nothing here waits, calls back,
//! reads a clock or keeps text, so everything can be played by a simulation.
//!
//! An edge carries the effects out. There are two: `src/web_locks` for Rust, with
//! futures and wakers, and `js` for JavaScript, with promises. The second compiles
//! these files into a WebAssembly module of its own (`js/crate`), which has neither the
//! standard library nor a formatter: so they use `core`, `alloc` and `slab` alone.

#[cfg(any(
    test,
    crosslock_fuzz,
    all(target_family = "wasm", target_os = "unknown")
))]
#[allow(dead_code, reason = "each of the two edges uses what it needs")]
pub(crate) mod handoff;
mod key_rules;
pub(crate) mod list;
mod mode;

pub(crate) use key_rules::{BrokenRule, MAX_KEY_LEN, broken_rule};
pub use mode::LockMode;
