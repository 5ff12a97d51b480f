//! What JavaScript sees of the crate: the classes that the TypeScript layer in
//! `js/` builds the npm package on. They only translate; whatever they decide,
//! Rust users would miss.
//!
//! Everything fallible returns a promise. A promise is rejected with the reason of
//! the caller's `AbortSignal` or with a [`Failure`](values::Failure).

mod abort;
mod guard;
mod manager;
mod values;
