//! `nfs-agent`: locks datadirs as the lines of its input say, `ID COMMAND ARGUMENT…`. Each command
//! has a thread of its own, for one whose server does not answer is stuck in a system call. When it is done it
//! answers `ID MICROSECONDS RESULT`, with the time of this machine since its start.

#[cfg(target_os = "linux")]
mod agent;

#[cfg(target_os = "linux")]
fn main() {
    agent::run();
}

#[cfg(not(target_os = "linux"))]
fn main() {}
