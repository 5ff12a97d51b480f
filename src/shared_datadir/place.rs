//! [`Place`]: where a key is locked. It is part of the protocol: all processes on a datadir must
//! find the same place, whatever version of this crate they use.

use super::protocol::REGION;

/// Over how many files the keys are spread. The kernel has the locks of a file in one list and
/// walks through it at every call, so many keys that are held at once would make each other
/// slow: a thousand in one file cost 21 µs where one costs 2.
pub(super) const FILES: usize = 128;

/// How many bits of the hash choose the region within the file. Regions end below 2^62, so
/// offsets are positive on every system.
const REGION_BITS: u32 = 46;

/// A region of one of the files.
///
/// Two keys share a region if 53 bits of their hashes are equal. Then they exclude each other
/// between processes, as if they were one key: that delays, and is never less than exclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) file: usize,
    /// The first byte of the region.
    pub(super) start: u64,
}

impl Place {
    pub(super) fn of(key: &str) -> Self {
        let hash = hash(key.as_bytes());
        Self {
            file: (hash >> (64 - FILES.trailing_zeros())) as usize,
            start: (hash & ((1 << REGION_BITS) - 1)) * REGION,
        }
    }
}

/// The name of a file in `LOCKS`: two hexadecimal digits.
pub(super) fn file_name(file: usize) -> String {
    format!("{file:02x}")
}

/// FNV-1a of 64 bits, and the finaliser of MurmurHash3, by which every bit of the key counts in
/// every bit of the hash. Both are public and simple enough for an implementation in another
/// language.
fn hash(key: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for &byte in key {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::super::protocol::TICKETS;
    use super::*;

    /// Whoever changes these lets two versions hold one key.
    #[test]
    fn places_are_the_same_for_ever() {
        assert_eq!((TICKETS, REGION), (65_535, 65_536));
        let place = |key| {
            let Place { file, start } = Place::of(key);
            (file, start / REGION)
        };
        // Computed by a few lines of Python.
        assert_eq!(place("a"), (65, 45460781715035));
        assert_eq!(place("lightning.send.42"), (106, 55911346709165));
    }

    #[test]
    fn places_are_spread() {
        let mut files = [0; FILES];
        for n in 0..FILES * 100 {
            let place = Place::of(&format!("key.{n}"));
            assert!(place.start + REGION <= 1 << 62);
            files[place.file] += 1;
        }
        assert!(files.iter().all(|&keys| (50..200).contains(&keys)));
    }
}
