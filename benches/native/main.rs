//! The native half, side by side with its peers: `cargo bench`, or for some of the
//! [scenes] `cargo bench -- one hand-off`.
//!
//! The peers are dependencies on one platform alone, so that the checks for all the
//! others need not compile them.

#[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
mod harness;
#[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
mod peers;
#[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
mod scenes;
#[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
mod work;

fn main() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
    scenes::run();
}
