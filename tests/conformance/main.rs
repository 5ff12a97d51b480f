//! Every backend keeps the same promises: those of [`crosslock::conformance`], run against each
//! line of [`backends`].

mod backends;
#[cfg(not(target_family = "wasm"))]
#[path = "../support/folder.rs"]
mod folder;
