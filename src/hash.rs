//! [`BuildHasher`]: how the maps of this crate hash.
//!
//! Natively that is foldhash, the fastest we know. In wasm the size of the code counts
//! more, and a page that chose keys which collide would harm itself alone.

#[cfg(not(any(target_family = "wasm", loom)))]
pub(crate) use foldhash::fast::RandomState as BuildHasher;

#[cfg(target_family = "wasm")]
pub(crate) type BuildHasher = std::hash::BuildHasherDefault<small::Fnv>;

/// Under loom, which wants to repeat each run, it is the same in all of them.
#[cfg(all(loom, not(target_family = "wasm")))]
pub(crate) type BuildHasher = std::hash::BuildHasherDefault<repeatable::Sum>;

#[cfg(all(loom, not(target_family = "wasm")))]
mod repeatable {
    /// The sum of all bytes, twice, so that it picks the shard, too.
    #[derive(Debug, Default)]
    pub(crate) struct Sum(u64);

    impl std::hash::Hasher for Sum {
        fn write(&mut self, bytes: &[u8]) {
            self.0 += bytes.iter().copied().map(u64::from).sum::<u64>();
        }

        fn finish(&self) -> u64 {
            self.0 << 32 | self.0
        }
    }
}

#[cfg(target_family = "wasm")]
mod small {
    /// [FNV-1a](https://datatracker.ietf.org/doc/html/rfc9923) with 32 bits, as many as
    /// a pointer has here.
    #[derive(Debug)]
    pub(crate) struct Fnv(u32);

    impl Default for Fnv {
        fn default() -> Self {
            Self(0x811c_9dc5)
        }
    }

    impl std::hash::Hasher for Fnv {
        fn write(&mut self, bytes: &[u8]) {
            for &byte in bytes {
                self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            }
        }

        fn finish(&self) -> u64 {
            // A map looks at the low bits for the place and at the highest for the tag.
            u64::from(self.0) << 32 | u64::from(self.0)
        }
    }
}
