//! Every backend keeps the same promises: those of [`crosslock::conformance`], run against each
//! line of [`backends`].

mod backends;
#[cfg(all(feature = "postgres", unix))]
#[path = "../support/cluster.rs"]
#[allow(dead_code, unreachable_pub, reason = "other tests do more with it")]
mod cluster;
#[cfg(not(target_family = "wasm"))]
#[path = "../support/folder.rs"]
mod folder;
