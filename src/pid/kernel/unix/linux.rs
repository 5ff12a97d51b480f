//! Linux and Android.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use super::FileId;

mod process_id;

pub(in crate::pid) use process_id::process_id;

pub(super) const OFD_SETLK: Option<libc::c_int> = Some(libc::F_OFD_SETLK);

/// The structure that record locks are described with.
///
/// Open file description locks take the one with 64-bit offsets, also on 32-bit
/// systems, where classic locks take a smaller one, and where C libraries differ in
/// what they convert. Both begin with the type and the origin, and all else is zero
/// for a lock on a whole file, so the larger one reads as either.
pub(super) type RecordLock = libc::flock64;

const CIFS: u32 = 0xff53_4d42;
const SMB2: u32 = 0xfe53_4d42;

/// Whether an `flock` lock and a record lock on one file do not see each other. On NFS
/// and SMB they do, says flock(2), for there the kernel turns the one into the other;
/// on SMB, taking both would be one too many.
///
/// On an NFS mount with `local_lock=flock` or `local_lock=posix` they are apart all the
/// same, which cannot be seen from here.
pub(super) fn keeps_primitives_apart(remote: bool) -> bool {
    !remote
}

/// Whether the file is on NFS or SMB, where the lock hangs on a server.
pub(super) fn is_remote(file: &File) -> io::Result<bool> {
    let kind = file_system(file)?;
    Ok([
        libc::NFS_SUPER_MAGIC as u32,
        libc::SMB_SUPER_MAGIC as u32,
        CIFS,
        SMB2,
    ]
    .contains(&kind))
}

/// The magic number of the file system, as statfs(2) lists them: 32 bits, in a
/// field whose type differs between platforms.
#[allow(
    clippy::unnecessary_cast,
    reason = "the field is a u32 on some 32-bit platforms"
)]
fn file_system(file: &File) -> io::Result<u32> {
    let mut found = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `fstatfs` writes a `statfs` structure through its second argument,
    // which points to memory of that size. The descriptor is open, because `file` is
    // borrowed for the call.
    if unsafe { libc::fstatfs(file.as_raw_fd(), found.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the kernel has filled the structure.
    Ok(unsafe { found.assume_init() }.f_type as u32)
}

/// Whether process `pid` is the one that holds `file`. A number that was left by a killed
/// process may long be somebody else's, and one from another container or another machine
/// never was a process of ours: so it is the kernel's list of locks that counts, see
/// proc_locks(5). Where there is none, as for applications on Android, nobody is named.
pub(in crate::pid) fn holds(pid: u32, file: FileId) -> bool {
    shows_our_processes() && is_listed(pid, file) && is_alive(pid)
}

/// Whether numbers of processes in `/proc` mean what they mean to this process. They do not
/// in a container that was given the `/proc` of its host.
fn shows_our_processes() -> bool {
    let me = fs::read_link("/proc/self");
    me.is_ok_and(|me| me.to_str() == Some(&std::process::id().to_string()))
}

/// Whether the list says that process `pid` holds a lock on `file`. Processes of other
/// containers are not in it, and open file description locks belong to no process: those
/// stand alone where `flock` is not taken beside them, on NFS and SMB.
fn is_listed(pid: u32, file: FileId) -> bool {
    for _ in 0..LOOKS {
        let Ok(locks) = File::open("/proc/locks") else {
            return false;
        };
        let lines = BufReader::new(locks).lines().map_while(Result::ok);
        let holders: Vec<_> = lines
            .filter_map(|line| lock_holder(&line, file.inode))
            .collect();
        if holders.iter().any(Option::is_some) {
            return holders.contains(&Some(pid));
        }
    }
    false
}

/// How often to look for a lock that must be in the list. It is read page by page, and
/// while others lock and unlock, lines move from a page that is yet to be read to one
/// that has been.
const LOOKS: usize = 10;

/// Whether process `pid` has not ended. The list names the process that took a lock, also
/// when it is dead and a forked child keeps the file open; and what has ended still exists
/// until its parent asks for its status, in many containers for ever.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !has_ended(&stat))
}

/// By proc_pid_stat(5): "4242 (name) S ...", where the name may contain anything.
fn has_ended(stat: &str) -> bool {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.trim_start().starts_with(['Z', 'X', 'x'])
}

/// The process that holds a lock on `inode` by this line of the list, `Some(None)` if
/// some process does, and `None` if the line is about something else. The device is
/// not compared: it is another one than stat(2) gives on some file systems.
fn lock_holder(line: &str, inode: u64) -> Option<Option<u32>> {
    // "1: FLOCK  ADVISORY  WRITE 4242 fe:00:12345 0 EOF"; with "->" for one that waits.
    let mut fields = line.split_ascii_whitespace().skip(1);
    if fields.next()? == "->" {
        return None;
    }
    let holder = fields.nth(2)?;
    let locked = fields.next()?.rsplit(':').next()?;
    (locked.parse() == Ok(inode)).then(|| holder.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_locks_is_understood() {
        let held = "1: FLOCK  ADVISORY  WRITE 4242 fe:00:12345 0 EOF";
        assert_eq!(lock_holder(held, 12345), Some(Some(4242)));
        assert_eq!(lock_holder(held, 2345), None);
        let by_nobody = "27: OFDLCK ADVISORY  WRITE -1 00:1c:12345 0 EOF";
        assert_eq!(lock_holder(by_nobody, 12345), Some(None));
        let waiting = "1: -> FLOCK  ADVISORY  WRITE 4242 fe:00:12345 0 EOF";
        assert_eq!(lock_holder(waiting, 12345), None);
        assert_eq!(lock_holder("", 0), None);
    }

    #[test]
    fn what_has_ended_is_known() {
        assert!(!has_ended("4242 (wallet) S 1 4242 4242 0 -1"));
        assert!(!has_ended("4242 (a) Z (b) R 1 4242 4242 0 -1"));
        assert!(has_ended("4242 (wallet) Z 1 4242 4242 0 -1"));
    }
}
