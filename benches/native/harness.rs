//! Side by side: every contestant of a table runs in every round, so that whatever
//! else the machine does hits all of them alike. What counts is the median over the
//! rounds of the ratio in the same round; nanoseconds only give an idea.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region};

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Whether allocations are counted. Not while the clock runs: to count one takes as long
/// as to make it, which would be charged to whoever allocates.
static COUNTING: AtomicBool = AtomicBool::new(false);

struct Counted;

// SAFETY: every call is passed on as it is to one of two allocators, and as both of them
// are the system's, it does not matter which one frees what the other has allocated.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match COUNTING.load(Relaxed) {
            // SAFETY: the caller keeps the contract of this very method.
            true => unsafe { INSTRUMENTED_SYSTEM.alloc(layout) },
            // SAFETY: as above.
            false => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        match COUNTING.load(Relaxed) {
            // SAFETY: as above.
            true => unsafe { INSTRUMENTED_SYSTEM.dealloc(place, layout) },
            // SAFETY: as above.
            false => unsafe { System.dealloc(place, layout) },
        }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match COUNTING.load(Relaxed) {
            // SAFETY: as above.
            true => unsafe { INSTRUMENTED_SYSTEM.realloc(place, layout, size) },
            // SAFETY: as above.
            false => unsafe { System.realloc(place, layout, size) },
        }
    }
}

/// What `work` did to the heap.
pub(crate) struct Heap {
    pub(crate) allocations: usize,
    /// The bytes that are in use now and were not before.
    pub(crate) left: isize,
}

pub(crate) fn heap(work: impl FnOnce()) -> Heap {
    COUNTING.store(true, Relaxed);
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    work();
    let change = region.change();
    COUNTING.store(false, Relaxed);
    Heap {
        allocations: change.allocations + change.reallocations,
        left: change.bytes_allocated as isize - change.bytes_deallocated as isize,
    }
}

/// Runs one operation so many times, and says how long that took.
type Run<'a> = Box<dyn FnMut(u32) -> Duration + 'a>;

struct Contestant<'a> {
    name: String,
    run: Run<'a>,
    allocations: f64,
    /// Of one operation, in each round.
    nanoseconds: Vec<f64>,
}

/// Contestants that do the same. The first is ours.
pub(crate) struct Table<'a> {
    title: String,
    operations: u32,
    rounds: usize,
    contestants: Vec<Contestant<'a>>,
}

impl<'a> Table<'a> {
    /// `operations` in each round: enough for some milliseconds.
    pub(crate) fn new(title: impl Into<String>, operations: u32, rounds: usize) -> Self {
        Self {
            title: title.into(),
            operations,
            rounds,
            contestants: Vec::new(),
        }
    }

    /// Adds a contestant that does one operation a call.
    pub(crate) fn add(&mut self, name: impl Into<String>, mut operation: impl FnMut() + 'a) {
        self.add_run(name, move |times| {
            let start = Instant::now();
            for _ in 0..times {
                operation();
            }
            start.elapsed()
        });
    }

    /// Adds one that is told how many operations to do, and takes the time itself.
    pub(crate) fn add_run(
        &mut self,
        name: impl Into<String>,
        run: impl FnMut(u32) -> Duration + 'a,
    ) {
        self.contestants.push(Contestant {
            name: name.into(),
            run: Box::new(run),
            allocations: 0.0,
            nanoseconds: Vec::new(),
        });
    }

    fn run(&mut self) {
        for contestant in &mut self.contestants {
            (contestant.run)(self.operations / 10 + 1); // warm up
            let heap = heap(|| _ = (contestant.run)(self.operations));
            contestant.allocations = heap.allocations as f64 / f64::from(self.operations);
        }
        for round in 0..self.rounds {
            // Not always in the same order: who comes first finds cold caches.
            let count = self.contestants.len();
            for place in 0..count {
                let contestant = &mut self.contestants[(place + round) % count];
                let took = (contestant.run)(self.operations);
                let each = took.as_nanos() as f64 / f64::from(self.operations);
                contestant.nanoseconds.push(each);
            }
        }
    }

    /// Compares the first with each of the others.
    pub(crate) fn show(mut self) {
        self.run();
        println!("\n### {}\n", self.title);
        println!("| | ours is | ns | allocations |\n| --- | --: | --: | --: |");
        let ours = &self.contestants[0].nanoseconds;
        for (place, contestant) in self.contestants.iter().enumerate() {
            let theirs = &contestant.nanoseconds;
            let times = match place {
                0 => String::new(),
                _ => format!("{:.2} ×", median_ratio(ours, theirs)),
            };
            println!(
                "| {} | {times} | {:.0} | {:.2} |",
                contestant.name,
                median(theirs.iter().copied()),
                contestant.allocations
            );
        }
    }

    /// Compares the contestants in pairs that do the same work in two `ways`, each with
    /// the other of its pair and, in the second way, with the first pair.
    pub(crate) fn show_pairs(mut self, ways: [&str; 2]) {
        self.run();
        let [first, second] = ways;
        println!("\n### {}\n", self.title);
        println!("| | {first}, ns | {second}, ns | throughput of {second} | ours is |");
        println!("| --- | --: | --: | --: | --: |");
        let ours = &self.contestants[1].nanoseconds;
        for (place, pair) in self.contestants.chunks(2).enumerate() {
            let [before, after] = [&pair[0].nanoseconds, &pair[1].nanoseconds];
            let times = match place {
                0 => String::new(),
                _ => format!("{:.2} ×", median_ratio(ours, after)),
            };
            println!(
                "| {} | {:.0} | {:.0} | {:.2} × | {times} |",
                pair[0].name,
                median(before.iter().copied()),
                median(after.iter().copied()),
                median_ratio(before, after),
            );
        }
    }
}

fn median_ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs))
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
