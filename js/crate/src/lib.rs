//! The WebAssembly module of the npm package. Its exports stand in crosslock's
//! `src/js`, behind the feature `js`; this crate only has them linked.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
extern crate crosslock as _;
