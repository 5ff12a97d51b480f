//! Every interleaving of those who give work and the threads that do it, by loom.
//!
//! A run ends when all of its threads have, so one that stays behind is a deadlock to loom.

use std::sync::Arc;

use loom::sync::{Condvar, Mutex};
use loom::thread;

use super::{Job, Threads};

/// How many jobs were begun, for those who wait for each other.
#[derive(Default)]
struct Begun {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Begun {
    fn one_more(&self) {
        *self.count.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    fn wait_for(&self, least: usize) {
        let mut count = self.count.lock().unwrap();
        while *count < least {
            count = self.changed.wait(count).unwrap();
        }
    }
}

/// A job that ends when so many have begun: in the place of one that waits for another process.
fn job_beside(begun: &Arc<Begun>, least: usize) -> Job {
    let begun = Arc::clone(begun);
    Box::new(move || {
        begun.one_more();
        begun.wait_for(least);
    })
}

/// All interleavings in which threads are interrupted twice, where they need not be. More of them would take hours,
/// and by experience find nothing more.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(run);
}

fn job(begun: &Arc<Begun>) -> Job {
    job_beside(begun, 0)
}

/// Two that cannot end without each other are never given to one thread, whether or not one is idle.
#[test]
fn no_job_waits_for_the_end_of_another() {
    model(|| {
        let threads = Threads::default();
        let begun = Arc::new(Begun::default());
        threads.run(job(&begun)).expect("a thread");
        // Before that no thread is idle. Loom begins with the way in which one is by then.
        begun.wait_for(1);
        threads.run(job_beside(&begun, 3)).expect("a thread");
        threads.run(job_beside(&begun, 3)).expect("a thread");
        begun.wait_for(3);
    });
}

/// A job is given to a thread whose time is over at that moment: it is done, by this thread or by another.
#[test]
fn a_thread_that_leaves_takes_what_it_was_given() {
    model(|| {
        let threads = Threads::default();
        let begun = Arc::new(Begun::default());
        threads.run(job(&begun)).expect("a thread");
        let shared = Arc::clone(&threads.0);
        let time = thread::spawn(move || shared.changed.end_waits(&shared.state));
        threads.run(job(&begun)).expect("a thread");
        begun.wait_for(2);
        time.join().expect("the clock");
    });
}

/// What was given before the manager was dropped is done: it tells those who wait. Then all threads end.
#[test]
fn all_jobs_are_done_and_all_threads_end() {
    model(|| {
        let threads = Threads::default();
        let begun = Arc::new(Begun::default());
        let other = {
            let (shared, begun) = (Arc::clone(&threads.0), Arc::clone(&begun));
            thread::spawn(move || std::mem::ManuallyDrop::new(Threads(shared)).run(job(&begun)))
        };
        threads.run(job(&begun)).expect("a thread");
        other.join().expect("who gives work").expect("a thread");
        drop(threads);
        begun.wait_for(2);
    });
}
