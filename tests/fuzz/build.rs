fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Not `fuzzing`, which cargo-fuzz sets for all crates: those who fuzz a program of their own compile the published
    // crate with that, which has neither this folder nor proptest.
    println!("cargo::rustc-check-cfg=cfg(crosslock_fuzz)");
    println!("cargo::rustc-cfg=crosslock_fuzz");
}
