//! SIGKILL, thousands of times over: no two holders, no lost wake-up, no stuck key.

use std::time::Duration;

use crate::folder;
use crate::process::{self, Forked, must_pass, shared_memory};
use crate::runner;
use crate::witness::{Witness, work};

#[test]
fn killed_at_any_moment() {
    if runner::is_emulated() {
        // Each process is translated anew, which takes longer than it lives here: 40 grants beside 50 kills. With
        // longer pauses some waited for longer than `STUCK`, on a busy machine. (CONTRIBUTING.md has what is known.)
        eprintln!("left out: under an emulator processes are killed before they lock anything");
        return;
    }
    let folder = folder::new();
    must_pass("storm::master", folder.path());
}

#[test]
#[ignore = "a child process of the other tests"]
fn master() {
    let Some(datadir) = process::datadir() else {
        return;
    };
    let witness: &'static Witness = shared_memory();
    witness.storm(
        &datadir,
        |random| Duration::from_micros(500 + random.below(3000)),
        |process, number| Forked::start(|| work(&datadir, process, number, witness)),
        Forked::kill,
        Forked::finish,
    );
}
