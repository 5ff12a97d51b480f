//! The targets: each takes arbitrary bytes, and panics where a promise is broken.

#![allow(missing_docs)]

use std::sync::LazyLock;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::core::handoff::model_tests as handoff;
use crate::datadir_lock::parsers;
use crate::key::LockKey;
use crate::table::model_tests as table;

#[path = "npm.rs"]
mod npm;

pub type Target = fn(&[u8]);

/// By their names, which are those of the folders of the corpus, too.
pub const TARGETS: [(&str, Target); 7] = [
    ("keys", keys),
    ("holder-pid", parsers::holder_pid),
    ("proc-locks", parsers::proc_locks),
    ("table", |data| {
        table::agrees_with_the_model(each(&table::step(), data));
    }),
    ("handoff", |data| {
        let (&first, data) = data.split_first().unwrap_or((&0, data));
        let tabs = 1 + usize::from(first % 3);
        let steps = each(&handoff::step(tabs), data);
        handoff::keeps_its_promises_in_browsers((tabs, steps, first & 0x80 != 0));
    }),
    ("handoff-node", |data| {
        let (&first, data) = data.split_first().unwrap_or((&0, data));
        let steps = each(&handoff::step_of_node(), data);
        handoff::keeps_its_promises_in_node((steps, first & 0x80 != 0));
    }),
    ("npm", npm::calls_and_answers),
];

/// For a target of cargo-fuzz, which is a program of its own.
pub fn run(name: &str, data: &[u8]) {
    let (_, target) = TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .expect("there is a target of this name");
    target(data);
}

/// The bytes of one step, which are the seed that it is drawn from. What follows from them is the same wherever the
/// step stands, so a fuzzer can move steps, leave them out and repeat them. Two, as few as have enough different steps:
/// where a fuzzer puts in a byte or leaves one away, all that follow begin elsewhere.
const STEP: usize = 2;

/// As many steps as a property test has at most.
const STEPS: usize = 150;

/// Steps of a strategy: the models are driven by the very steps that the property tests have. (Not by
/// `RngAlgorithm::PassThrough`: what picks among others gives half of what bytes are left away, and one who draws
/// from a range draws for ever from the zeros behind the last.)
fn each<S: Strategy>(strategy: &S, data: &[u8]) -> Vec<S::Value> {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| Config {
        failure_persistence: None,
        ..Config::default()
    });
    let draw = |bytes: &[u8]| {
        let mut seed = [0; 32];
        seed[..bytes.len()].copy_from_slice(bytes);
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(CONFIG.clone(), random);
        Some(strategy.new_tree(&mut runner).ok()?.current())
    };
    data.chunks(STEP).take(STEPS).filter_map(draw).collect()
}

/// A key is taken if it keeps the rules as the README has them, and refused by an error that shows
/// a bounded part of it, on one line. The npm package's wasm says the same.
fn keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let is_letter_or_digit = |byte: &u8| matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9');
    let bytes = text.as_bytes();
    let is_fine = (1..=200).contains(&bytes.len())
        && bytes
            .iter()
            .all(|byte| is_letter_or_digit(byte) || b"-_.".contains(byte))
        && [bytes.first(), bytes.last()]
            .iter()
            .all(|end| end.is_some_and(is_letter_or_digit));
    let (broken, place) = npm::broken_rule(data);
    assert_eq!(broken == 0, is_fine, "{text:?} breaks rule {broken}");
    if broken == 3 {
        let is_allowed = |byte: &u8| is_letter_or_digit(byte) || b"-_.".contains(byte);
        assert_eq!(data.iter().position(|byte| !is_allowed(byte)), Some(place));
    }
    match LockKey::new(&text) {
        Ok(key) => {
            assert!(is_fine, "{text:?} was taken");
            assert_eq!(key.as_str(), text);
            assert_eq!(
                key,
                LockKey::new(key.as_str()).expect("it was taken before")
            );
        }
        Err(refused) => {
            assert!(!is_fine, "{refused}");
            let message = refused.to_string();
            // Up to 64 characters of the key, each of which may be shown by ten, and why.
            assert!(message.len() < 850, "{} bytes", message.len());
            assert!(!message.chars().any(char::is_control), "{message:?}");
        }
    }
}
