#![doc = include_str!("../docs/postgres.md")]

mod beat;
mod connect;
mod guard;
mod ledger;
mod migrate;
mod options;
mod reconnect;
mod request;
mod session;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::{Transaction, error::SqlState};

use crate::error::{Contention, LockError};
use crate::guard::{LockGuard, LockMode};
use crate::key::LockKey;
use crate::manager::{AcquireOptions, LockManager, in_global_order, only_if_granted};
use crate::scope::LockScope;
use crate::snapshot::{LockInfo, LockSnapshot};
use crate::time;
use guard::PostgresGuard;
use request::{Answer, Request, seconds};
use session::Session;

pub use migrate::{migrate, migration_sql};
pub use options::{PostgresOptions, SCHEMA};
pub use reconnect::{Connection, Reconnected};
pub use {rustls, tokio_postgres};

/// Named locks in a PostgreSQL database, for all who connect to it: see [the module](self).
///
/// Clones share one session.
#[derive(Debug, Clone)]
pub struct PostgresLockManager {
    shared: Arc<reconnect::Shared>,
}

impl PostgresLockManager {
    /// Opens a session on a connection of its own. [`migrate`] must have been called before, once
    /// for the database.
    ///
    /// It takes a tokio runtime with I/O and timers, which must go on for as long as the manager
    /// and its guards are in use. A second connection is opened for a moment, to see whether a
    /// pooler stands between.
    ///
    /// # Errors
    ///
    /// [`LockError::Unavailable`] if the server is a read-only replica, if a pooler in transaction
    /// mode stands between, if the schema is not there or of another version, or if the role may
    /// not use it. [`LockError::Backend`] for what else the server or the network say.
    pub async fn connect(options: PostgresOptions) -> Result<Self, LockError> {
        let session = connect::session(options.clone()).await?;
        Ok(Self {
            shared: Arc::new(reconnect::Shared::new(options, session)),
        })
    }

    /// Makes sure, inside of the caller's own transaction, that `guard` holds its lock until that
    /// transaction has ended.
    ///
    /// If the lock was lost, the call fails and the transaction with it, so nothing of it can be
    /// committed. If not, nobody else is granted the lock before the transaction has ended, also if
    /// this process loses its session meanwhile.
    ///
    /// Call it after the lock was granted and before the commit; where the isolation level is
    /// `repeatable read` or `serializable`, begin the transaction when the lock is held.
    /// The transaction has to be one of the database with the locks. Those who use another client
    /// than tokio-postgres execute [`check_statement`](Self::check_statement).
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if the lock is not held, and [`LockError::Unsupported`] if `guard` is not
    /// one of this backend. [`LockError::Backend`] for what else the server or the network say.
    pub async fn check(
        &self,
        transaction: &Transaction<'_>,
        guard: &dyn LockGuard,
    ) -> Result<(), LockError> {
        let Some(token) = guard.fencing_token() else {
            return Err(LockError::unsupported("check, for a guard without a token"));
        };
        // What is known here need not be asked for. The server is asked all the same if
        // nothing is, because what is known here may be out of date.
        guard.ensure_held()?;
        let statement = self.check_statement();
        let token = token.get().cast_signed();
        match transaction
            .execute(&statement, &[&guard.key(), &token])
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::from_code("CL001")) => Err(
                LockError::lost(guard.key(), error.as_db_error().map_or("", |e| e.message())),
            ),
            Err(error) => Err(LockError::backend(
                "cannot check a lock in PostgreSQL",
                error,
            )),
        }
    }

    /// The statement that [`check`](Self::check) executes, for other clients than tokio-postgres. It
    /// takes the key (`$1`, text) and the number of the fencing token (`$2`, bigint), and fails with
    /// SQLSTATE `CL001` if the lock is not held.
    ///
    /// With sqlx:
    ///
    /// ```ignore
    /// let token = guard.fencing_token().expect("a guard of this backend").get() as i64;
    /// sqlx::query(&locks.check_statement()).bind(guard.key()).bind(token).execute(&mut *tx).await?;
    /// ```
    pub fn check_statement(&self) -> String {
        let schema = self.shared.options().quoted_schema();
        format!("select {schema}.check($1, $2)")
    }

    fn session(&self) -> Arc<Session> {
        self.shared.session()
    }

    async fn try_one(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Result<Box<dyn LockGuard>, Contention>, LockError> {
        let key = LockKey::new(key)?;
        let session = self.session();
        let mut request = Request::enter(&session, session.numbers(1), key, mode)?;
        Ok(match request.ask(false).await? {
            Answer::Granted(token) => Ok(PostgresGuard::boxed(request, token)?),
            Answer::Busy(contention) => Err(contention),
        })
    }
}

/// A token that was granted while the wait for it ran out, or the timeout.
async fn or_time_out(request: &mut Request, timeout: Duration) -> Result<i64, LockError> {
    match request.give_up().await? {
        Answer::Granted(token) => Ok(token),
        Answer::Busy(contention) => {
            let is_known = contention != Contention::default();
            let key = request.key().as_str();
            Err(LockError::timed_out(
                key,
                timeout,
                is_known.then_some(contention),
            ))
        }
    }
}

#[async_trait]
impl LockManager for PostgresLockManager {
    async fn try_lock(&self, key: &str) -> Option<Box<dyn LockGuard>> {
        only_if_granted(key, self.try_acquire(key, LockMode::Exclusive).await)
    }

    async fn lock(&self, key: &str, timeout: Duration) -> Result<Box<dyn LockGuard>, LockError> {
        self.acquire(key, AcquireOptions::new(timeout)).await
    }

    async fn try_acquire(
        &self,
        key: &str,
        mode: LockMode,
    ) -> Result<Option<Box<dyn LockGuard>>, LockError> {
        Ok(self.try_one(key, mode).await?.ok())
    }

    async fn acquire(
        &self,
        key: &str,
        options: AcquireOptions,
    ) -> Result<Box<dyn LockGuard>, LockError> {
        let AcquireOptions { mode, timeout, .. } = options;
        if timeout.is_zero() {
            let answer = self.try_one(key, mode).await?;
            return answer.map_err(|busy| LockError::timed_out(key, timeout, Some(busy)));
        }
        let session = self.session();
        let number = session.numbers(1);
        let mut request = Request::enter(&session, number, LockKey::new(key)?, mode)?;
        let wait = async {
            match request.ask(true).await? {
                Answer::Granted(token) => Ok(token),
                Answer::Busy(_) => request.granted().await,
            }
        };
        let token = match time::timeout(timeout, wait).await? {
            Some(granted) => granted?,
            None => or_time_out(&mut request, timeout).await?,
        };
        PostgresGuard::boxed(request, token)
    }

    async fn lock_many(
        &self,
        keys: &[&str],
        timeout: Duration,
    ) -> Result<Vec<Box<dyn LockGuard>>, LockError> {
        let ordered = in_global_order(keys)?;
        if ordered.is_empty() {
            return Ok(Vec::new());
        }
        let session = self.session();
        let first = session.numbers(ordered.len());
        let mut requests = Vec::with_capacity(ordered.len());
        for (number, key) in (first..).zip(&ordered) {
            let key = LockKey::new(key)?;
            requests.push(Request::enter(&session, number, key, LockMode::Exclusive)?);
        }
        let mut tokens = Vec::with_capacity(requests.len());
        let wait = async {
            // They are withdrawn one by one if this is dropped, also if it was not sent yet.
            requests.iter_mut().for_each(Request::asked);
            let rows = session
                .all(
                    &session.statements.acquire_many,
                    &[&session.id(), &first, &ordered],
                )
                .await?;
            for (request, row) in requests.iter_mut().zip(&rows) {
                request.note(&Answer::from(row));
            }
            for request in &mut requests {
                tokens.push(request.granted().await?);
            }
            Ok::<(), LockError>(())
        };
        let mut result = match time::timeout(timeout, wait).await? {
            Some(result) => result,
            None => Ok(()),
        };
        // Most of them may have been granted when the time ran out: who is in the way of the first
        // that was not?
        while result.is_ok() && tokens.len() < requests.len() {
            let token = or_time_out(&mut requests[tokens.len()], timeout).await;
            result = token.map(|token| tokens.push(token));
        }
        if let Err(error) = result {
            // Awaited, so that nobody sees a key held after our error. If the server does not
            // answer, nobody sees anything.
            let done: Vec<_> = requests.iter_mut().map(Request::withdraw).collect();
            let all = async {
                for done in done {
                    let _ = done.await;
                }
            };
            let _ = time::timeout(Duration::from_millis(250), all).await;
            return Err(error);
        }
        let granted = requests.into_iter().zip(tokens);
        granted
            .map(|(request, token)| PostgresGuard::boxed(request, token))
            .collect()
    }

    async fn steal(&self, key: &str) -> Result<Box<dyn LockGuard>, LockError> {
        let key = LockKey::new(key)?;
        let session = self.session();
        let mut request = Request::enter(&session, session.numbers(1), key, LockMode::Exclusive)?;
        let token = match request.steal().await? {
            Answer::Granted(token) => token,
            Answer::Busy(_) => request.granted().await?,
        };
        PostgresGuard::boxed(request, token)
    }

    async fn query(&self) -> Result<LockSnapshot, LockError> {
        let session = self.session();
        if let Some(reason) = session.ledger.why_ended() {
            return Err(session::lost(&reason));
        }
        let mut snapshot = LockSnapshot::default();
        for row in session.all(&session.statements.requests, &[]).await? {
            let mode = match row.get("shared") {
                true => LockMode::Shared,
                false => LockMode::Exclusive,
            };
            let mut info = LockInfo::new(row.get::<_, String>("key"), mode);
            info.age = Some(seconds(row.get("age")));
            info.client = row.get("client");
            match row.get("held") {
                true => snapshot.held.push(info),
                false => snapshot.pending.push(info),
            }
        }
        Ok(snapshot)
    }

    fn scope(&self) -> LockScope {
        LockScope::Database
    }
}
