#![doc = "x"]
#![no_std]
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

extern crate alloc;

#[path = "../../../src/core/mod.rs"]
#[allow(dead_code)]
mod core;
mod exports;

use lol_alloc::{AssumeSingleThreaded, FreeListAllocator};

// SAFETY: this module has one thread.
#[global_allocator]
static ALLOCATOR: AssumeSingleThreaded<FreeListAllocator> =
    unsafe { AssumeSingleThreaded::new(FreeListAllocator::new()) };

#[panic_handler]
fn panic(_: &::core::panic::PanicInfo<'_>) -> ! {
    ::core::arch::wasm32::unreachable()
}
