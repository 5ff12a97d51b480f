//! [`Granted`]: a ticket that was granted, and for how long it is handed on while others wait.

use std::io;
use std::time::{Duration, Instant};

use super::super::protocol::{self, Answer};
use super::Kernel;
use crate::guard::LockMode;

/// How often, and for how long, a process may hand its ticket on among its requests while other
/// processes wait: the same as among the tasks of one browser tab.
const TURNS: u32 = 1000;
const LONGEST: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Granted {
    pub(super) byte: u64,
    pub(super) mode: LockMode,
    pub(super) holders: usize,
    /// How often it was used, and since when, without asking whether others wait.
    pub(super) turns: u32,
    /// By a clock that costs more and is exact: [`LONGEST`] is less than what `Since` may be wrong.
    since: Instant,
    /// Names the wait of one who would join the holders, until nobody of another process waits.
    pub(super) join: Option<u64>,
    /// So many may join without a look at others: see [`Ticket::share`](super::Ticket::share).
    pub(super) passes: usize,
}

impl Granted {
    pub(super) fn new(byte: u64, mode: LockMode) -> Self {
        Self {
            byte,
            mode,
            holders: 0,
            turns: 0,
            since: Instant::now(),
            join: None,
            passes: 0,
        }
    }

    /// Whether it was used for long enough and others wait. If nobody does, it counts anew.
    pub(super) fn is_due(&mut self, kernel: &dyn Kernel) -> bool {
        if self.turns < TURNS && self.since.elapsed() < LONGEST {
            return false;
        }
        let behind = kernel.call(&protocol::find_behind(self.mode, self.byte));
        // An error comes up again in the next call that somebody waits for.
        if !matches!(behind, Ok(Answer::Found(None))) {
            return true;
        }
        self.turns = 0;
        self.since = Instant::now();
        false
    }

    pub(super) fn weaken_to(&mut self, mode: LockMode, kernel: &dyn Kernel) -> io::Result<()> {
        if mode == LockMode::Shared && self.mode == LockMode::Exclusive {
            for call in protocol::weaken(self.byte) {
                // Then it stays exclusive, which is more than is needed.
                if kernel.call(&call)? == Answer::Conflict {
                    return Ok(());
                }
            }
            self.mode = mode;
        }
        Ok(())
    }
}
