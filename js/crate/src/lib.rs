//! The WebAssembly module of the npm package: the rules, and [exports] through which
//! `js/src` talks to them in numbers.
//!
//! The rules are compiled from the very files of the crate, and not taken from the crate
//! itself, because that has the standard library in it: with it come a formatter, panics
//! that use it, and an allocator for programs. Here, what must not happen traps.

#![no_std]
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

extern crate alloc;

#[path = "../../../src/core/mod.rs"]
mod core;
mod exports;

use lol_alloc::{AssumeSingleThreaded, FreeListAllocator};

// SAFETY: this module has no threads: each page, worker and thread loads one of its own,
// with a memory of its own.
#[global_allocator]
static ALLOCATOR: AssumeSingleThreaded<FreeListAllocator> =
    unsafe { AssumeSingleThreaded::new(FreeListAllocator::new()) };

#[panic_handler]
fn panic(_: &::core::panic::PanicInfo<'_>) -> ! {
    ::core::arch::wasm32::unreachable()
}
