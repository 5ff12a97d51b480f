//! [`Request`]: a lock that is asked for, queued or held.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::ledger::Phase;
use super::session::{Session, lost};
use crate::error::{Contention, LockError};
use crate::guard::LockMode;
use crate::key::LockKey;
use crate::time;

/// How long a wait that has timed out asks who was in the way.
const GRACE: Duration = Duration::from_millis(250);

/// A request in the name of a session. Dropping it withdraws it, whatever became of it.
pub(super) struct Request {
    session: Arc<Session>,
    number: i64,
    key: LockKey,
    mode: LockMode,
    phase: watch::Receiver<Phase>,
    /// Whether the server may know of it.
    is_asked: bool,
}

/// What a request was answered.
pub(super) enum Answer {
    Granted(i64),
    /// It is queued, if it was to wait.
    Busy(Contention),
}

impl From<&Row> for Answer {
    fn from(row: &Row) -> Self {
        if let Some(token) = row.get("granted") {
            return Self::Granted(token);
        }
        let age: Option<f64> = row.get("age");
        let ahead: Option<i32> = row.get("ahead");
        Self::Busy(Contention {
            holder: row.get("holder"),
            held_for: age.map(seconds),
            ahead: ahead.and_then(|ahead| usize::try_from(ahead).ok()),
            no_answer: false,
        })
    }
}

/// An age that the server measured. Its clock may have been set back meanwhile.
pub(super) fn seconds(age: f64) -> Duration {
    Duration::try_from_secs_f64(age).unwrap_or_default()
}

impl Request {
    /// Enters a request, of which the server does not know yet.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if the session has ended.
    pub(super) fn enter(
        session: &Arc<Session>,
        number: i64,
        key: LockKey,
        mode: LockMode,
    ) -> Result<Self, LockError> {
        let phase = session.ledger.enter(number);
        Ok(Self {
            session: session.clone(),
            number,
            key,
            mode,
            phase: phase.map_err(|reason| lost(&reason))?,
            is_asked: false,
        })
    }

    /// Asks the server. The query is sent at the first poll.
    pub(super) async fn ask(&mut self, waits: bool) -> Result<Answer, LockError> {
        self.is_asked = true;
        let session = &self.session;
        let is_shared = self.mode == LockMode::Shared;
        let row = session
            .one(
                &session.statements.acquire,
                &[
                    &session.id(),
                    &self.number,
                    &self.key.as_str(),
                    &is_shared,
                    &waits,
                ],
            )
            .await?;
        let answer = Answer::from(&row);
        self.note(&answer);
        if let (Answer::Busy(_), false) = (&answer, waits) {
            self.forget();
        }
        Ok(answer)
    }

    /// Takes the lock from its holders. `Busy` means that it is queued before all others.
    pub(super) async fn steal(&mut self) -> Result<Answer, LockError> {
        self.is_asked = true;
        let session = &self.session;
        let arguments: [&(dyn ToSql + Sync); 3] = [&session.id(), &self.number, &self.key.as_str()];
        let row = session.one(&session.statements.steal, &arguments).await?;
        let answer = match row.get(0) {
            Some(token) => Answer::Granted(token),
            None => Answer::Busy(Contention::default()),
        };
        self.note(&answer);
        Ok(answer)
    }

    /// Marks it as asked for, in a query that is about to be sent.
    pub(super) fn asked(&mut self) {
        self.is_asked = true;
    }

    pub(super) fn note(&self, answer: &Answer) {
        if let Answer::Granted(token) = answer {
            self.session.ledger.granted(self.number, *token);
        }
    }

    /// Returns the token once it is granted. It is queued.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if the session ends.
    pub(super) async fn granted(&mut self) -> Result<i64, LockError> {
        let ledger = self.session.ledger.clone();
        let _queued = ledger.queue();
        let phase = self.phase.wait_for(|phase| *phase != Phase::Pending).await;
        match phase.as_deref() {
            Ok(Phase::Held(token)) => Ok(*token),
            Ok(Phase::Lost(reason)) => Err(lost(reason)),
            // Its sender is dropped by none but `strike`, and who strikes it has it.
            Ok(Phase::Pending) | Err(_) => Err(lost("the session has ended")),
        }
    }

    /// The wait is over. Returns the token if it was granted just now, and otherwise who was in
    /// the way, if the server says so at once.
    pub(super) async fn give_up(&mut self) -> Result<Answer, LockError> {
        let session = self.session.clone();
        let arguments: [&(dyn ToSql + Sync); 3] = [&session.id(), &self.number, &self.key.as_str()];
        let call = session.one(&session.statements.give_up, &arguments);
        match time::timeout(GRACE, call).await? {
            Some(Ok(row)) => {
                let answer = Answer::from(&row);
                self.note(&answer);
                if matches!(answer, Answer::Busy(_)) {
                    self.forget();
                }
                Ok(answer)
            }
            Some(Err(error)) => Err(error),
            // It is still to be withdrawn, which the drop does.
            None => Ok(Answer::Busy(Contention::default())),
        }
    }

    /// Shares what is held.
    pub(super) async fn downgrade(&mut self) -> Result<(), LockError> {
        let session = self.session.clone();
        let arguments: [&(dyn ToSql + Sync); 3] = [&session.id(), &self.number, &self.key.as_str()];
        let row = session
            .one(&session.statements.downgrade, &arguments)
            .await?;
        if !row.get::<_, bool>(0) {
            let reason = self.why_lost();
            let reason = reason.unwrap_or_else(|| String::from("the server does not have it"));
            return Err(LockError::lost(self.key.as_str(), reason));
        }
        self.mode = LockMode::Shared;
        Ok(())
    }

    /// The server does not know of it any more.
    fn forget(&mut self) {
        self.session.ledger.strike(self.number);
        self.is_asked = false;
    }

    pub(super) fn key(&self) -> &LockKey {
        &self.key
    }

    pub(super) fn mode(&self) -> LockMode {
        self.mode
    }

    /// Why the lock was lost.
    pub(super) fn why_lost(&self) -> Option<String> {
        match &*self.phase.borrow() {
            Phase::Lost(reason) => Some(reason.clone()),
            // The whole session may have ended by the clock, and nobody have said so yet.
            _ if self.session.ledger.is_overdue() => self.session.ledger.why_ended(),
            _ => None,
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Lost(_)) || self.session.ledger.is_overdue()
    }

    /// Returns when the lock is lost.
    pub(super) async fn lost(&self) {
        if self.is_lost() {
            return;
        }
        let mut phase = self.phase.clone();
        let lost = phase
            .wait_for(|phase| matches!(phase, Phase::Lost(_)))
            .await;
        // An error means that it was withdrawn; a guard that lives never is.
        drop(lost);
    }

    /// Ends it. The release is sent at once, before all that is asked for later. The answer comes
    /// when the server has done it, or the session has ended.
    pub(super) fn withdraw(&mut self) -> oneshot::Receiver<()> {
        let (done, is_done) = oneshot::channel();
        // What the server or a thief has ended need not be released.
        let is_ours = self.session.ledger.strike(self.number);
        if std::mem::take(&mut self.is_asked) && is_ours {
            let session = self.session.clone();
            let (number, key) = (self.number, self.key.clone());
            self.session.start(async move {
                let arguments: [&(dyn ToSql + Sync); 3] = [&session.id(), &number, &key.as_str()];
                let released = session.one(&session.statements.release, &arguments).await;
                if let Err(error) = released {
                    // Only the end of the session frees the lock now.
                    session.end(&format!("a lock could not be released: {error}"));
                }
                let _ = done.send(());
            });
        }
        is_done
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        drop(self.withdraw());
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}, {:?}", self.key, self.mode, *self.phase.borrow())
    }
}
