//! Bytes of a key's region, and of others in its file, that the test itself locks: what is the
//! matter of a moment among processes stands still here.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use crosslock::shared_datadir::SharedDatadirLockManager;
use crosslock::{LockManager, LockMode};
use futures::executor::block_on;
use futures::poll;

use crate::folder;

const LONG: Duration = Duration::from_secs(60);

/// A part of the protocol: see `src/shared_datadir/protocol.rs`.
const REGION: i64 = 1 << 16;
const GATE: i64 = REGION - 1;

/// The region of a key, and a file of its own to lock it by.
struct Region {
    file: File,
    start: i64,
}

impl Region {
    /// Nobody may have the key, nor another one in its file.
    fn of(key: &str, datadir: &Path) -> Self {
        let manager = SharedDatadirLockManager::new(datadir).unwrap();
        let _guard = block_on(manager.try_lock(key)).unwrap();
        let locks = fs::read_dir(datadir.join("LOCKS")).unwrap();
        let files = locks.map(|entry| {
            let path = entry.unwrap().path();
            let options = File::options().read(true).write(true).open(path);
            options.unwrap()
        });
        let mut found = files.filter_map(|file| {
            let lock = fcntl(&file, libc::F_OFD_GETLK, libc::F_WRLCK, 0, 0);
            let is_locked = lock.l_type != libc::F_UNLCK as libc::c_short;
            is_locked.then_some(Self {
                file,
                start: lock.l_start,
            })
        });
        found.next().expect("a byte of the key is locked")
    }

    fn lock(&self, byte: i64) {
        let start = self.start + byte;
        fcntl(&self.file, libc::F_OFD_SETLK, libc::F_WRLCK, start, 1);
    }

    fn unlock(&self, byte: i64) {
        let start = self.start + byte;
        fcntl(&self.file, libc::F_OFD_SETLK, libc::F_UNLCK, start, 1);
    }
}

fn fcntl(
    file: &File,
    command: libc::c_int,
    kind: libc::c_int,
    start: i64,
    length: i64,
) -> libc::flock64 {
    // SAFETY: the structure consists of integers, and the commands demand an `l_pid` of zero.
    let mut lock: libc::flock64 = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    (lock.l_start, lock.l_len) = (start, length);
    // SAFETY: the commands read a structure of this kind, and one of them writes it. It lives until
    // the call is over, and the file is open.
    #[cfg(not(target_arch = "x86"))]
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
    // The function of the C library may take another structure there.
    #[cfg(target_arch = "x86")]
    // SAFETY: as above.
    let result =
        unsafe { libc::syscall(libc::SYS_fcntl64, file.as_raw_fd(), command, &raw mut lock) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    lock
}

/// One who has the first ticket has nobody to wait for. It takes that by way of the gate, since
/// somebody was there a moment before, while another key of the file is held for long: no question to
/// the kernel may be about more than the tickets in front.
///
/// This was a fault once. A question about no bytes is one about all up to the end of the file, and
/// the request waited for the other key, or for whoever had come behind it and waited for it.
#[tokio::test]
async fn the_first_ticket_waits_for_nobody() {
    let folder = folder::new();
    let region = Region::of("key", folder.path());
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    region.lock(GATE);
    region.lock(3 * REGION);
    let mut waiting = manager.lock("key", LONG / 6);
    assert!(poll!(&mut waiting).is_pending());
    region.unlock(GATE);
    drop(waiting.await.unwrap());
}

/// Whoever is about to take a ticket is in the way of nobody but those who would take one.
#[tokio::test]
async fn one_who_stands_still_at_the_gate_is_waited_for() {
    let folder = folder::new();
    let region = Region::of("key", folder.path());
    let manager = SharedDatadirLockManager::new(folder.path()).unwrap();
    let start = Instant::now();
    let reading = manager.try_acquire("key", LockMode::Shared).await.unwrap();
    region.lock(GATE);
    let joined = manager.try_acquire("key", LockMode::Shared).await.unwrap();
    // After 10 ms it may have looked at the gate.
    assert!(joined.is_some() || start.elapsed() >= Duration::from_millis(10));
    drop(joined);
    assert!(manager.try_lock("another").await.is_some());
    drop(reading);
    let mut waiting = manager.lock("key", LONG);
    assert!(poll!(&mut waiting).is_pending());
    assert!(manager.try_lock("key").await.is_none());
    region.unlock(GATE);
    drop(waiting.await.unwrap());
}

/// A writer between two readers: the later one waits for the writer, and not for the reader before it.
#[tokio::test]
async fn a_ticket_in_front_that_does_not_conflict_is_not_waited_for() {
    let folder = folder::new();
    let region = Region::of("key", folder.path());
    let [one, other] = [(); 2].map(|()| SharedDatadirLockManager::new(folder.path()).unwrap());
    let _reading = one.try_acquire("key", LockMode::Shared).await.unwrap();
    region.lock(1);
    let options = crosslock::AcquireOptions::shared(LONG);
    let mut waiting = other.acquire("key", options);
    assert!(poll!(&mut waiting).is_pending());
    region.unlock(1);
    drop(waiting.await.unwrap());
}
