//! The holder's process id (PID) in `LOCK`, for people and for the message of
//! [`AlreadyHeld`](crate::PidLockError::AlreadyHeld).
//!
//! The file has the bare decimal number, with nothing behind it: `4242`. Other programs on
//! the same datadir write and compare just that. The number is written over what was there,
//! and the file is shortened only if it is longer: to truncate it at every open would cost
//! fifty times as much on a disk, and leave a moment in which it is empty.
//!
//! The lock does not need the number, so a write must never end the process: see
//! [`kernel::may_write`].

use std::fs::File;
use std::io;

use super::kernel;

/// How many bytes are read. Every spelling of a PID fits.
const READ: usize = 32;

pub(super) fn write(file: &File, pid: u32) -> io::Result<()> {
    replace(file, &pid.to_string())
}

/// Overwrites `pid` with blanks, so that nobody reports a process that no longer holds
/// anything. The file keeps its size, so the next PID, which is most likely as long, need
/// not make it grow.
pub(super) fn clear(file: &File, pid: u32) -> io::Result<()> {
    let digits = pid.to_string().len();
    overwrite(file, &[b' '; READ][..digits])
}

/// Makes `text` the whole content of the file.
fn replace(file: &File, text: &str) -> io::Result<()> {
    let found = file.metadata()?.len();
    if found <= text.len() as u64 {
        return overwrite(file, text.as_bytes());
    }
    // The part that is read first, in one write: nobody may see the new number with the end
    // of the old one behind it. Then the rest is cut off.
    let seen = found.min(READ as u64) as usize;
    overwrite(file, format!("{text:<seen$}").as_bytes())?;
    file.set_len(text.len() as u64)
}

pub(super) fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    if !kernel::may_write(bytes.len() as u64) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    kernel::write_at_start(file, bytes)
}

/// The PID in `file`, if there is one. Whether that process is alive and holds the datadir
/// is for the caller to find out.
pub(super) fn read(file: &File) -> Option<u32> {
    // Twice, because a write may be under way: a read in the middle of it may give neither the
    // old number nor the new one.
    let (first, second) = (read_once(file)?, read_once(file)?);
    (first == second).then_some(first)
}

fn read_once(file: &File) -> Option<u32> {
    let mut bytes = [0; READ];
    let length = kernel::read_at_start(file, &mut bytes).ok()?;
    parse(&bytes[..length])
}

/// The number that stands alone on the first line, with or without blanks around it. The
/// line need not end.
pub(super) fn parse(bytes: &[u8]) -> Option<u32> {
    let line = bytes.split(|&byte| byte == b'\n').next()?;
    let digits = line.trim_ascii();
    let digits_only = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    // Zero is not a process, and nobody writes leading zeros.
    if !digits_only || digits[0] == b'0' {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_understood_in_every_spelling() {
        let spellings: [&[u8]; 9] = [
            b"4242",
            b"4242\n",
            b"4242\r\n",
            b"4242      \n",
            b"4242      ",
            b"  4242",
            b"\t4242\t\n",
            b"4242\n\n",
            b"4242      \nleft over from a longer file",
        ];
        for bytes in spellings {
            assert_eq!(
                parse(bytes),
                Some(4242),
                "{:?}",
                bytes.escape_ascii().to_string()
            );
        }
        assert_eq!(parse(b"4294967295"), Some(u32::MAX));
    }

    #[test]
    fn anything_else_is_nobody() {
        let no_pids: [&[u8]; 14] = [
            b"",
            b"\n4242",
            b"          \n",
            b"0",
            b"0         \n",
            b"0042      \n",
            b"4294967296\n",
            b"+42       \n",
            b"-42       \n",
            b"4 2       \n",
            b"42\x0042\n",
            b"\x00\x00\x0042\n",
            b"\xff\xfe4242\n",
            b"11111111111111111111111111111111",
        ];
        for bytes in no_pids {
            assert_eq!(parse(bytes), None, "{:?}", bytes.escape_ascii().to_string());
        }
    }

    #[test]
    fn every_number_replaces_every_other() {
        let mut file = tempfile::tempfile().unwrap();
        let content = |file: &mut File| {
            use std::io::{Read, Seek};
            let mut content = String::new();
            file.rewind().unwrap();
            file.read_to_string(&mut content).unwrap();
            content
        };
        for pid in [1, 4242, u32::MAX, 17, u32::MAX, 1] {
            write(&file, pid).unwrap();
            assert_eq!(content(&mut file), pid.to_string());
            assert_eq!(read(&file), Some(pid));
        }
        clear(&file, 1).unwrap();
        assert_eq!(content(&mut file), " ");
        assert_eq!(read(&file), None);
    }
}
