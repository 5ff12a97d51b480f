//! What follows a loss: [`PostgresLockManager::reconnect`], and the loop that calls it.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use super::options::PostgresOptions;
use super::session::Session;
use super::{PostgresLockManager, connect};
use crate::error::LockError;

/// What the clones of a manager share.
#[derive(Debug)]
pub(super) struct Shared {
    options: PostgresOptions,
    session: RwLock<Arc<Session>>,
    state: watch::Sender<Connection>,
    /// Held by whoever reconnects.
    reconnecting: Mutex<()>,
}

impl Shared {
    pub(super) fn new(options: PostgresOptions, session: Arc<Session>) -> Self {
        Self {
            options,
            session: RwLock::new(session),
            state: watch::Sender::new(Connection::Open),
            reconnecting: Mutex::new(()),
        }
    }

    pub(super) fn options(&self) -> &PostgresOptions {
        &self.options
    }

    pub(super) fn session(&self) -> Arc<Session> {
        let session = self.session.read();
        session.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The state of a manager's session, as [`PostgresLockManager::watch`] shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Connection {
    /// Locks can be asked for.
    Open,
    /// The session has ended, and every lock is lost.
    #[non_exhaustive]
    Lost {
        /// What happened.
        reason: String,
    },
    /// An attempt to reconnect has failed.
    #[non_exhaustive]
    Retrying {
        /// Why.
        reason: String,
        /// How many attempts have failed since the loss.
        attempts: u32,
        /// The pause before the next.
        pause: Duration,
    },
}

/// What [`PostgresLockManager::reconnect`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reconnected {
    /// The session was not lost, and nothing was done.
    StillOpen,
    /// The server is the same, and had been running all the time.
    SameServer,
    /// The server has been restarted.
    Restarted,
    /// Another server has taken over: a replica was promoted, or a backup restored.
    Promoted,
}

impl PostgresLockManager {
    /// Opens a new session if the present one is lost, for this manager and all its clones.
    /// Guards of the lost session stay lost.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect). The manager stays lost then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the manager lost.
    pub async fn reconnect(&self) -> Result<Reconnected, LockError> {
        let _only = self.shared.reconnecting.lock().await;
        let before = self.shared.session();
        let Some(reason) = before.ledger.why_ended() else {
            return Ok(Reconnected::StillOpen);
        };
        // It may count as ended by the clock alone.
        before.end(&reason);
        let session = connect::session(self.shared.options.clone()).await?;
        let found = match (before.server, session.server) {
            (a, b) if a.timeline != b.timeline => Reconnected::Promoted,
            (a, b) if a.started != b.started => Reconnected::Restarted,
            _ => Reconnected::SameServer,
        };
        let place = self.shared.session.write();
        *place.unwrap_or_else(PoisonError::into_inner) = session;
        self.shared.state.send_replace(Connection::Open);
        Ok(found)
    }

    /// Returns when the session is lost, with the reason.
    pub async fn lost(&self) -> String {
        self.shared.session().ledger.ended().await
    }

    /// Shows what [`keep_connected`](Self::keep_connected) does.
    pub fn watch(&self) -> watch::Receiver<Connection> {
        self.shared.state.subscribe()
    }

    /// Reconnects after every loss, for as long as the future is polled: it never returns.
    ///
    /// The first attempt is made at once. After each that fails comes a pause, from 100 ms doubled
    /// up to 10 s, and up to half as long again by chance, so that a hundred instances do not come
    /// back at the same moment.
    ///
    /// ```no_run
    /// # use crosslock::postgres::{Connection, PostgresLockManager};
    /// # fn start(locks: &PostgresLockManager) {
    /// let (kept, mut state) = (locks.clone(), locks.watch());
    /// tokio::spawn(async move { kept.keep_connected().await });
    /// tokio::spawn(async move {
    ///     while state.changed().await.is_ok() {
    ///         match &*state.borrow_and_update() {
    ///             Connection::Open => println!("locks are back"),
    ///             Connection::Lost { reason, .. } => println!("all locks are lost: {reason}"),
    ///             other => println!("{other:?}"),
    ///         }
    ///     }
    /// });
    /// # }
    /// ```
    pub async fn keep_connected(&self) {
        const FIRST: Duration = Duration::from_millis(100);
        const LONGEST: Duration = Duration::from_secs(10);

        let chance = RandomState::new();
        loop {
            let reason = self.lost().await;
            self.shared.state.send_replace(Connection::Lost { reason });
            let (mut attempts, mut pause) = (0, FIRST);
            while let Err(error) = self.reconnect().await {
                attempts += 1;
                let percent = chance.hash_one(attempts) % 50;
                let now = pause + pause * (percent as u32) / 100;
                let reason = said(&error);
                self.shared.state.send_replace(Connection::Retrying {
                    reason,
                    attempts,
                    pause: now,
                });
                tokio::time::sleep(now).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}

/// An error with its causes.
fn said(error: &LockError) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said.push_str(&format!(": {error}"));
        cause = error.source();
    }
    said
}
