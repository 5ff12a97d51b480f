//! Commands that the holder spawns do not keep the datadir.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::child::{self, Answer, Process, open_elsewhere, task, tell, wait_for_parent};
use crate::folder;
use crate::managers::{Kind, with_each_manager};

with_each_manager! {
    a_child_that_outlives_the_holder_holds_nothing
    opening_again_while_commands_are_spawned
}

fn a_child_that_outlives_the_holder_holds_nothing(kind: Kind) {
    let folder = folder::new();
    let mut holder = Process::start(child::command(HOLDER, kind, folder.path()));
    assert_eq!(holder.hear().as_deref(), Some("opened"));
    // The grandchild has inherited our pipes.
    assert_eq!(holder.hear().as_deref(), Some("the grandchild lives"));
    let id = holder.id();
    assert_eq!(open_elsewhere(kind, folder.path()), Answer::Held(Some(id)));

    let (input, mut output) = holder.kill();
    assert_eq!(open_elsewhere(kind, folder.path()), Answer::Opened);
    drop(input);
    let last = child::hear(&mut output);
    assert_eq!(last.as_deref(), Some("the grandchild lived until now"));
    // Its test runner has more to say, and fails where nobody listens.
    assert_eq!(child::hear(&mut output), None);
}

const HOLDER: &str = "spawning::holder_with_a_child";
const GRANDCHILD: &str = "spawning::grandchild";

#[test]
#[ignore = "a child process of the other tests"]
fn holder_with_a_child() {
    let Some((kind, datadir)) = task() else {
        return;
    };
    let _manager = kind.open(&datadir).unwrap();
    tell("opened");
    let mut command = child::command(GRANDCHILD, kind, &datadir);
    let mut grandchild = command.spawn().unwrap();
    grandchild.wait().unwrap();
}

#[test]
#[ignore = "a child process of the other tests"]
fn grandchild() {
    if task().is_none() {
        return;
    }
    tell("the grandchild lives");
    wait_for_parent();
    tell("the grandchild lived until now");
}

/// Between fork and exec a child has the descriptor too, so a bare close would leave
/// the datadir locked now and then.
fn opening_again_while_commands_are_spawned(kind: Kind) {
    // Wine takes a tenth of a second to start a process.
    let (rounds, spawners) = if cfg!(windows) { (500, 1) } else { (5000, 2) };
    let folder = folder::new();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..spawners {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    // Where it fails, the fork has been made all the same.
                    let mut command = Command::new("true");
                    // With something to do before the exec, the standard library forks.
                    let _ = forked(&mut command).stdin(Stdio::null()).status();
                }
            });
        }
        let opened = (0..rounds).try_for_each(|_| kind.open(folder.path()).map(drop));
        over.store(true, Ordering::Relaxed);
        opened.unwrap();
    });
}

/// `posix_spawn` keeps other threads out of that gap on most systems; a real fork
/// does not.
#[cfg(unix)]
fn forked(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt;
    // SAFETY: the closure does nothing, so nothing that is not allowed after a fork.
    unsafe { command.pre_exec(|| Ok(())) }
}

#[cfg(windows)]
fn forked(command: &mut Command) -> &mut Command {
    command
}
