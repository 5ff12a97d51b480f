//! Which process has locked which byte, by what the kernel says of its open files.
//!
//! `F_OFD_GETLK` and `/proc/locks` name nobody: "in the case of open file description locks, the
//! `l_pid` field is set to -1", says fcntl_locking(2). But `/proc/PID/fdinfo/FD` lists the locks of an
//! open file, for those who may look at the process: see proc_pid_fdinfo(5). The processes to
//! look at are those that have a `flock` lock on `LOCK`, which every sharer has.

use std::collections::BTreeMap;
use std::fs;

use crate::datadir_lock::kernel::{self, FileId};

/// How often the processes are looked through for a lock that must be somewhere: while
/// others lock and unlock, the kernel may leave some out.
const LOOKS: usize = 5;

/// The processes that have locked something in the files of `LOCKS`, by the first byte of the lock.
#[derive(Debug, Default)]
pub(super) struct Processes(BTreeMap<(FileId, u64), u32>);

impl Processes {
    /// Those that share the datadir of `lock_file`. Has them looked for until `is_complete`, or a few
    /// times.
    pub(super) fn find(lock_file: FileId, is_complete: impl Fn(&Self) -> bool) -> Self {
        let mut found = Self::default();
        if !kernel::shows_our_processes() {
            return found;
        }
        for _ in 0..LOOKS {
            for pid in kernel::lockers(lock_file) {
                found.look_at(pid);
            }
            if is_complete(&found) {
                break;
            }
        }
        found
    }

    /// Whether it was found who has locked this byte of `file`.
    pub(super) fn knows(&self, file: FileId, byte: u64) -> bool {
        self.0.contains_key(&(file, byte))
    }

    /// Who has locked this byte of `file`, in words.
    pub(super) fn name(&self, file: FileId, byte: u64) -> Option<String> {
        let pid = self.0.get(&(file, byte))?;
        let stopped = match is_stopped(*pid) {
            true => " (stopped)",
            false => "",
        };
        Some(format!("process {pid}{stopped}"))
    }

    /// Nothing of a process that has ended, or that we may not look at.
    fn look_at(&mut self, pid: u32) {
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            return;
        };
        for entry in open.flatten() {
            let descriptor = entry.file_name();
            let Some(descriptor) = descriptor.to_str() else {
                continue;
            };
            // The target of the link is told without being looked up, and is right for most files.
            let target = fs::read_link(entry.path());
            let is_ours = target.is_ok_and(|target| {
                let name = target.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.len() == 2)
            });
            if !is_ours {
                continue;
            }
            let Ok(metadata) = fs::metadata(entry.path()) else {
                continue;
            };
            let id = FileId::from(&metadata);
            let Ok(info) = fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}")) else {
                continue;
            };
            for start in info.lines().filter_map(|line| first_byte(line, id.inode())) {
                self.0.insert((id, start), pid);
            }
        }
    }
}

/// The first byte of an open file description lock, by this line of `fdinfo`:
/// "lock:\t1: OFDLCK ADVISORY  WRITE -1 fe:00:12345 5 5".
fn first_byte(line: &str, inode: u64) -> Option<u64> {
    let mut fields = line.strip_prefix("lock:")?.split_ascii_whitespace();
    if fields.nth(1)? != "OFDLCK" {
        return None;
    }
    let locked = fields.nth(3)?.rsplit(':').next()?;
    (locked.parse() == Ok(inode)).then_some(())?;
    fields.next()?.parse().ok()
}

/// Whether the process was stopped by a signal or by a debugger: see proc_pid_stat(5).
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it may contain anything.
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.trim_start().starts_with(['T', 't'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locks_of_an_open_file_are_understood() {
        let line = "lock:\t2: OFDLCK ADVISORY  WRITE -1 fe:00:10142699 4611686018427322368 4611686018427322368";
        assert_eq!(first_byte(line, 10142699), Some(4611686018427322368));
        assert_eq!(first_byte(line, 4), None);
        let other = "lock:\t1: FLOCK  ADVISORY  READ 3122 fe:00:10142699 0 EOF";
        assert_eq!(first_byte(other, 10142699), None);
        assert_eq!(first_byte("pos:\t0", 0), None);
        assert_eq!(first_byte("lock:", 0), None);
    }
}
