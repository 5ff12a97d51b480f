//! Child processes: this test program, started again with one of its tests, which
//! then does what the environment says.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crosslock::PidLockError;

use crate::managers::Kind;
use crate::runner;

const KIND: &str = "CROSSLOCK_TEST_KIND";
const DATADIR: &str = "CROSSLOCK_TEST_DATADIR";

/// What a child says starts with this: the test runner writes to the same pipe.
const MARK: &str = "child: ";

/// Says something to the parent.
pub(crate) fn tell(message: impl std::fmt::Display) {
    println!("\n{MARK}{message}");
}

/// What the parent wants of this process; `None` if it is not a child.
pub(crate) fn task() -> Option<(Kind, std::path::PathBuf)> {
    let kind = std::env::var(KIND).ok()?;
    let datadir = std::env::var_os(DATADIR)?;
    Some((Kind::named(&kind), datadir.into()))
}

/// Waits until the parent ends the conversation, or itself.
pub(crate) fn wait_for_parent() {
    let mut nothing = String::new();
    // End of file is an answer too.
    let _ = std::io::stdin().read_line(&mut nothing);
}

/// A command that runs `test`, given by its full name, in another process.
pub(crate) fn command(test: &str, kind: Kind, datadir: &Path) -> Command {
    let mut command = runner::command(this_program());
    run_as_child(&mut command, test, kind, datadir);
    command
}

/// The same, under a program such as `unshare` that starts another one. `None` if
/// that program does not work on this machine.
#[cfg(target_os = "linux")]
pub(crate) fn command_under(
    wrapper: &[&str],
    test: &str,
    kind: Kind,
    datadir: &Path,
) -> Option<Command> {
    let works = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg("true")
        .output();
    if !works.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "left out, for `{}` is not to be had here",
            wrapper.join(" ")
        );
        return None;
    }
    let mut command = runner::command_under(wrapper, this_program());
    run_as_child(&mut command, test, kind, datadir);
    Some(command)
}

fn this_program() -> PathBuf {
    std::env::current_exe().expect("it has a path")
}

fn run_as_child(command: &mut Command, test: &str, kind: Kind, datadir: &Path) {
    command
        .args([test, "--exact", "--include-ignored", "--nocapture"])
        .env(KIND, kind.name())
        .env(DATADIR, datadir);
}

/// Runs `command` and panics unless its test passes.
#[cfg(unix)]
pub(crate) fn must_pass(mut command: Command) {
    let output = command.output().expect("the child starts");
    let shown = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    // A name that is misspelled runs no test, and passes.
    let passed = output.status.success() && shown.contains("1 passed");
    assert!(passed, "the child failed: {shown}\n{errors}");
}

/// A process with which this one talks. Dropping it kills the process.
pub(crate) struct Process {
    child: Mortal,
    input: ChildStdin,
    output: Output,
}

pub(crate) type Output = Lines<BufReader<ChildStdout>>;

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("the child starts");
        let input = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        Self {
            child: Mortal(child),
            input,
            output: BufReader::new(output).lines(),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// What the child says next; `None` once it has said everything.
    pub(crate) fn hear(&mut self) -> Option<String> {
        hear(&mut self.output)
    }

    /// SIGKILL, or what comes nearest. Returns once the process is gone, with both
    /// ends of the conversation: another process may have inherited the others.
    pub(crate) fn kill(self) -> (ChildStdin, Output) {
        drop(self.child);
        (self.input, self.output)
    }

    /// What kills the process when it is dropped, and what the process says, for
    /// another thread to hear.
    pub(crate) fn split(self) -> (impl Sized, Output) {
        ((self.child, self.input), self.output)
    }

    /// Lets the child come to its end.
    pub(crate) fn finish(mut self) {
        drop(self.input);
        // Else it might wait for room in the pipe.
        for line in self.output {
            drop(line);
        }
        let status = self.child.0.wait().expect("the child can be waited for");
        assert!(status.success(), "the child ended with {status}");
    }
}

pub(crate) fn hear(output: &mut Output) -> Option<String> {
    output.find_map(|line| {
        let line = line.expect("the child speaks UTF-8");
        line.strip_prefix(MARK).map(str::to_owned)
    })
}

/// A process that does not outlive the test that started it.
struct Mortal(Child);

impl Drop for Mortal {
    fn drop(&mut self) {
        // It may have come to its end before, and been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What another process met with when it opened a datadir.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Opened,
    Held(Option<u32>),
    Failed(String),
}

impl Answer {
    fn parse(answer: &str) -> Self {
        let (word, rest) = answer.split_once(' ').unwrap_or((answer, ""));
        match word {
            "opened" => Self::Opened,
            "held" => Self::Held(rest.parse().ok()),
            _ => Self::Failed(answer.to_owned()),
        }
    }
}

/// Another process that has a datadir open.
pub(crate) fn holder(kind: Kind, datadir: impl AsRef<Path>) -> Process {
    holder_by(command(OPEN, kind, datadir.as_ref()))
}

pub(crate) fn holder_by(command: Command) -> Process {
    let mut process = Process::start(command);
    let answer = process.hear();
    assert_eq!(answer.as_deref(), Some("opened"));
    process
}

/// Has another process open a datadir, and close it again if it could.
pub(crate) fn open_elsewhere(kind: Kind, datadir: impl AsRef<OsStr>) -> Answer {
    open_by(command(OPEN, kind, Path::new(&datadir)))
}

pub(crate) fn open_by(command: Command) -> Answer {
    let mut process = Process::start(command);
    let answer = process.hear().expect("it says how it went");
    process.finish();
    Answer::parse(&answer)
}

pub(crate) const OPEN: &str = "child::open";

/// Opens a datadir, says how that went, and holds it for as long as the parent likes.
#[test]
#[ignore = "a child process of the other tests"]
pub(crate) fn open() {
    let Some((kind, datadir)) = task() else {
        return;
    };
    match kind.open(datadir) {
        Ok(_manager) => {
            tell("opened");
            wait_for_parent();
        }
        Err(PidLockError::AlreadyHeld { pid: Some(pid), .. }) => tell(format!("held {pid}")),
        Err(PidLockError::AlreadyHeld { .. }) => tell("held by nobody known"),
        Err(error) => tell(format!("{:#}", anyhow::Error::new(error))),
    }
}
