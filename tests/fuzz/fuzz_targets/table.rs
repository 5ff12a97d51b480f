#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| crosslock_fuzz::fuzz::run("table", data));
