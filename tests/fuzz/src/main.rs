//! What cargo-fuzz runs. `CROSSLOCK_FUZZ_TARGET` names the target: see `crosslock_fuzz::fuzz::TARGETS`.
#![no_main]

use std::sync::OnceLock;

use crosslock_fuzz::fuzz::{Target, target};
use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<Target> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let run = TARGET.get_or_init(|| {
        let name = std::env::var("CROSSLOCK_FUZZ_TARGET").expect("CROSSLOCK_FUZZ_TARGET is set");
        target(&name).expect("CROSSLOCK_FUZZ_TARGET names a target")
    });
    run(data);
});
