//! `history-worker BACKEND FOLDER CONTEXT SEED OPERATIONS`: one process that uses the locks of a
//! datadir, and writes what it sees as lines of JSON.

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [backend, folder, context, seed, operations] = &arguments[..] else {
        panic!("usage: history-worker BACKEND FOLDER CONTEXT SEED OPERATIONS");
    };
    worker::run(
        backend,
        folder,
        context,
        seed.parse().expect("a number"),
        operations.parse().expect("a number"),
    );
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod worker {
    use std::sync::Arc;
    use std::time::Duration;

    use crosslock::pid_fcntl::FcntlPidLockManager;
    use crosslock::pid_flock::FlockPidLockManager;
    use crosslock::shared_datadir::SharedDatadirLockManager;
    use crosslock::{DatadirOptions, LockManager};
    use crosslock_history::recorder::Recorder;
    use crosslock_history::workload::{Workload, runtime};

    pub(super) fn run(backend: &str, folder: &str, context: &str, seed: u64, operations: u64) {
        let options = DatadirOptions::new(folder).with_timeout(Duration::from_secs(60));
        let locks: Arc<dyn LockManager> = match backend {
            "fcntl" => Arc::new(FcntlPidLockManager::open(options).expect("it is free")),
            "flock" => Arc::new(FlockPidLockManager::open(options).expect("it is free")),
            "shared" => Arc::new(SharedDatadirLockManager::open(options).expect("nobody refuses")),
            other => panic!("there is no backend {other:?}"),
        };
        let runtime = runtime();
        let recorder = Recorder::to_stdout(context);
        let workload = Workload {
            seed,
            tasks: 4,
            keys: 3,
            operations,
            steals: backend != "shared",
            hold: Duration::from_micros(1500),
            is_remote: false,
        };
        runtime.block_on(workload.run(locks, &recorder, Arc::default()));
    }
}
