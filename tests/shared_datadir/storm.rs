//! SIGKILL, thousands of times over: no two holders, no lost wake-up, no stuck key.

use std::time::Duration;

use crate::folder;
use crate::process::{self, Forked, must_pass, shared_memory};
use crate::witness::{Witness, work};

#[test]
fn killed_at_any_moment() {
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
