//! [`Ledger`]: what the client knows of its requests, and whether its session lives.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Asked for, or queued.
    Pending,
    /// Granted with this token.
    Held(i64),
    /// Taken away, or the session has ended.
    Lost(String),
}

/// The requests of one session. The task that reads its connection writes into it.
#[derive(Debug)]
pub(super) struct Ledger {
    requests: Mutex<HashMap<i64, watch::Sender<Phase>>>,
    /// Why the session has ended.
    ended: watch::Sender<Option<String>>,
    opened: Instant,
    /// In milliseconds since `opened`: until then nobody ends the session for its silence.
    safe_until: AtomicU64,
    /// How many requests are queued.
    queued: AtomicUsize,
    pub(super) has_queued: Notify,
    pub(super) probed: Notify,
}

impl Ledger {
    pub(super) fn new(safe_for: Duration) -> Self {
        Self {
            requests: Mutex::default(),
            ended: watch::Sender::new(None),
            opened: Instant::now(),
            safe_until: AtomicU64::new(millis(safe_for)),
            queued: AtomicUsize::new(0),
            has_queued: Notify::new(),
            probed: Notify::new(),
        }
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<i64, watch::Sender<Phase>>> {
        // Nothing panics while it is locked.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a request. The error says why the session has ended.
    pub(super) fn enter(&self, request: i64) -> Result<watch::Receiver<Phase>, String> {
        let (sender, receiver) = watch::channel(Phase::Pending);
        let mut requests = self.requests();
        // With the mutex locked: `end` says why before it locks it, and takes out all it finds.
        if let Some(reason) = self.why_ended() {
            return Err(reason);
        }
        requests.insert(request, sender);
        Ok(receiver)
    }

    /// Takes a request out. False if the server has ended it.
    pub(super) fn strike(&self, request: i64) -> bool {
        let struck = self.requests().remove(&request);
        struck.is_some()
    }

    pub(super) fn granted(&self, request: i64, token: i64) {
        self.tell(request, Phase::Held(token));
    }

    fn tell(&self, request: i64, phase: Phase) {
        let is_over = matches!(phase, Phase::Lost(_));
        let mut requests = self.requests();
        let sender = match is_over {
            true => requests.remove(&request),
            false => requests.get(&request).cloned(),
        };
        drop(requests);
        // To send wakes those who wait, and wakers are foreign code: nothing is locked any more.
        if let Some(sender) = sender {
            sender.send_replace(phase);
        }
    }

    /// A notification of the server, as `schema.sql` makes them. The answer is why the session has
    /// ended, if that is what it says.
    pub(super) fn hear(&self, payload: &str) -> Option<String> {
        let (verb, rest) = payload.split_once(' ').unwrap_or((payload, ""));
        let (request, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let request = request.parse::<i64>();
        match (verb, request) {
            ("grant", Ok(request)) => {
                if let Ok(token) = rest.parse() {
                    self.granted(request, token);
                }
            }
            ("stolen", Ok(request)) => {
                self.tell(request, Phase::Lost(format!("stolen by {rest}")));
            }
            ("probe", _) => self.probed.notify_one(),
            ("silent", _) => return Some(SILENT.to_owned()),
            _ => log::debug!(target: "crosslock", "notified of {payload:?}"),
        }
        None
    }

    /// Ends the session: every request is lost, for the first reason that is given.
    pub(super) fn end(&self, reason: &str) {
        let is_first = self.ended.send_if_modified(|ended| {
            let is_first = ended.is_none();
            ended.get_or_insert_with(|| reason.to_owned());
            is_first
        });
        if is_first {
            log::warn!(target: "crosslock", "locks in PostgreSQL were lost: {reason}");
        }
        let lost = std::mem::take(&mut *self.requests());
        for sender in lost.into_values() {
            sender.send_replace(Phase::Lost(reason.to_owned()));
        }
    }

    /// Why the session has ended, or counts as ended.
    pub(super) fn why_ended(&self) -> Option<String> {
        let ended = self.ended.borrow().clone();
        ended.or_else(|| self.is_overdue().then(|| OVERDUE.to_owned()))
    }

    /// Whether the server may have given its locks to others. It is asked for at each use of a
    /// guard, because a process that was stopped for a while does not run its timers first.
    pub(super) fn is_overdue(&self) -> bool {
        millis(self.opened.elapsed()) >= self.safe_until.load(Ordering::Relaxed)
    }

    /// The server has answered what was sent at `sent`.
    pub(super) fn answered(&self, sent: Instant, safe_for: Duration) {
        let until = sent.saturating_duration_since(self.opened) + safe_for;
        // A late answer must not revive what somebody has already seen as overdue: whoever
        // lets time run out ends the session.
        if !self.is_overdue() {
            self.safe_until.fetch_max(millis(until), Ordering::Relaxed);
        }
    }

    pub(super) fn safe_until(&self) -> Instant {
        self.opened + Duration::from_millis(self.safe_until.load(Ordering::Relaxed))
    }

    /// Returns when the session has ended, with the reason.
    pub(super) async fn ended(&self) -> String {
        let mut ended = self.ended.subscribe();
        // Its sender is in `self`, so it does not fail.
        match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => String::from("the session has ended"),
        }
    }

    /// Counts a request as queued for as long as the answer lives.
    pub(super) fn queue(&self) -> Queued<'_> {
        if self.queued.fetch_add(1, Ordering::Relaxed) == 0 {
            self.has_queued.notify_one();
        }
        Queued(self)
    }

    pub(super) fn is_queued(&self) -> bool {
        self.queued.load(Ordering::Relaxed) > 0
    }
}

pub(super) struct Queued<'a>(&'a Ledger);

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) const SILENT: &str = "the other instances had heard nothing from this one for the whole takeover time, and ended \
     its session";

const OVERDUE: &str = "the PostgreSQL server has not answered for nine tenths of the takeover time, so others may \
     have been granted the locks (the network is down, or this process was stopped)";

pub(super) fn overdue() -> &'static str {
    OVERDUE
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
