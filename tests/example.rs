//! `examples/wallet.rs`, run as the program that it is.
#![cfg(not(target_family = "wasm"))]

use std::collections::HashSet;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;

#[path = "support/folder.rs"]
mod folder;
#[allow(dead_code, reason = "no test program uses all of it")]
#[path = "support/runner.rs"]
mod runner;

// As the example documents them.
const HELD: i32 = 75;
const SETUP_FAILED: i32 = 78;
const WRONG_ARGUMENTS: i32 = 64;
#[cfg(unix)]
const ANYTHING_ELSE: i32 = 1;

/// Longer than a wallet takes to end.
#[cfg(unix)]
const LONG: std::time::Duration = std::time::Duration::from_secs(60);

/// The path of the program, which is built first: `cargo test` has done so already,
/// but `cargo test --test example` builds no examples, and one that is left over may
/// be an old one.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // This is <target folder>/[<target>/]<profile>/deps/example-<hash>.
        let this = std::env::current_exe().expect("this program has a path");
        let profile = this.ancestors().nth(2).expect("cargo put it in its folder");
        build(profile);
        let program = profile.join(format!("examples/wallet{EXE_SUFFIX}"));
        assert!(
            program.is_file(),
            "there is no {}: cargo cannot be run from here, so run it before \
             (`cargo build --example wallet`, with the same options)",
            program.display()
        );
        program
    })
}

/// Has cargo build it for the same target and profile as this, if this system has that
/// cargo. Wine and phones have not: a path from Unix is not absolute on Windows.
fn build(profile: &Path) {
    let cargo = Path::new(env!("CARGO"));
    if !cargo.is_absolute() || !cargo.is_file() {
        return;
    }
    let mut command = Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command.args(["build", "--quiet", "--example", "wallet", "--profile"]);
    command.arg(match name(profile) {
        "debug" => "dev",
        other => other,
    });
    let mut target_folder = profile.parent().expect("it is in a target folder");
    let architecture = match std::env::consts::ARCH {
        "x86" => "i686",
        other => other,
    };
    if name(target_folder).starts_with(architecture) {
        command.arg("--target").arg(name(target_folder));
        target_folder = target_folder.parent().expect("targets share a folder");
    }
    command.arg("--target-dir").arg(target_folder);
    let status = command.status().expect("cargo starts");
    assert!(status.success(), "the example does not build: {status}");
}

fn name(folder: &Path) -> &str {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.expect("cargo named it")
}

/// A wallet that is open and waits for jobs.
struct Wallet {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Wallet {
    fn open(datadir: &Path) -> Self {
        Self::start(runner::command(program()).arg(datadir))
    }

    fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = piped.spawn().expect("the wallet starts");
        let input = process.stdin.take().expect("it is piped");
        let output = process.stdout.take().expect("it is piped");
        let mut wallet = Self {
            process,
            input,
            output: BufReader::new(output).lines(),
        };
        let expected = format!("ready: process {} has", wallet.process.id());
        let ready = wallet.hear().expect("it says that it is open");
        assert!(ready.starts_with(&expected), "{ready}");
        wallet
    }

    /// Gives it many jobs at once.
    fn tell(&mut self, jobs: &[String]) {
        let lines: String = jobs.iter().map(|job| format!("{job}\n")).collect();
        let written = self.input.write_all(lines.as_bytes());
        written.expect("it takes jobs");
    }

    /// What it says next; `None` once it has said everything.
    fn hear(&mut self) -> Option<String> {
        let line = self.output.next()?;
        Some(line.expect("it speaks UTF-8"))
    }

    /// The answers to many jobs that it does at once.
    fn ask(&mut self, jobs: &[String]) -> Vec<String> {
        self.tell(jobs);
        let answers = jobs.iter().map(|_| self.hear().expect("it answers"));
        answers.collect()
    }

    fn balance(&mut self) -> String {
        let answers = self.ask(&["balance".into()]);
        let [answer] = &answers[..] else {
            panic!("{answers:?}");
        };
        answer.strip_prefix("balance: ").expect(answer).to_owned()
    }

    /// Returns how it ended, and what it had still to say.
    fn finish(mut self) -> (ExitStatus, Vec<String>) {
        drop(self.input);
        let rest = self.output.map(|line| line.expect("it speaks UTF-8"));
        let rest = rest.collect();
        (self.process.wait().expect("it ends"), rest)
    }

    /// SIGKILL, or what comes nearest. Returns what it had said before.
    fn kill(mut self) -> Vec<String> {
        self.process.kill().expect("it can be killed");
        self.finish().1
    }
}

/// Runs a wallet that is expected not to open.
fn refused(arguments: &[&Path]) -> Output {
    let mut command = runner::command(program());
    let output = command.args(arguments).stdin(Stdio::null()).output();
    let output = output.expect("the wallet starts");
    assert!(output.stdout.is_empty(), "{output:?}");
    output
}

/// What it said to the user.
fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// `count` jobs, made of their number.
fn jobs(count: u64, job: impl Fn(u64) -> String) -> Vec<String> {
    (0..count).map(job).collect()
}

/// A daemon that shares its datadir works on many jobs while a CLI sends payments of its own.
/// None is sent twice and no change of a balance is lost, whichever of them makes it.
#[test]
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    windows
))]
fn a_command_works_beside_its_daemon() {
    let folder = folder::new();
    let share = |job: &[&str]| {
        let mut command = runner::command(program());
        command.arg("--share").arg(folder.path()).args(job);
        command
    };
    let mut daemon = Wallet::start(&mut share(&[]));
    daemon.ask(&["receive 1000".into()]);

    daemon.tell(&jobs(20, |id| format!("send {id} 1")));
    let commands: Vec<_> = (10..30)
        .map(|id| {
            let mut command = share(&["send", &id.to_string(), "1"]);
            let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            piped.spawn().expect("the wallet starts")
        })
        .collect();
    let by_command = commands.into_iter().filter_map(|command| {
        let output = command.wait_with_output().expect("it ends");
        if !output.status.success() {
            let complaint = complaint(&output);
            assert!(complaint.contains("it was sent before"), "{complaint}");
        }
        output.status.success().then_some(())
    });
    let sent_by_commands = by_command.count();
    let answers: Vec<_> = (0..20)
        .map(|_| daemon.hear().expect("it answers"))
        .collect();
    let sent_by_daemon = answers.iter().filter(|answer| answer.contains(": sent 1"));
    assert_eq!(sent_by_commands + sent_by_daemon.count(), 30, "{answers:?}");
    assert_eq!(daemon.balance(), "lightning 970, onchain 0");

    // Who wants the datadir for itself is told what to do.
    let alone = refused(&[folder.path()]);
    assert_eq!(alone.status.code(), Some(HELD), "{alone:?}");
    assert!(complaint(&alone).contains("it shares the datadir by key"));
    assert!(daemon.finish().0.success());
    drop(Wallet::open(folder.path()));
}

#[test]
fn a_second_instance_is_refused_and_told_by_whom() {
    let folder = folder::new();
    let mut first = Wallet::open(folder.path());

    let second = refused(&[folder.path()]);
    assert_eq!(second.status.code(), Some(HELD), "{second:?}");
    let expected = format!(
        "wallet: another process is already using datadir {} (holder PID: {})",
        folder.path().display(),
        first.process.id()
    );
    assert_eq!(complaint(&second), expected);

    // The first one is none the worse for it.
    assert_eq!(first.ask(&["receive 5".into()]), ["receive 5: received 5"]);
    let (status, rest) = first.finish();
    assert!(status.success() && rest.is_empty(), "{status}: {rest:?}");
    assert_eq!(
        Wallet::open(folder.path()).balance(),
        "lightning 5, onchain 0"
    );
}

#[test]
fn jobs_at_once_lose_no_money() {
    let folder = folder::new();
    let mut wallet = Wallet::open(folder.path());
    wallet.ask(&jobs(100, |_| "receive 1000".into()));
    assert_eq!(wallet.balance(), "lightning 100000, onchain 0");

    // Three askers for each payment, with other jobs among them.
    let answers = wallet.ask(&jobs(100, |i| match i % 5 {
        0 => "receive 10".into(),
        1 => "swap 100".into(),
        _ => format!("send {} 1000", i / 5),
    }));
    let sent = answers.iter().filter(|a| a.ends_with(": sent 1000"));
    let sent: Vec<_> = sent.collect();
    assert_eq!(sent.len(), 20, "{answers:?}");
    assert_eq!(sent.iter().collect::<HashSet<_>>().len(), 20, "{sent:?}");
    let again = answers.iter().filter(|a| a.ends_with("sent before"));
    assert_eq!(again.count(), 40, "{answers:?}");
    // 100,000 + 20 * 10 - 20 * 100 - 20 * 1000
    assert_eq!(wallet.balance(), "lightning 78200, onchain 2000");

    let (status, _) = wallet.finish();
    assert!(status.success(), "{status}");
}

#[test]
fn jobs_are_done_before_it_ends() {
    let folder = folder::new();
    let mut wallet = Wallet::open(folder.path());
    wallet.tell(&jobs(20, |_| "receive 1".into()));
    let (status, answers) = wallet.finish();
    assert!(status.success(), "{status}");
    assert_eq!(answers.len(), 20, "{answers:?}");
    assert_eq!(
        Wallet::open(folder.path()).balance(),
        "lightning 20, onchain 0"
    );
}

#[test]
fn a_job_that_fails_fails_alone() {
    let folder = folder::new();
    let mut wallet = Wallet::open(folder.path());
    for job in ["send 1 1", "receive much", "receive -1", "sell 1", ""] {
        let answers = wallet.ask(&[job.into()]);
        assert!(answers[0].contains(": failed: "), "{answers:?}");
    }
    assert_eq!(wallet.balance(), "lightning 0, onchain 0");
}

#[test]
fn after_a_kill_the_next_one_opens() {
    let folder = folder::new();
    let mut first = Wallet::open(folder.path());
    first.tell(&jobs(100, |_| "receive 1".into()));
    first.hear().expect("it has received something");
    let done = 1 + first.kill().len();

    let balance = Wallet::open(folder.path()).balance();
    let lightning = balance.strip_suffix(", onchain 0").unwrap();
    let lightning = lightning.strip_prefix("lightning ").unwrap();
    // What it said is there; the last words may be missing.
    let lightning: usize = lightning.parse().unwrap();
    assert!((done..=100).contains(&lightning), "{done}: {balance}");
}

#[test]
fn a_datadir_that_cannot_be_locked_is_another_failure() {
    let folder = folder::new();
    fs::create_dir(folder.path().join("LOCK")).unwrap();
    let failed = refused(&[folder.path()]);
    assert_eq!(failed.status.code(), Some(SETUP_FAILED), "{failed:?}");
    let complaint = complaint(&failed);
    assert!(complaint.contains("LOCK is a directory"), "{complaint}");
}

#[test]
fn wrong_arguments_are_explained() {
    for arguments in [&[][..], &[Path::new("a"), Path::new("b")]] {
        let refused = refused(arguments);
        assert_eq!(refused.status.code(), Some(WRONG_ARGUMENTS));
        assert!(complaint(&refused).contains("usage"), "{refused:?}");
    }
}

/// It does not wait for more jobs: its input stays open. (Windows does not let it happen.)
#[cfg(unix)]
#[test]
fn a_wallet_that_lost_its_datadir_stops() {
    let folder = folder::new();
    let mut command = runner::command(program());
    let mut wallet = Wallet::start(command.arg(folder.path()).stderr(Stdio::piped()));
    fs::remove_file(folder.path().join("LOCK")).unwrap();
    let answers = wallet.ask(&["receive 5".into()]);
    assert!(answers[0].contains(": failed: "), "{answers:?}");
    assert!(answers[0].contains("LOCK was deleted"), "{answers:?}");
    let (tell, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(wallet.output.next().is_none()));
    assert_eq!(end.recv_timeout(LONG), Ok(true), "it goes on");
    let ended = wallet.process.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(ANYTHING_ELSE), "{ended:?}");
    assert!(complaint(&ended).contains("LOCK was deleted"), "{ended:?}");
    assert!(!folder.path().join("balance.lightning").exists());
}
