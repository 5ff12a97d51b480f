//! System calls of a thread that the test answers instead of the kernel, or delays: for
//! what servers of network file systems do, none of which is to be had here.
//!
//! It is the kernel's own means for that, a seccomp filter with a listener: see
//! seccomp_unotify(2).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc;
use std::thread;

use crate::filter::{self, give, jump_unless, load_call};

// From <linux/seccomp.h>, the same on all platforms. `libc` has them, but not yet in the oldest
// version that the crate allows.
const RET_USER_NOTIF: u32 = 0x7fc0_0000;
const NOTIF_RECV: u32 = 0xc050_2100;
const NOTIF_SEND: u32 = 0xc018_2101;

/// The call, as the kernel describes it.
pub(crate) type Call = libc::seccomp_data;

/// What the thread finds that has made the call.
pub(crate) enum Reply {
    /// The kernel carries it out.
    Continue,
    /// It succeeded, with zero.
    Done,
    /// It failed with this number.
    Fail(libc::c_int),
}

/// From now on, `calls` of this thread are for `reply` to answer, in another thread. If
/// that takes a while, so does the call. `false` if the kernel is too old for it.
pub(crate) fn intercept(
    calls: &[libc::c_long],
    mut reply: impl FnMut(&Call) -> Reply + Send + 'static,
) -> bool {
    let (sender, listeners) = mpsc::channel::<OwnedFd>();
    // Started before the filter is there, which threads inherit: this one makes such calls.
    thread::spawn(move || {
        let Ok(listener) = listeners.recv() else {
            return;
        };
        while let Ok(call) = next(&listener) {
            answer(&listener, call.id, reply(&call.data));
        }
    });
    match install(calls) {
        Ok(listener) => sender.send(listener).is_ok(),
        Err(error) => {
            eprintln!("left out: system calls cannot be intercepted here ({error})");
            false
        }
    }
}

fn install(calls: &[libc::c_long]) -> io::Result<OwnedFd> {
    let mut program = vec![load_call()];
    for &call in calls {
        program.push(jump_unless(libc::BPF_JEQ, call as u32, 1));
        program.push(give(RET_USER_NOTIF));
    }
    program.push(give(libc::SECCOMP_RET_ALLOW));
    let listener = filter::install(&mut program, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER)?;
    // SAFETY: it is a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(listener as libc::c_int) })
}

/// An error once the thread is gone.
fn next(listener: &OwnedFd) -> io::Result<libc::seccomp_notif> {
    // SAFETY: the structure consists of integers, and the kernel wants it zeroed.
    let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    let request = NOTIF_RECV as libc::Ioctl;
    // SAFETY: the kernel writes a structure of this kind through the argument.
    match unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw mut call) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(call),
    }
}

fn answer(listener: &OwnedFd, id: u64, reply: Reply) {
    const CONTINUE: u32 = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let (error, flags) = match reply {
        Reply::Continue => (0, CONTINUE),
        Reply::Done => (0, 0),
        Reply::Fail(number) => (-number, 0),
    };
    let response = libc::seccomp_notif_resp {
        id,
        val: 0,
        error,
        flags,
    };
    let request = NOTIF_SEND as libc::Ioctl;
    // SAFETY: the kernel reads the structure, which lives until the call is over. It
    // fails if the thread has gone meanwhile.
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw const response) };
}
