//! Side by side: every contestant of a table runs in every round, so that whatever
//! else the machine does hits all of them alike. What counts is the median over the
//! rounds of the ratio to ours in the same round; nanoseconds only give an idea.

use std::alloc::System;
use std::time::{Duration, Instant};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 15;

/// What runs one operation so many times, and says how long that took.
type Run<'a> = Box<dyn FnMut(u32) -> Duration + 'a>;

pub(crate) struct Contestant<'a> {
    name: &'a str,
    run: Run<'a>,
    /// Counted on the way; nothing, if others run at the same time.
    allocations: f64,
    nanoseconds: Vec<f64>,
}

pub(crate) struct Table<'a> {
    title: &'a str,
    operations: u32,
    contestants: Vec<Contestant<'a>>,
}

impl<'a> Table<'a> {
    /// `operations` in each round: enough for a round of some milliseconds.
    pub(crate) fn new(title: &'a str, operations: u32) -> Self {
        Self {
            title,
            operations,
            contestants: Vec::new(),
        }
    }

    /// Adds a contestant that does one operation a call. The first is the one that the
    /// others are compared with.
    pub(crate) fn add(self, name: &'a str, mut operation: impl FnMut() + 'a) -> Self {
        self.add_run(name, move |times| {
            let start = Instant::now();
            for _ in 0..times {
                operation();
            }
            start.elapsed()
        })
    }

    /// Adds one that is told how many operations to do, and takes the time itself.
    pub(crate) fn add_run(mut self, name: &'a str, run: impl FnMut(u32) -> Duration + 'a) -> Self {
        self.contestants.push(Contestant {
            name,
            run: Box::new(run),
            allocations: 0.0,
            nanoseconds: Vec::new(),
        });
        self
    }

    pub(crate) fn show(mut self) {
        for contestant in &mut self.contestants {
            (contestant.run)(self.operations / 10 + 1); // warm up
            let region = Region::new(ALLOCATOR);
            (contestant.run)(self.operations);
            let allocations = region.change().allocations as f64;
            contestant.allocations = allocations / f64::from(self.operations);
        }
        for round in 0..ROUNDS {
            // Not always in the same order: who comes first finds cold caches.
            let count = self.contestants.len();
            for place in 0..count {
                let contestant = &mut self.contestants[(place + round) % count];
                let took = (contestant.run)(self.operations);
                let each = took.as_nanos() as f64 / f64::from(self.operations);
                contestant.nanoseconds.push(each);
            }
        }
        self.print();
    }

    fn print(&self) {
        println!("\n### {}\n", self.title);
        println!("| | ours is | ns | allocations |\n| --- | --: | --: | --: |");
        let ours = &self.contestants[0].nanoseconds;
        for contestant in &self.contestants {
            let theirs = &contestant.nanoseconds;
            let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs);
            let times = match contestant.name == self.contestants[0].name {
                true => String::new(),
                false => format!("{:.2} ×", median(ratios.collect())),
            };
            println!(
                "| {} | {times} | {:.0} | {:.2} |",
                contestant.name,
                median(theirs.clone()),
                contestant.allocations
            );
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What is left of the heap after `work`, in bytes.
pub(crate) fn left_after(work: impl FnOnce()) -> isize {
    let region = Region::new(ALLOCATOR);
    work();
    let change = region.change();
    change.bytes_allocated as isize - change.bytes_deallocated as isize + change.bytes_reallocated
}
