//! Programs of this platform, as they are started here: under an emulator if the tests are.

use std::path::Path;
use std::process::Command;

/// The command to which a program and its arguments are added, in words between blanks. `tools/setup.mjs`
/// sets it, since cargo tells the tests nothing of its runner. Wine needs none.
const RUNNER: &str = "CROSSLOCK_TEST_RUNNER";

/// Whether something between the tests and the kernel passes the system calls on.
pub(crate) fn is_emulated() -> bool {
    std::env::var_os(RUNNER).is_some()
}

/// Starts `program`.
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    command_under(&[], program)
}

/// Starts `program` by one of the machine that itself starts another one, such as `unshare`.
pub(crate) fn command_under(wrapper: &[&str], program: impl AsRef<Path>) -> Command {
    let runner = std::env::var(RUNNER).unwrap_or_default();
    let mut words = wrapper.iter().copied().chain(runner.split_whitespace());
    let program = program.as_ref();
    match words.next() {
        None => Command::new(program),
        Some(first) => {
            let mut command = Command::new(first);
            command.args(words).arg(program);
            command
        }
    }
}
