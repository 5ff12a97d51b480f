//! Processes of this test program: started again with one of its tests, or forked from it.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::runner;

const DATADIR: &str = "CROSSLOCK_TEST_SHARED_DATADIR";

/// The datadir that the parent names; `None` if this process is no child.
pub(crate) fn datadir() -> Option<PathBuf> {
    std::env::var_os(DATADIR).map(PathBuf::from)
}

/// Runs `test`, given by its full name, in a process of its own, and panics unless it passes.
///
/// There one thread runs the test and the other one waits for it. So it may fork, and the child may
/// do more than call `exec`.
pub(crate) fn must_pass(test: &str, datadir: &Path) {
    passed(command(&[], test, datadir).output());
}

/// The same under a program such as `unshare` that starts another one. `None` if that program does
/// not work on this machine.
#[cfg(target_os = "linux")]
pub(crate) fn command_under(wrapper: &[&str], test: &str, datadir: &Path) -> Option<Command> {
    let works = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg("true")
        .output();
    if !works.is_ok_and(|output| output.status.success()) {
        let wrapper = wrapper.join(" ");
        eprintln!("left out, for `{wrapper}` is not to be had here");
        return None;
    }
    Some(command(wrapper, test, datadir))
}

/// The files below `folder` that this process has open, as Linux tells.
#[cfg(target_os = "linux")]
pub(crate) fn open_files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<'_> {
    let opened = std::fs::read_dir("/proc/self/fd").expect("Linux has it");
    let paths = opened.flatten().map(|entry| entry.path());
    // The descriptor by which they are listed is gone by now.
    let files = paths.filter_map(|path| std::fs::read_link(path).ok());
    files.filter(move |file| file.starts_with(folder))
}

fn command(wrapper: &[&str], test: &str, datadir: &Path) -> Command {
    let this = std::env::current_exe().expect("this program has a path");
    let mut command = runner::command_under(wrapper, this);
    command
        .args([test, "--exact", "--include-ignored", "--nocapture"])
        .env(DATADIR, datadir);
    command
}

/// Panics unless the test of a child has passed.
pub(crate) fn passed(output: io::Result<Output>) {
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("the child starts");
    let shown = String::from_utf8_lossy(&stdout);
    let errors = String::from_utf8_lossy(&stderr);
    eprintln!("{errors}");
    // A name that is misspelled runs no test, and passes.
    let passed = status.success() && shown.contains("1 passed");
    assert!(passed, "the child failed: {shown}\n{errors}");
}

/// A forked child. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Forked(libc::pid_t);

impl Forked {
    /// Runs `work` in a child, which then ends without running anything of its parent's.
    pub(crate) fn start(work: impl FnOnce()) -> Self {
        // SAFETY: this is called in a process that `must_pass` has started. No other thread of it
        // is in the middle of anything, so the child can use what it has inherited.
        match unsafe { libc::fork() } {
            -1 => panic!("{}", std::io::Error::last_os_error()),
            0 => {
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                // SAFETY: it ends the process without any clean-up.
                unsafe { libc::_exit(i32::from(done.is_err())) }
            }
            child => Self(child),
        }
    }

    pub(crate) fn id(&self) -> libc::pid_t {
        self.0
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child was not waited for, so its id is not that of another process.
        assert_eq!(unsafe { libc::kill(self.0, signal) }, 0);
    }

    /// SIGKILL. Returns once the process is gone, and with it all that it had.
    pub(crate) fn kill(mut self) {
        self.end(libc::SIGKILL);
    }

    /// Waits until the child has done its work, and panics if it has failed.
    pub(crate) fn finish(mut self) {
        let status = self.wait();
        assert_eq!(status, 0, "the child failed");
    }

    fn end(&mut self, signal: libc::c_int) {
        self.signal(signal);
        self.wait();
    }

    fn wait(&mut self) -> libc::c_int {
        let mut status = 0;
        // SAFETY: it writes to `status`, which lives until the call is over.
        let waited = unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        assert_eq!(waited, self.0);
        self.0 = 0;
        status
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        if self.0 != 0 {
            self.end(libc::SIGKILL);
        }
    }
}

/// Memory that forked children share with their parent.
pub(crate) fn shared_memory<T: Default>() -> &'static T {
    let (access, kind) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED | libc::MAP_ANONYMOUS,
    );
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), size_of::<T>(), access, kind, -1, 0) };
    assert_ne!(page, libc::MAP_FAILED);
    let value = page.cast::<T>();
    // SAFETY: the mapping is large enough and aligned to a page, nobody else has a pointer to
    // it, and it is never unmapped. What is shared are atomics.
    unsafe {
        value.write(T::default());
        &*value
    }
}
