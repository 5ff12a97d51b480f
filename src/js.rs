//! What JavaScript sees of the crate: the functions that the TypeScript layer in
//! `js/` builds the npm package on. They only translate; whatever they decide,
//! Rust users would miss.
//!
//! To cross over costs as much as a lock, so what crosses is numbers: those of the
//! [tasks](crate::tasks) that wait and of the [guards] that are held. Results go to an
//! [`Answer`](answer::Answer), the two functions of a promise that TypeScript made.

#![expect(unreachable_pub, reason = "wasm-bindgen exports nothing less")]

mod answer;
mod guards;
mod manager;
mod values;
