//! [`Pool`]: the memory of the npm package's wasm, in blocks whose sizes are powers of two.
//!
//! Rust's own allocator for wasm is 7 kB of code, a quarter of all that a page would
//! load. This one splits large blocks and never joins small ones again, so memory that
//! was once cut for small things serves small things from then on. That fits what is
//! allocated here: keys, requests and futures, of a few small sizes that come and go.
//!
//! Only where we are the whole module: an application that compiles crosslock into its
//! own wasm has an allocator of its own choice.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};

/// A page of wasm's memory: the unit in which it grows.
const PAGE_ORDER: usize = 16;

/// Room for the link of a free block.
const SMALLEST_ORDER: usize = 4;

/// A free block, as the link to the next one of its size.
struct Free(Option<NonNull<Free>>);

/// `grow(pages)` gives that many consecutive new pages, aligned to a page, or null.
pub(crate) struct Pool {
    /// By order: the blocks in a list have `1 << order` bytes.
    free: UnsafeCell<[Option<NonNull<Free>>; usize::BITS as usize]>,
    grow: fn(pages: usize) -> *mut u8,
}

// SAFETY: it is used in wasm without threads, and in tests by one thread.
unsafe impl Sync for Pool {}

impl Pool {
    pub(crate) const fn new(grow: fn(usize) -> *mut u8) -> Self {
        Self {
            free: UnsafeCell::new([None; usize::BITS as usize]),
            grow,
        }
    }

    /// The list of free blocks of an order.
    ///
    /// # Safety
    ///
    /// No other reference into the lists may be alive.
    #[expect(clippy::mut_from_ref, reason = "what the safety section is about")]
    unsafe fn list(&self, order: usize) -> &mut Option<NonNull<Free>> {
        // SAFETY: nobody else has a reference, by the promise of the caller, nor another
        // thread. The order is that of a layout, whose size has fewer bits than a usize.
        unsafe { (*self.free.get()).get_unchecked_mut(order) }
    }

    /// A block, aligned to its size or to a page, whichever is less; or null.
    fn take(&self, order: usize) -> *mut u8 {
        // SAFETY: the reference ends before anything else is called.
        let list = unsafe { self.list(order) };
        if let Some(block) = *list {
            // SAFETY: a block in the list is free, and holds the link that `put` wrote.
            *list = unsafe { block.read().0 };
            return block.as_ptr().cast();
        }
        if order >= PAGE_ORDER {
            return (self.grow)(1 << (order - PAGE_ORDER));
        }
        let whole = self.take(order + 1);
        if !whole.is_null() {
            // SAFETY: the upper half of a block that nobody else has.
            unsafe { self.put(whole.add(1 << order), order) };
        }
        whole
    }

    /// # Safety
    ///
    /// `block` must have `1 << order` bytes that nobody uses any more.
    unsafe fn put(&self, block: *mut u8, order: usize) {
        // SAFETY: the reference ends with this function, which calls nothing.
        let list = unsafe { self.list(order) };
        let block = block.cast::<Free>();
        // SAFETY: nobody uses the block, and the smallest one has room for a link.
        unsafe {
            block.write(Free(*list));
            *list = Some(NonNull::new_unchecked(block));
        }
    }
}

fn order(layout: Layout) -> usize {
    let size = layout.size().max(layout.align()).max(1 << SMALLEST_ORDER);
    (usize::BITS - (size - 1).leading_zeros()) as usize
}

// SAFETY: a block has at least the size of its layout and, being aligned to its own size
// or a page, the alignment. It is in no list from `take` to `put`, so nobody else gets it.
unsafe impl GlobalAlloc for Pool {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(order(layout))
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is that `block` was allocated with this layout.
        unsafe { self.put(block, order(layout)) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is that this is a layout.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if order(new) == order(layout) {
            return block;
        }
        let moved = self.take(order(new));
        if !moved.is_null() {
            // SAFETY: two blocks, each at least as long as the shorter layout; the old one
            // is free after this.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.put(block, order(layout));
            }
        }
        moved
    }
}

#[cfg(all(target_family = "wasm", not(test)))]
mod global {
    use std::arch::wasm32::memory_grow;

    #[global_allocator]
    static POOL: super::Pool = super::Pool::new(|pages| match memory_grow::<0>(pages) {
        usize::MAX => std::ptr::null_mut(),
        first => (first << super::PAGE_ORDER) as *mut u8,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc;

    fn pool() -> Pool {
        Pool::new(|pages| {
            let layout = Layout::from_size_align(pages << PAGE_ORDER, 1 << PAGE_ORDER).unwrap();
            // SAFETY: the size is not zero. It is never given back, as wasm's memory is not.
            unsafe { alloc::alloc(layout) }
        })
    }

    #[test]
    fn blocks_keep_their_contents_apart() {
        let pool = pool();
        let sizes = [1, 8, 16, 17, 24, 100, 128, 4000, 70_000, 200_000];
        let mut blocks = Vec::new();
        // A fixed sequence that looks random (a linear congruential generator).
        let mut seed = 1_u32;
        for step in 0..5000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let pick = (seed >> 16) as usize;
            let mark = step as u8;
            let layout =
                Layout::from_size_align(sizes[pick % sizes.len()], 1 << (pick % 8)).unwrap();
            // SAFETY: each block is used as long as its layout, and freed once.
            unsafe {
                if !pick.is_multiple_of(3) || blocks.is_empty() {
                    let block = pool.alloc(layout);
                    assert!(!block.is_null() && block.addr().is_multiple_of(layout.align()));
                    block.write_bytes(mark, layout.size());
                    blocks.push((block, layout, mark));
                    continue;
                }
                let (block, old, mark) = blocks.swap_remove(pick % blocks.len());
                let bytes = std::slice::from_raw_parts(block, old.size());
                assert!(bytes.iter().all(|&byte| byte == mark));
                if pick.is_multiple_of(2) {
                    pool.dealloc(block, old);
                    continue;
                }
                let block = pool.realloc(block, old, layout.size());
                let kept = std::slice::from_raw_parts(block, old.size().min(layout.size()));
                assert!(kept.iter().all(|&byte| byte == mark));
                let new = Layout::from_size_align(layout.size(), old.align()).unwrap();
                block.write_bytes(mark, new.size());
                blocks.push((block, new, mark));
            }
        }
    }

    #[test]
    fn a_freed_block_is_the_next_to_be_used() {
        let pool = pool();
        let layout = Layout::from_size_align(40, 8).unwrap();
        // SAFETY: the block is freed once, and only its address is used after that.
        unsafe {
            let first = pool.alloc(layout);
            pool.dealloc(first, layout);
            assert_eq!(pool.alloc(layout), first);
        }
    }
}
