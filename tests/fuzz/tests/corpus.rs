//! All that cargo-fuzz has found worth keeping, and some bytes at random, on stable Rust.

use std::fs;
use std::path::Path;

use crosslock_fuzz::fuzz::TARGETS;

/// How many inputs at random each target is given beside the corpus.
/// `CROSSLOCK_FUZZ_INPUTS` says otherwise.
const AT_RANDOM: u64 = 100;

#[test]
fn nothing_breaks_a_promise() {
    let at_random = std::env::var("CROSSLOCK_FUZZ_INPUTS").map_or(AT_RANDOM, |number| {
        number.parse().expect("CROSSLOCK_FUZZ_INPUTS is a number")
    });
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(name);
        let files =
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<_> = files
            .map(|file| file.expect("it is listed").path())
            .collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} has no corpus", folder.display());
        for path in &paths {
            eprintln!("{}", path.display());
            target(&fs::read(path).expect("it is a file"));
        }
        for seed in 0..at_random {
            eprintln!("{name}, bytes of seed {seed}");
            target(&bytes(seed));
        }
    }
}

/// A target that cargo-fuzz does not know is never fuzzed, and one that is not here is not tested.
#[test]
fn cargo_fuzz_has_the_same_targets() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
    let files = fs::read_dir(folder).expect("it is a folder");
    let mut programs: Vec<String> = files
        .map(|file| file.expect("it is listed").path())
        .map(|path| {
            path.file_stem()
                .expect("it has a name")
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    programs.sort();
    let mut targets = TARGETS.map(|(name, _)| name);
    targets.sort_unstable();
    assert_eq!(programs, targets);
}

/// Up to 4,096 bytes, by splitmix64.
fn bytes(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let length = next() % 513;
    (0..length).flat_map(|_| next().to_le_bytes()).collect()
}
