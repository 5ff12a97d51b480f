//! The native half, side by side with its peers: `cargo bench`.
//!
//! The peers are dependencies on one platform alone, so that the checks for all the
//! others need not compile them.

#[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
mod harness;
#[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
mod peers;
#[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
mod scenes;

fn main() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(loom)))]
    scenes::run();
}
