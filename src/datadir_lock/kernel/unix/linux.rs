//! Linux and Android.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use super::FileId;

#[path = "process_id.rs"]
mod process_id;

pub(in crate::datadir_lock) use process_id::process_id;

pub(super) const OFD_SETLK: Option<libc::c_int> = Some(libc::F_OFD_SETLK);
pub(super) const OFD_GETLK: Option<libc::c_int> = Some(libc::F_OFD_GETLK);

/// The structure that describes a lock to `fcntl(2)`.
///
/// Open file description locks take the one with 64-bit offsets, on 32-bit systems too.
/// Classic locks take a smaller one there, and C libraries differ in what they convert. Both
/// begin with the type and the origin. All else is zero for a lock on a whole file, so the
/// larger structure can be read as either.
pub(crate) type LockDescription = libc::flock64;

const CIFS: u32 = 0xff53_4d42;
const SMB2: u32 = 0xfe53_4d42;

/// Whether an `flock` lock and an `fcntl` lock on one file do not exclude each other. On NFS
/// and SMB they do, because the kernel turns the one into the other: see flock(2). On SMB,
/// the second lock of one manager would therefore conflict with its first.
///
/// On an NFS mount with `local_lock=flock` or `local_lock=posix` they do not, but that cannot
/// be found out here.
pub(super) fn primitives_are_independent(remote: bool) -> bool {
    !remote
}

/// Whether the file is on NFS or SMB, where a server keeps the lock.
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

/// The magic number of the file system, from the list in statfs(2). It has 32 bits, in a field
/// whose type differs between platforms.
#[allow(
    clippy::unnecessary_cast,
    reason = "the field is a u32 on some 32-bit platforms"
)]
fn file_system(file: &File) -> io::Result<u32> {
    // On 32-bit systems `fstatfs` fails with EOVERFLOW where the file system has more blocks than 32 bits count.
    let mut found = MaybeUninit::<libc::statfs64>::uninit();
    // SAFETY: `fstatfs64` writes a `statfs64` structure through its second argument,
    // which points to memory of that size. The descriptor is open, because `file` is
    // borrowed for the call.
    if unsafe { libc::fstatfs64(file.as_raw_fd(), found.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the kernel has filled the structure.
    Ok(unsafe { found.assume_init() }.f_type as u32)
}

/// Whether process `pid` is the one that holds `file`.
///
/// A PID that a killed process left may have been given to another process since, and one
/// from another container or machine does not mean a process here. So only the kernel's list
/// of locks counts: see proc_locks(5). Where there is no list, as for applications on Android,
/// nobody is named.
pub(in crate::datadir_lock) fn holds(pid: u32, file: FileId) -> bool {
    shows_our_processes() && is_listed(pid, file) && is_alive(pid)
}

/// Whether the PIDs in `/proc` are those that this process sees. They are not in a container
/// that was given the `/proc` of its host.
pub(crate) fn shows_our_processes() -> bool {
    let me = fs::read_link("/proc/self");
    me.is_ok_and(|me| me.to_str() == Some(&std::process::id().to_string()))
}

/// Whether the list says that process `pid` holds a lock on `file`.
///
/// Processes of other containers are not in it. An open file description lock belongs to no
/// process, so where `flock` is not taken beside it, on NFS and SMB, the list names nobody.
fn is_listed(pid: u32, file: FileId) -> bool {
    for _ in 0..LIST_READS {
        let holders = lockers(file);
        if !holders.is_empty() {
            return holders.contains(&pid);
        }
    }
    false
}

/// The processes that hold a lock on `file`, as far as the kernel names them. The device is not
/// compared. Some may be missing: see [`LIST_READS`].
pub(crate) fn lockers(file: FileId) -> Vec<u32> {
    let Ok(locks) = File::open("/proc/locks") else {
        return Vec::new();
    };
    let lines = BufReader::new(locks).lines().map_while(Result::ok);
    let holders = lines.filter_map(|line| lock_holder(&line, file.inode));
    holders.flatten().collect()
}

/// How often the list is read to find a lock that must be in it. The kernel gives it page by
/// page. While others lock and unlock, a line may move from a page that has not been read yet
/// to one that has.
const LIST_READS: usize = 10;

/// Whether process `pid` has not ended.
///
/// The list names the process that took a lock even after its end, while a forked child keeps
/// the file open. And a process that has ended exists until its parent reads its status, which
/// in many containers never happens.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !has_ended(&stat))
}

/// `stat` is as proc_pid_stat(5) describes it: "4242 (name) S ...". The name may contain
/// anything.
pub(in crate::datadir_lock) fn has_ended(stat: &str) -> bool {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.trim_start().starts_with(['Z', 'X', 'x'])
}

/// The process that holds a lock on `inode` by this line of the list. `Some(None)` if the
/// line does not name it, and `None` if the line is about something else. The device is not
/// compared: on some file systems it differs from the one that stat(2) gives.
pub(in crate::datadir_lock) fn lock_holder(line: &str, inode: u64) -> Option<Option<u32>> {
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
