//! Every backend keeps the same promises: the functions of [`suite`], run against
//! each line of [`backends`].

mod backends;
#[cfg(not(target_family = "wasm"))]
#[path = "../support/folder.rs"]
mod folder;
mod suite;
