//! SIGKILL, a thousand times over: one owner at any time, and never a stuck datadir.

use std::process::Command;
use std::sync::mpsc::{self, Sender};
use std::thread;

use crate::child::{self, Process, open_elsewhere, task, tell, wait_for_parent};
use crate::folder;
use crate::managers::{Kind, LONG, with_each_manager};

with_each_manager! {
    killed_over_and_over
}

/// Wine takes a tenth of a second to start a process, and an emulator longer. For these there is
/// `CROSSLOCK_TEST_KILLS`.
fn kills() -> usize {
    let kills = if cfg!(windows) { 50 } else { 1000 };
    std::env::var("CROSSLOCK_TEST_KILLS").map_or(kills, |kills| kills.parse().unwrap())
}

const CONTENDERS: usize = 8;

/// Of eight contenders the one that gets in is killed, and another one started, a
/// thousand times; now and then one of those that wait is killed too.
///
/// Two things would betray an overlap. This process hears of every owner, and kills
/// it only then, so no second one may come forward before that. And every owner
/// takes a lock on a [witness](Witness), at once and without waiting, which must
/// never be held.
fn killed_over_and_over(kind: Kind) {
    kill_over_and_over(&[(CONTENDER, kind)]);
}

/// One process uses flock, the other fcntl, a third one is on an old kernel.
#[test]
#[cfg(target_os = "linux")]
fn all_kinds_at_once() {
    let on_an_old_kernel = match crate::filter::is_possible() {
        true => "linux::contender_on_an_old_kernel",
        false => CONTENDER,
    };
    kill_over_and_over(&[
        (CONTENDER, Kind::Flock),
        (CONTENDER, Kind::Fcntl),
        (on_an_old_kernel, Kind::Fcntl),
        (CONTENDER, Kind::Fcntl),
        (on_an_old_kernel, Kind::Flock),
    ]);
}

/// The contenders take turns in what they are.
fn kill_over_and_over(sorts: &[(&str, Kind)]) {
    let folder = folder::new();
    let (heard, news) = mpsc::channel();
    let mut sorts = sorts.iter().cycle();
    let mut start = |place: usize| {
        let &(test, kind) = sorts.next().expect("it never ends");
        let command = child::command(test, kind, folder.path());
        Contender::start(command, place, heard.clone())
    };
    let mut contenders: Vec<Contender> = (0..CONTENDERS).map(&mut start).collect();

    let (mut kills, enough) = (0, kills());
    while kills < enough {
        let Ok((place, id, message)) = news.recv_timeout(LONG) else {
            panic!("nobody gets in after {kills} kills: the datadir is stuck");
        };
        // One that was killed may have got in and said so before it died.
        if contenders[place].id != id {
            continue;
        }
        assert_eq!(message, "owner", "after {kills} kills");
        // Whoever came forward by now did so while this one was the owner.
        while let Ok((place, other, message)) = news.try_recv() {
            let alive = contenders[place].id == other;
            assert!(!alive, "{other} says {message:?} while {id} is the owner");
        }
        if kills % 5 == 0 {
            // Wherever it is in opening the datadir.
            let bystander = (place + 1 + kills % (CONTENDERS - 1)) % CONTENDERS;
            contenders[bystander] = start(bystander);
            kills += 1;
        }
        contenders[place] = start(place);
        kills += 1;
    }
    drop(contenders);
    for &kind in Kind::ALL {
        assert_eq!(open_elsewhere(kind, folder.path()), child::Answer::Opened);
    }
}

/// A process that wants the datadir, and a thread that hears it say so. Dropping it
/// kills the process.
struct Contender {
    id: u32,
    _process: Box<dyn std::any::Any>,
}

impl Contender {
    fn start(command: Command, place: usize, heard: Sender<(usize, u32, String)>) -> Self {
        let process = Process::start(command);
        let id = process.id();
        let (process, mut output) = process.split();
        // Ends with the process, and its output with it.
        thread::spawn(move || {
            while let Some(message) = child::hear(&mut output) {
                let _ = heard.send((place, id, message));
            }
        });
        let _process = Box::new(process);
        Self { id, _process }
    }
}

const CONTENDER: &str = "death::contender";

#[test]
#[ignore = "a child process of the other tests"]
pub(crate) fn contender() {
    let Some((kind, datadir)) = task() else {
        return;
    };
    let witness = Witness::new(&datadir);
    let _manager = kind.open_timeout(&datadir, LONG).unwrap();
    tell(if witness.is_alone() {
        "owner"
    } else {
        "overlap"
    });
    wait_for_parent();
}

/// A file that only the owner of the datadir locks, in a way that the system frees
/// before the datadir when the owner dies. Else the next owner would see the old one
/// in it, although there was no overlap.
///
/// On Unix that is a classic record lock: a dying process closes its descriptors in
/// ascending order, and each such lock goes with its descriptor. Open file
/// description locks and `flock` go with the open file, which on Linux ends after
/// all descriptors are closed. The descriptor is a lower one than that of `LOCK`, so
/// the order is right even where `LOCK` has a classic lock too.
struct Witness {
    #[cfg(unix)]
    file: std::fs::File,
}

#[cfg(unix)]
impl Witness {
    fn new(datadir: &std::path::Path) -> Self {
        let path = datadir.join("witness");
        let mut options = std::fs::File::options();
        let file = options.write(true).create(true).truncate(false).open(path);
        Self {
            file: file.unwrap(),
        }
    }

    fn is_alone(&self) -> bool {
        use std::os::fd::AsRawFd;
        // SAFETY: zero is a valid value of every field, and means the whole file.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as _;
        // SAFETY: `F_SETLK` reads a lock through its argument, and `lock` lives until
        // the call is over.
        unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_SETLK, &raw const lock) == 0 }
    }
}

/// Windows frees locks of a dead process when it comes to it, in no certain order:
/// no witness would prove anything. What this process hears has to do.
#[cfg(windows)]
impl Witness {
    fn new(_datadir: &std::path::Path) -> Self {
        Self {}
    }

    fn is_alone(&self) -> bool {
        true
    }
}
