//! What is different on Windows, and processes that are ended there by `TerminateProcess`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{LockError, LockManager, LockMode};
use futures::executor::block_on;
use windows_sys::Win32::System::Memory::{
    CreateFileMappingW, FILE_MAP_ALL_ACCESS, MapViewOfFile, PAGE_READWRITE,
};

use crate::folder;
use crate::runtime;
use crate::witness::{Witness, work};

const DATADIR: &str = "CROSSLOCK_TEST_SHARED_DATADIR";
const WORKER: &str = "CROSSLOCK_TEST_WORKER";

/// The time within which a loss has to be noticed.
const NOTICED: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

/// This test program, started again with one of its tests. It is ended when this is dropped.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
}

impl Process {
    fn start(test: &str, datadir: &Path, worker: (usize, u64)) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .args([test, "--exact", "--include-ignored", "--nocapture"])
            .env(DATADIR, datadir)
            .env(WORKER, format!("{} {}", worker.0, worker.1))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let input = child.stdin.take();
        Self { child, input }
    }

    /// The same, once it says that it is ready.
    fn ready(test: &str, datadir: &Path) -> Self {
        let mut process = Self::start(test, datadir, (0, 0));
        let output = process.child.stdout.take().expect("it is a pipe");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "ready"), "it ends before");
        // What it writes later has a reader, or the write would fail.
        std::thread::spawn(move || lines.for_each(drop));
        process
    }

    /// `TerminateProcess`. Returns once the process is gone.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to go on, and waits until it has ended well.
    fn finish(&mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success(), "the child failed");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// In a child: what the parent wants, if this process is one.
fn task() -> Option<(PathBuf, usize, u64)> {
    let datadir = std::env::var_os(DATADIR)?;
    let worker = std::env::var(WORKER).unwrap();
    let (process, number) = worker.split_once(' ').unwrap();
    Some((
        datadir.into(),
        process.parse().unwrap(),
        number.parse().unwrap(),
    ))
}

/// In a child: the parent may go on, and tells when this one may.
fn ready() {
    println!("\nready");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_line(&mut String::new());
}

fn read(manager: &SharedDatadirLockManager) -> Option<Box<dyn crosslock::LockGuard>> {
    block_on(manager.try_acquire("key", LockMode::Shared)).unwrap()
}

#[test]
#[ignore = "a child process of the other tests"]
fn holder() {
    let Some((datadir, ..)) = task() else {
        return;
    };
    let manager = SharedDatadirLockManager::new(datadir).unwrap();
    let _guard = block_on(manager.try_lock("key")).unwrap();
    ready();
}

#[test]
#[ignore = "a child process of the other tests"]
fn waiter() {
    let Some((datadir, ..)) = task() else {
        return;
    };
    let manager = SharedDatadirLockManager::new(datadir).unwrap();
    let runtime = runtime::new();
    runtime.block_on(async {
        let mut wait = manager.lock("key", LONG);
        assert!(futures::poll!(&mut wait).is_pending());
        ready();
        // It is given up. The thread that waits in the kernel goes on, until the process ends.
    });
}

#[test]
fn what_a_killed_process_held_is_free() {
    let folder = folder::new();
    let mut holder = Process::ready("windows::holder", folder.path());
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    assert!(read(&manager).is_none());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut wait = manager.lock("key", LONG);
        assert!(futures::poll!(&mut wait).is_pending());
        holder.kill();
        drop(wait.await.unwrap());
    });
}

/// So is one that ends by itself, which a thread that still waits does not keep it from.
#[test]
fn a_killed_waiter_is_in_nobodys_way() {
    for kills in [true, false] {
        let folder = folder::new();
        let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(folder.path()).unwrap());
        let reading = read(&one).unwrap();
        let mut waiter = Process::ready("windows::waiter", folder.path());
        assert!(read(&other).is_none());
        match kills {
            true => waiter.kill(),
            false => waiter.finish(),
        }
        let began = Instant::now();
        // The system frees the locks of a process that has ended when it comes to it.
        let too = std::iter::repeat_with(|| read(&other)).find(|too| {
            assert!(began.elapsed() < LONG, "the dead waiter is still there");
            too.is_some()
        });
        drop((reading, too));
        assert!(block_on(one.lock("key", LONG)).is_ok());
    }
}

/// Memory that the processes of a storm share.
fn witness(datadir: &Path) -> &'static Witness {
    let path = datadir.with_file_name("witness");
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false);
    let file = file.open(path).unwrap();
    let size = size_of::<Witness>();
    // SAFETY: the handle is open, and null stands for no attributes and no name.
    let mapping = unsafe {
        CreateFileMappingW(
            file.as_raw_handle(),
            std::ptr::null(),
            PAGE_READWRITE,
            0,
            size as u32,
            std::ptr::null(),
        )
    };
    assert!(!mapping.is_null(), "{}", std::io::Error::last_os_error());
    // SAFETY: a new view at an address of the system's choice touches no memory of ours.
    let view = unsafe { MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, size) };
    assert!(!view.Value.is_null(), "{}", std::io::Error::last_os_error());
    // SAFETY: the view is large enough and aligned to a page, and it is never unmapped. What is shared
    // are atomics, for which zero, of which a new file consists, is a valid value.
    unsafe { &*view.Value.cast::<Witness>() }
}

#[test]
#[ignore = "a child process of the other tests"]
fn worker() {
    let Some((datadir, process, number)) = task() else {
        return;
    };
    let witness = witness(&datadir);
    work(&datadir, process, number, witness);
}

/// `TerminateProcess` at any moment: no two holders, no lost wake-up, no stuck key.
#[test]
fn killed_at_any_moment() {
    let folder = folder::new();
    let datadir = folder.path().join("datadir");
    witness(&datadir).storm(
        &datadir,
        // It takes a while until a process has come to lock anything.
        |random| Duration::from_millis(random.below(300)),
        |process, number| Process::start("windows::worker", &datadir, (process, number)),
        |mut process| process.kill(),
        |mut process| process.finish(),
    );
}

/// What is open can neither be deleted nor replaced, says the documentation of `CreateFile`.
#[test]
fn what_is_in_use_stays() {
    let folder = folder::new();
    let datadir = folder.path();
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(datadir).unwrap());
    let guard = block_on(one.try_lock("held")).unwrap();
    fs::remove_file(datadir.join("LOCK")).unwrap_err();
    let files: Vec<PathBuf> = fs::read_dir(datadir.join("LOCKS"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let in_use: Vec<&PathBuf> = files
        .iter()
        .filter(|path| fs::rename(path, datadir.join("moved")).is_err())
        .collect();
    assert_eq!(in_use.len(), 1, "{in_use:?}");
    fs::remove_file(in_use[0]).unwrap_err();
    std::thread::sleep(NOTICED);
    assert!(!guard.is_lost());
    assert!(block_on(other.try_lock("held")).is_none());
}

/// Who comes to a key for the first time finds its file gone.
#[test]
fn a_file_that_is_gone_is_a_loss() {
    let folder = folder::new();
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    fs::remove_dir_all(folder.path().join("LOCKS")).unwrap();
    let error = block_on(manager.try_acquire("new", LockMode::Exclusive)).unwrap_err();
    assert!(
        matches!(error, LockError::Lost { key: None, .. }),
        "{error}"
    );
}
