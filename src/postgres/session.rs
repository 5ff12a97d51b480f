//! [`Session`]: a connection of our own, which the server takes for the life of its locks.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Error, Row, Statement};

use super::beat;
use super::connect::{self, Messages, failed};
use super::ledger::{Ledger, SILENT};
use super::options::PostgresOptions;
use crate::error::LockError;

/// Which server a session is on, to tell a restart from a promotion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) started: SystemTime,
    pub(super) timeline: i32,
}

pub(super) struct Session {
    client: Client,
    id: i32,
    backend: i32,
    pub(super) server: Server,
    pub(super) options: PostgresOptions,
    pub(super) statements: Statements,
    pub(super) ledger: Arc<Ledger>,
    next_request: AtomicI64,
    runtime: Handle,
    /// The task that reads the connection. Aborted, it closes it.
    reader: Arc<AbortHandle>,
}

/// The calls of the functions of `schema.sql`, prepared once.
pub(super) struct Statements {
    pub(super) acquire: Statement,
    pub(super) acquire_many: Statement,
    pub(super) release: Statement,
    pub(super) give_up: Statement,
    pub(super) downgrade: Statement,
    pub(super) steal: Statement,
    pub(super) beat: Statement,
    pub(super) reap: Statement,
    pub(super) requests: Statement,
}

impl Statements {
    async fn prepare(client: &Client, options: &PostgresOptions) -> Result<Self, Error> {
        let schema = options.quoted_schema();
        let call = async |function: &str, types: &[Type]| {
            let places: Vec<String> = (1..=types.len()).map(|n| format!("${n}")).collect();
            let sql = format!("select * from {schema}.{function}({})", places.join(", "));
            client.prepare_typed(&sql, types).await
        };
        let (id, request, key) = (Type::INT4, Type::INT8, Type::TEXT);
        let of_one = [id.clone(), request.clone(), key.clone()];
        Ok(Self {
            acquire: call(
                "acquire",
                &[id.clone(), request.clone(), key, Type::BOOL, Type::BOOL],
            )
            .await?,
            acquire_many: call(
                "acquire_many",
                &[id.clone(), request.clone(), Type::TEXT_ARRAY],
            )
            .await?,
            release: call("release", &of_one).await?,
            give_up: call("give_up", &of_one).await?,
            downgrade: call("downgrade", &of_one).await?,
            steal: call("steal", &of_one).await?,
            beat: call("beat", std::slice::from_ref(&id)).await?,
            reap: call("reap", &[id, request]).await?,
            requests: call("requests", &[]).await?,
        })
    }
}

impl Session {
    /// Opens a session on a fresh connection.
    pub(super) async fn open(
        client: Client,
        messages: Messages,
        options: PostgresOptions,
    ) -> Result<Arc<Self>, LockError> {
        // From before the session exists, so that it is never safe for too long.
        let ledger = Arc::new(Ledger::new(options.lost_after()));
        let runtime = Handle::current();
        let reader = runtime.spawn(read(messages, ledger.clone())).abort_handle();
        // Closes the connection if what follows fails, or is dropped.
        let closing = AbortOnDrop(Some(reader));
        connect::prepare(&client, &options).await?;

        let schema = options.quoted_schema();
        let register = format!("select * from {schema}.register($1)");
        let row = client.query_one(&register, &[&options.label]).await;
        let row = row.map_err(|error| connect::refused(&options, error))?;
        let channel: String = row.get("hears");
        let listen = client.batch_execute(&format!("listen \"{channel}\"")).await;
        listen.map_err(failed)?;
        let statements = Statements::prepare(&client, &options).await;
        let session = Arc::new(Self {
            client,
            id: row.get("me"),
            backend: row.get("backend"),
            server: Server {
                started: row.get("server_started"),
                timeline: row.get("on_timeline"),
            },
            options,
            statements: statements.map_err(failed)?,
            ledger,
            next_request: AtomicI64::new(1),
            runtime,
            reader: Arc::new(closing.disarm()),
        });
        connect::assert_not_pooled(&session, &session.options).await?;
        session.runtime.spawn(beat::run(Arc::downgrade(&session)));
        Ok(session)
    }

    pub(super) fn id(&self) -> i32 {
        self.id
    }

    pub(super) fn backend(&self) -> i32 {
        self.backend
    }

    /// The first of so many numbers for requests.
    pub(super) fn numbers(&self, count: usize) -> i64 {
        self.next_request.fetch_add(count as i64, Ordering::Relaxed)
    }

    /// Returns when the notification of a probe has come.
    pub(super) async fn probed(&self) -> Result<(), LockError> {
        tokio::select! {
            () = self.ledger.probed.notified() => Ok(()),
            reason = self.ledger.ended() => Err(lost(&reason)),
        }
    }

    /// Ends the session for a reason that was found here.
    pub(super) fn end(&self, reason: &str) {
        self.ledger.end(reason);
        self.reader.abort();
    }

    /// Calls a function that returns one row. The query is sent at the first poll.
    ///
    /// # Errors
    ///
    /// [`LockError::Lost`] if the session has ended, with the reason, and otherwise
    /// [`LockError::Backend`]: then the call has changed nothing.
    pub(super) async fn one(
        &self,
        statement: &Statement,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, LockError> {
        match self.client.query_one(statement, arguments).await {
            Ok(row) => Ok(row),
            Err(error) => Err(self.meaning(error).await),
        }
    }

    /// As [`one`](Self::one), of a function that returns any number of rows.
    pub(super) async fn all(
        &self,
        statement: &Statement,
        arguments: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, LockError> {
        match self.client.query(statement, arguments).await {
            Ok(rows) => Ok(rows),
            Err(error) => Err(self.meaning(error).await),
        }
    }

    async fn meaning(&self, error: Error) -> LockError {
        if error.is_closed() {
            // The task that reads the connection knows more, and is just about to say it. (It
            // closes nothing before it has ended the session.)
            return lost(&self.ledger.ended().await);
        }
        if is_end(&error) {
            self.end(&why(&error));
        }
        match self.ledger.why_ended() {
            Some(reason) => lost(&reason),
            None => failed(error),
        }
    }

    /// Starts `work` at once, so that its query is sent before all later ones, and has it finished
    /// whether or not anybody waits for it.
    pub(super) fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut work: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(work);
        let first = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if first.is_pending() {
            // If the runtime is shutting down, so is the task that reads the connection, and
            // the server ends the session.
            self.runtime.spawn(work);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The connection writes what was sent, and ends when it sees that its client is gone. It
        // may not hear of that if the network is down.
        let reader = Arc::clone(&self.reader);
        self.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            reader.abort();
        });
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("backend", &self.backend)
            .field("ended", &self.ledger.why_ended())
            .finish_non_exhaustive()
    }
}

struct AbortOnDrop(Option<AbortHandle>);

impl AbortOnDrop {
    fn disarm(mut self) -> AbortHandle {
        self.0.take().expect("it is taken once")
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

/// Reads a connection until its end, which is that of the session.
async fn read(mut messages: Messages, ledger: Arc<Ledger>) {
    let reason = loop {
        match poll_fn(|cx| messages.poll_message(cx)).await {
            Some(Ok(AsyncMessage::Notification(heard))) => {
                if let Some(reason) = ledger.hear(heard.payload()) {
                    break reason;
                }
            }
            Some(Ok(AsyncMessage::Notice(notice))) => {
                log::debug!(target: "crosslock", "PostgreSQL: {notice}");
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => break why(&error),
            None => break String::from("the PostgreSQL server closed the connection"),
        }
    };
    // Before the connection is dropped, at which all calls fail: see `meaning`.
    ledger.end(&reason);
    drop(messages);
}

/// A lock that was lost with its session, or cannot be asked for without one.
pub(super) fn lost(reason: &str) -> LockError {
    LockError::manager_lost(format!("{reason}; `reconnect` opens a new session"))
}

/// Whether an error is the end of the session.
fn is_end(error: &Error) -> bool {
    let code = error.code().map(|code| code.code());
    let by_server = code.is_some_and(|code| {
        // Class 57P: operator intervention; class 08: the connection; ours: see `schema.sql`.
        code.starts_with("57P") || code.starts_with("08") || code == "CL002" || code == "CL003"
    });
    // Without a code it is no answer of the server's.
    by_server || code.is_none()
}

/// The reason of a loss, in words that say which.
fn why(error: &Error) -> String {
    let Some(answer) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        return format!(
            "the connection to PostgreSQL broke: {error}{}",
            cause.unwrap_or_default()
        );
    };
    let message = answer.message();
    match answer.code().code() {
        "57P01" => format!(
            "an administrator ended the backend or stopped the PostgreSQL server: {message}"
        ),
        "57P02" => format!("the PostgreSQL server crashed or was stopped at once: {message}"),
        "57P03" => format!("the PostgreSQL server is starting or stopping: {message}"),
        "57P05" => format!("the PostgreSQL server ended an idle session: {message}"),
        "CL002" => SILENT.to_owned(),
        _ => format!("the PostgreSQL server failed: {message}"),
    }
}

/// A session that may be gone.
pub(super) type WeakSession = Weak<Session>;

/// When something was asked.
pub(super) fn now() -> Instant {
    Instant::now()
}
