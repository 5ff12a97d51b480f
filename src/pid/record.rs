//! What stands in `LOCK`: the holder's process id, for people and for the message
//! of [`AlreadyHeld`](crate::PidLockError::AlreadyHeld).
//!
//! It is the bare decimal number, with nothing behind it: `4242`. Other programs on the
//! same datadir write and compare just that. It is written over what was there, and the
//! file is shortened only where it is longer: truncating it at every opening would cost
//! fifty times as much on a disk, and leave a moment in which it is empty.
//!
//! Nothing of this is needed for the lock, so nothing of it may cost the process: see
//! [`kernel::may_write`].

use std::fs::File;
use std::io;

use super::kernel;

/// Any spelling of a number fits, and whatever the file holds, no more of it is read.
const READ: usize = 32;

pub(super) fn write(file: &File, pid: u32) -> io::Result<()> {
    replace(file, &pid.to_string())
}

/// Blanks the record of `pid`, so that nobody reports a process that holds nothing any
/// more. In place, so that the next one, which is most likely as long, need not make the
/// file grow.
pub(super) fn clear(file: &File, pid: u32) -> io::Result<()> {
    let digits = pid.to_string().len();
    overwrite(file, &[b' '; READ][..digits])
}

/// Makes `text` all that the file holds.
fn replace(file: &File, text: &str) -> io::Result<()> {
    let found = file.metadata()?.len();
    if found <= text.len() as u64 {
        return overwrite(file, text.as_bytes());
    }
    // First as far as anyone reads, so that nobody sees the new number with the end of
    // the old one behind it. Then the rest goes.
    let seen = found.min(READ as u64) as usize;
    overwrite(file, format!("{text:<seen$}").as_bytes())?;
    file.set_len(text.len() as u64)
}

fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    if !kernel::may_write(bytes.len() as u64) {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    kernel::write_at_start(file, bytes)
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

/// A number alone on the first line, which need not end: with or without blanks around it.
fn parse(bytes: &[u8]) -> Option<u32> {
    let line = bytes.split(|&byte| byte == b'\n').next()?;
    let digits = line.trim_ascii();
    let digits_only = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    // Zero is no process, and nobody writes leading zeros.
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
    fn every_record_replaces_every_other() {
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
