//! SIGKILL, thousands of times over: no two holders, no lost wake-up, no stuck key.

use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use crate::folder;
use crate::process::{self, Forked, must_pass, shared_memory};
use crate::witness::{PROCESSES, Random, Witness, kills, work};

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
    let kills = kills();
    let witness: &'static Witness = shared_memory();
    let mut number = 0;
    let mut start = |process: usize| {
        number += 1;
        Forked::start(|| work(&datadir, process, number, witness))
    };
    let mut processes: Vec<Option<Forked>> =
        (0..PROCESSES).map(|process| Some(start(process))).collect();
    let mut random = Random(1);
    let began = Instant::now();
    for _ in 0..kills {
        // No event says when it is a good moment: any moment is.
        std::thread::sleep(Duration::from_micros(500 + random.below(3000)));
        let victim = random.below(PROCESSES as u64) as usize;
        let process = processes[victim].take().expect("it runs");
        witness.dying[victim].store(1, SeqCst);
        process.kill();
        witness.bury(victim);
        processes[victim] = Some(start(victim));
    }
    let took = began.elapsed();
    witness.over.store(1, SeqCst);
    processes.into_iter().flatten().for_each(Forked::finish);

    witness.must_have_seen_none(&datadir, kills, took);
}
