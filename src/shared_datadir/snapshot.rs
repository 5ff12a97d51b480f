//! What [`query`](crate::LockManager::query) shows: the requests of this process, and what others have of
//! the same keys.

use std::collections::{HashMap, HashSet};

use super::SharedDatadirLockManager;
use super::others::Region;
use super::place::Place;
use crate::error::LockError;
use crate::hash::BuildHasher;
use crate::snapshot::{LockInfo, LockSnapshot};

impl SharedDatadirLockManager {
    /// Of all keys that this process uses, or of these.
    pub(crate) fn snapshot(&self, keys: Option<Vec<String>>) -> Result<LockSnapshot, LockError> {
        let own = self.own_requests()?;
        let keys = keys.unwrap_or_else(|| {
            let all = own.held.iter().chain(&own.pending);
            all.map(|info| info.key.clone()).collect()
        });
        let mut own = by_key(own);
        // Each once, in the order in which they were found.
        let mut known = HashSet::with_hasher(BuildHasher::default());
        let keys = keys.into_iter().filter(|key| known.insert(key.clone()));
        let datadir = self.locks.handle();
        let mut regions = Vec::new();
        for key in keys {
            let region = Region::look(datadir, Place::of(&key));
            let region = region.map_err(|unusable| datadir.cannot_use(&key, unusable))?;
            regions.push((key, region));
        }
        let processes = datadir.processes(|found| {
            let mut regions = regions.iter();
            regions.all(|(_, region)| region.are_known(found))
        });
        let mut snapshot = LockSnapshot::default();
        for (key, region) in &regions {
            let own = own.remove(key).unwrap_or_default();
            snapshot.held.extend(own.held);
            let mut behind = Vec::new();
            for other in region.others() {
                let mut info = LockInfo::new(key, other.mode);
                info.client = Some(region.client(&other, &processes));
                match (other.is_held, other.is_ahead) {
                    (true, _) => snapshot.held.push(info),
                    (false, true) => snapshot.pending.push(info),
                    (false, false) => behind.push(info),
                }
            }
            snapshot.pending.extend(own.pending);
            snapshot.pending.append(&mut behind);
        }
        Ok(snapshot)
    }

    fn own_requests(&self) -> Result<LockSnapshot, LockError> {
        let mut snapshot = self.locks.query()?;
        let files = self.locks.handle().files();
        // What is held in the lock table may wait for another process.
        let mut waiting = Vec::new();
        snapshot.held.retain(|info| {
            let place = Place::of(&info.key);
            let holds = files.at(place).look(place, |ticket| ticket.holders() > 0);
            let waits = holds == Some(false);
            if waits {
                waiting.push(info.clone());
            }
            !waits
        });
        waiting.append(&mut snapshot.pending);
        snapshot.pending = waiting;
        Ok(snapshot)
    }
}

/// The requests of each key, in the order in which they were.
fn by_key(all: LockSnapshot) -> HashMap<String, LockSnapshot, BuildHasher> {
    let mut by_key: HashMap<_, LockSnapshot, _> = HashMap::with_hasher(BuildHasher::default());
    for info in all.held {
        by_key.entry(info.key.clone()).or_default().held.push(info);
    }
    for info in all.pending {
        let of_key = by_key.entry(info.key.clone()).or_default();
        of_key.pending.push(info);
    }
    by_key
}
