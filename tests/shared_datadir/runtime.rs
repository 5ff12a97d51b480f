//! The runtime of a test that is no `tokio::test`: of a thread or a process that it starts.

/// A runtime with timers, for one thread.
pub(crate) fn new() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build().unwrap()
}
