//! What others may have written: the record in `LOCK`, and what the kernel lists.

use std::fs::File;
use std::io::{Read, Seek, Write};

use super::{holder_pid, kernel};

/// Whatever was in the file, the number that is written over it is read, and nothing else is left.
pub(crate) fn holder_pid(data: &[u8]) {
    let (pid, content) = data.split_first_chunk().unwrap_or((&[0; 4], data));
    let pid = u32::from_le_bytes(*pid).max(1);

    let parsed = holder_pid::parse(content);
    assert_eq!(
        parsed,
        naive(content),
        "{:?}",
        content.escape_ascii().to_string()
    );

    let mut file = in_memory();
    file.write_all(content).expect("it is in memory");
    // It reads 32 bytes, and a process that is named is one that the whole first line names.
    let start = &content[..content.len().min(32)];
    assert_eq!(holder_pid::read(&file), naive(start));

    holder_pid::write(&file, pid).expect("it is in memory");
    assert_eq!(text(&mut file), pid.to_string());
    assert_eq!(holder_pid::read(&file), Some(pid));
    holder_pid::clear(&file, pid).expect("it is in memory");
    assert_eq!(holder_pid::read(&file), None);
}

/// The rule once more, by text: a number that stands alone on the first line.
fn naive(content: &[u8]) -> Option<u32> {
    let line = content.split(|&byte| byte == b'\n').next()?;
    let number = std::str::from_utf8(line).ok()?;
    let number = number.trim_matches(|char| " \t\n\r\x0c".contains(char));
    let pid: u32 = number.parse().ok()?;
    (pid > 0 && pid.to_string() == number).then_some(pid)
}

/// A file with no name, which this thread keeps.
fn in_memory() -> File {
    tempfile::tempfile_in("/dev/shm").expect("there is memory")
}

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().expect("it is a file");
    file.read_to_string(&mut text).expect("it is a number");
    text
}

/// A line of `/proc/locks` as the kernel writes it is understood, and any other is harmless. The same for
/// `/proc/PID/stat`.
pub(crate) fn proc_locks(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let inode = u64::from(data.first().copied().unwrap_or(0));
    for line in text.lines() {
        let found = kernel::lock_holder(line, inode);
        if found.is_some() {
            assert!(line.contains(&format!(":{inode}")) || line.contains(&inode.to_string()));
            assert!(
                !line.contains("->") || !line.split_whitespace().any(|word| word == "->") || {
                    line.split_ascii_whitespace().nth(1) != Some("->")
                }
            );
        }
        kernel::has_ended(line);
    }

    let Some((numbers, name)) = data.split_first_chunk::<13>() else {
        return;
    };
    let number =
        |at: usize| u32::from_le_bytes(numbers[at..at + 4].try_into().expect("four bytes"));
    let (nth, pid, inode) = (number(0), number(4), u64::from(number(8)));
    let kind = ["FLOCK ", "POSIX ", "OFDLCK", "LEASE "][usize::from(numbers[12] & 3)];
    let waits = numbers[12] & 4 != 0;
    let arrow = if waits { "-> " } else { "" };
    let range = if numbers[12] & 8 != 0 {
        "0 EOF"
    } else {
        "1073741824 1073742335"
    };
    let line = format!("{nth}: {arrow}{kind} ADVISORY  WRITE {pid} fe:00:{inode} {range}");
    let expected = (!waits).then_some(Some(pid));
    assert_eq!(kernel::lock_holder(&line, inode), expected, "{line}");
    assert_eq!(kernel::lock_holder(&line, inode + 1), None, "{line}");

    // A process may call itself anything of 15 bytes.
    let name = String::from_utf8_lossy(&name[..name.len().min(15)]);
    for (state, is_over) in [
        ('S', false),
        ('R', false),
        ('D', false),
        ('Z', true),
        ('X', true),
    ] {
        let stat = format!("{pid} ({name}) {state} 1 4242 4242 0 -1 4194304");
        assert_eq!(kernel::has_ended(&stat), is_over, "{stat:?}");
    }
}
