//! Whatever stands in `LOCK`: no wrong process is reported, nothing hangs, nothing
//! large is read.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use crosslock::PidLockError;

use crate::child::{Answer, holder, open_elsewhere};
use crate::folder;
use crate::managers::{Kind, with_each_manager};

with_each_manager! {
    the_record_is_the_bare_number
    every_spelling_is_read
    garbage_names_nobody
    a_dead_process_is_not_reported
    a_gigabyte_is_not_read
    the_record_is_blank_after_a_clean_end
    what_was_there_before_does_not_matter
}

fn reported(kind: Kind, datadir: &Path) -> Option<u32> {
    match kind.open(datadir) {
        Err(PidLockError::AlreadyHeld { pid, .. }) => pid,
        other => panic!("{other:?}"),
    }
}

/// Other programs compare the whole file with a process id.
fn the_record_is_the_bare_number(kind: Kind) {
    let folder = folder::new();
    let lock = folder.path().join("LOCK");
    let me = std::process::id().to_string();
    for found in [
        None,
        Some(""),
        Some("1"),
        Some("99999999"),
        Some("21791     \n"),
        Some("a line\nand one more, longer than anyone reads\n"),
    ] {
        if let Some(found) = found {
            fs::write(&lock, found).unwrap();
        }
        let first = kind.open(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&lock).unwrap(), me, "after {found:?}");
        drop(first);
        // And over what a manager leaves behind.
        let _second = kind.open(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&lock).unwrap(), me, "after {found:?}");
    }
}

fn every_spelling_is_read(kind: Kind) {
    let folder = folder::new();
    let first = holder(kind, folder.path());
    let pid = first.id();
    for spelling in [
        format!("{pid}"),
        format!("{pid}\n"),
        format!("{pid}\r\n"),
        format!("{pid:<10}\n"),
        format!("{pid:>10}"),
        format!("{pid}\nand more"),
    ] {
        fs::write(folder.path().join("LOCK"), &spelling).unwrap();
        assert_eq!(reported(kind, folder.path()), Some(pid), "{spelling:?}");
    }
}

fn garbage_names_nobody(kind: Kind) {
    let folder = folder::new();
    let first = holder(kind, folder.path());
    let pid = first.id().to_string();
    let half = &pid[..pid.len() / 2];
    let lock = folder.path().join("LOCK");
    let garbage = [
        "".to_owned(),
        "garbage\n".to_owned(),
        half.to_owned(),
        // Whole, but of another process, or of none.
        format!("{half}\n"),
        format!("-{pid}\n"),
        format!("{pid}{pid}\n"),
        format!("\0{pid}\n"),
        "0\n".to_owned(),
        "4294967295\n".to_owned(),
        "99999999999999999999\n".to_owned(),
        "\n".repeat(100),
    ];
    for content in garbage {
        fs::write(&lock, &content).unwrap();
        let reported = reported(kind, folder.path());
        // Where a process cannot be asked for its files, one that exists has to be
        // believed; half the number of one may be that of another.
        let believed = cfg!(not(target_os = "linux")) && content.trim_end() == half;
        assert!(reported.is_none() || believed, "{content:?}: {reported:?}");
    }
    // It still holds, and is named again as soon as the record is whole.
    fs::write(&lock, pid).unwrap();
    assert_eq!(reported(kind, folder.path()), Some(first.id()));
}

fn a_dead_process_is_not_reported(kind: Kind) {
    let folder = folder::new();
    let dead = holder(kind, folder.path());
    let id = dead.id();
    dead.kill();
    let lock = folder.path().join("LOCK");
    let left_over = fs::read(&lock).unwrap();
    assert_eq!(left_over, id.to_string().as_bytes());

    let _first = kind.open(folder.path()).unwrap();
    fs::write(&lock, left_over).unwrap();
    assert_eq!(reported(kind, folder.path()), None);
}

fn a_gigabyte_is_not_read(kind: Kind) {
    let folder = folder::new();
    let lock = folder.path().join("LOCK");
    let digits = b"1".repeat(1 << 16);
    fs::write(&lock, digits).unwrap();
    File::options()
        .write(true)
        .open(&lock)
        .unwrap()
        .set_len(1 << 30)
        .unwrap();

    let start = Instant::now();
    let first = kind.open(folder.path()).unwrap();
    assert_eq!(reported(kind, folder.path()), Some(std::process::id()));
    assert_eq!(
        open_elsewhere(kind, folder.path()),
        Answer::Held(Some(std::process::id()))
    );
    // Shortened to the record, where it was longer.
    let length = fs::metadata(&lock).unwrap().len();
    assert_eq!(length, std::process::id().to_string().len() as u64);
    drop(first);
    // Reading it all would take longer, and a gigabyte of memory.
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
}

fn the_record_is_blank_after_a_clean_end(kind: Kind) {
    let folder = folder::new();
    holder(kind, folder.path()).finish();
    let left_over = fs::read_to_string(folder.path().join("LOCK")).unwrap();
    assert_eq!(left_over.trim(), "");
}

fn what_was_there_before_does_not_matter(kind: Kind) {
    let me = std::process::id();
    for content in [
        "",
        "1",
        "4242\n",
        "garbage that is longer than a record\n",
        "\0\0\0",
    ] {
        let folder = folder::new();
        fs::write(folder.path().join("LOCK"), content).unwrap();
        let _first = kind.open(folder.path()).unwrap();
        assert_eq!(reported(kind, folder.path()), Some(me), "{content:?}");
    }
}
