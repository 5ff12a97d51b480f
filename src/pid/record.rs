//! What stands in `LOCK`: the holder's process id, for people and for the message
//! of [`AlreadyHeld`](crate::PidLockError::AlreadyHeld).
//!
//! It has a fixed width and is overwritten in place: `"4242      \n"`. Truncating
//! the file first would cost fifty times as much on a disk, and leave a moment in
//! which the file is empty.

use std::fmt::Display;
use std::fs::File;
use std::io;

use super::kernel;

/// Ten digits hold any `u32`.
const DIGITS: usize = 10;

/// More than a record, so that a plain number and a line end, as other programs
/// write it, is understood too. Whatever the file holds, no more of it is read.
const READ: usize = 32;

pub(super) fn write(file: &File, pid: u32) -> io::Result<()> {
    kernel::write_at_start(file, line(pid).as_bytes())
}

/// Blanks the record, so that nobody reports a process that holds nothing any more.
pub(super) fn clear(file: &File) -> io::Result<()> {
    kernel::write_at_start(file, line("").as_bytes())
}

/// The line end tells a number from half a number.
fn line(text: impl Display) -> String {
    format!("{text:<DIGITS$}\n")
}

/// The process id that `file` names, if it names one. Whether that process lives,
/// and holds the datadir, is for the caller to find out.
pub(super) fn read(file: &File) -> Option<u32> {
    // Twice, because a write may be under way: what is read in the middle of it is
    // neither the old number nor the new one.
    let (first, second) = (read_once(file)?, read_once(file)?);
    (first == second).then_some(first)
}

fn read_once(file: &File) -> Option<u32> {
    let mut bytes = [0; READ];
    let length = kernel::read_at_start(file, &mut bytes).ok()?;
    parse(&bytes[..length])
}

/// A number alone on the first line, which has to end.
fn parse(bytes: &[u8]) -> Option<u32> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let line = str::from_utf8(&bytes[..end]).ok()?.trim_end_matches(' ');
    let digits_only = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit());
    // Zero is no process, and nobody writes leading zeros.
    if !digits_only || line.starts_with('0') {
        return None;
    }
    line.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_is_understood() {
        assert_eq!(parse(b"4242      \n"), Some(4242));
        assert_eq!(parse(b"4294967295\n"), Some(u32::MAX));
        assert_eq!(parse(b"17\n"), Some(17));
        assert_eq!(parse(b"17        \nleft over from a longer file"), Some(17));
    }

    #[test]
    fn anything_else_is_nobody() {
        let no_pids: [&[u8]; 11] = [
            b"",
            b"42",
            b"          \n",
            b"0         \n",
            b"0042      \n",
            b"4294967296\n",
            b"+42       \n",
            b"-42       \n",
            b"4 2       \n",
            b"\x00\x00\x0042\n",
            b"\xff\xfe4242\n",
        ];
        for bytes in no_pids {
            assert_eq!(parse(bytes), None, "{:?}", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn every_record_overwrites_every_other() {
        let records = [line(1), line(4242), line(u32::MAX), line("")];
        assert!(records.iter().all(|record| record.len() == DIGITS + 1));
        assert_eq!(parse(line(u32::MAX).as_bytes()), Some(u32::MAX));
        assert_eq!(parse(line("").as_bytes()), None);
    }
}
