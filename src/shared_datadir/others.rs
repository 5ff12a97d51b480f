//! [`Region`]: who has a place in the queue of a key, in this process and in others, as of one moment.
//!
//! The kernel knows which bytes are locked, and in which mode. By the rule of the
//! [protocol](super::protocol) that says who holds and who waits. It does not know keys, so one
//! has to ask for each by its name.

use std::io;

use super::datadir::SharedDatadir;
use super::files::Unusable;
use super::place::Place;
use super::processes::Processes;
use super::protocol::TICKETS;
use crate::datadir_lock::kernel::FileId;
use crate::error::Contention;
use crate::guard::LockMode;

/// How many places of others are looked for in a queue.
const MOST: usize = 128;

/// What is locked of a region.
#[derive(Debug)]
pub(super) struct Region {
    file: FileId,
    place: Place,
    own: Option<Locked>,
    /// Those of other processes, and of other managers of this one, the lowest first.
    others: Vec<Locked>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Locked {
    byte: u64,
    mode: LockMode,
}

/// A request of another process.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) mode: LockMode,
    pub(super) is_held: bool,
    /// Whether it comes before what this process has or wants. All do if it has no place yet.
    pub(super) is_ahead: bool,
    byte: u64,
}

impl Region {
    pub(super) fn look(datadir: &SharedDatadir, place: Place) -> Result<Self, Unusable> {
        let file = datadir.files().at(place);
        let looked = file.inspect(place, |ticket, kernel| {
            let own = ticket.and_then(|ticket| ticket.locked());
            let own = own.map(|(byte, mode)| Locked { byte, mode });
            let mut others = Vec::new();
            // What is locked of this process may look like that of others.
            let around = match own {
                Some(own) => [0..own.byte, own.byte + 1..TICKETS],
                None => [0..TICKETS, 0..0],
            };
            for mut bytes in around {
                while others.len() < MOST
                    && let Some((byte, mode, end)) = kernel.lowest_lock(bytes.clone())?
                {
                    others.push(Locked { byte, mode });
                    bytes.start = end;
                }
            }
            io::Result::Ok((own, others))
        });
        looked.map(|(file, (own, others))| Self {
            file,
            place,
            own,
            others,
        })
    }

    /// The requests of others, in the order of the queue.
    pub(super) fn others(&self) -> Vec<Other> {
        let in_the_way = |of: &Locked, earlier: &Locked| {
            let conflict = LockMode::Exclusive;
            earlier.byte < of.byte && (of.mode == conflict || earlier.mode == conflict)
        };
        let others = self.others.iter().map(|other| {
            let mut all = self.others.iter().chain(&self.own);
            Other {
                mode: other.mode,
                is_held: !all.any(|earlier| in_the_way(other, earlier)),
                is_ahead: self.own.is_none_or(|own| other.byte < own.byte),
                byte: other.byte,
            }
        });
        others.collect()
    }

    /// Who made a request, in words.
    pub(super) fn client(&self, other: &Other, processes: &Processes) -> String {
        let name = processes.name(self.file, self.place.start + other.byte);
        name.unwrap_or_else(|| String::from("another process"))
    }

    /// Whether all who have a place are known.
    pub(super) fn are_known(&self, processes: &Processes) -> bool {
        let known = |other: &Locked| processes.knows(self.file, self.place.start + other.byte);
        self.others.iter().all(known)
    }
}

/// What is known of others that have the key at `place` while this process waits for it. `None` if it
/// does not wait for any.
pub(super) fn contention(datadir: &SharedDatadir, place: Place) -> Option<Contention> {
    let file = datadir.files().at(place);
    let since = file.look(place, |ticket| ticket.pending_since())??;
    let mut contention = Contention {
        holder: Some(String::from("another process")),
        held_for: Some(since.elapsed()),
        ..Contention::default()
    };
    // It is told of a timeout, which an error here would not make any clearer.
    let Ok(region) = Region::look(datadir, place) else {
        return Some(contention);
    };
    let ahead = region.others();
    let ahead = || ahead.iter().filter(|other| other.is_ahead);
    if let Some(holder) = ahead().find(|other| other.is_held) {
        let processes = datadir.processes(|found| region.are_known(found));
        contention.holder = Some(region.client(holder, &processes));
    }
    let waiting = ahead().filter(|other| !other.is_held).count();
    contention.ahead = Some(waiting.min(Contention::MAX_AHEAD));
    Some(contention)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_os = "linux")]
    use crate::{
        datadir_lock::DatadirOptions, shared_datadir::datadir, shared_datadir::request::Request,
    };
    use LockMode::{Exclusive, Shared};

    fn told(own: Option<(u64, LockMode)>, others: &[(u64, LockMode)]) -> Vec<(bool, bool)> {
        let locked = |&(byte, mode): &(u64, LockMode)| Locked { byte, mode };
        let file = tempfile::tempfile().unwrap();
        let region = Region {
            file: FileId::from(&file.metadata().unwrap()),
            place: Place::of("key"),
            own: own.as_ref().map(locked),
            others: others.iter().map(locked).collect(),
        };
        let others = region.others();
        others.iter().map(|it| (it.is_held, it.is_ahead)).collect()
    }

    /// By the kernel's word, as another process would be told of this one.
    #[cfg(target_os = "linux")]
    #[test]
    fn all_are_known_who_were_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = || DatadirOptions::new(folder.path());
        let [one, two, other] = [(); 3].map(|()| datadir::open(options()).expect("it is shared"));
        let held = [&one, &two].map(|locks| {
            Request::asked(locks.handle(), "key", Shared).expect("nobody else wants it")
        });
        let look = || Region::look(other.handle(), Place::of("key")).expect("the file is there");
        let region = look();
        assert_eq!(region.others().len(), 2);
        let nobody = Processes::default();
        assert!(!region.are_known(&nobody));
        let found = other.handle().processes(|found| region.are_known(found));
        assert!(region.are_known(&found));
        drop(held);
        assert!(look().are_known(&nobody));
    }

    #[test]
    fn who_holds_is_what_the_queue_says() {
        assert_eq!(told(None, &[]), []);
        assert_eq!(told(None, &[(7, Exclusive)]), [(true, true)]);
        let queue = [(0, Shared), (2, Shared), (3, Exclusive), (5, Shared)];
        let (held, waits) = ((true, true), (false, true));
        assert_eq!(told(None, &queue), [held, held, waits, waits]);
        // This process is in front of some of them.
        let behind = (false, false);
        assert_eq!(
            told(Some((4, Exclusive)), &queue),
            [held, held, waits, behind]
        );
        assert_eq!(told(Some((0, Exclusive)), &queue[1..]), [behind; 3]);
        assert_eq!(told(Some((0, Shared)), &queue[1..2]), [(true, false)]);
    }
}
