//! Opening a connection that is ours alone, and refusing those that cannot carry locks.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Socket};

use super::migrate::{assert_migrated, not_granted};
use super::options::PostgresOptions;
use super::session::Session;
use super::tls::{Rustls, Stream};
use crate::error::LockError;

pub(super) type Messages = Connection<Socket, Stream>;

/// A future that drives a connection until its end.
pub(super) type Driver = Pin<Box<dyn Future<Output = Result<(), tokio_postgres::Error>> + Send>>;

/// Opens a connection whose settings are those that the functions rely on, whatever the role or
/// the database set.
pub(super) async fn open(options: &PostgresOptions) -> Result<(Client, Driver), LockError> {
    let (client, mut messages) = dial(options).await?;
    let drive = async move {
        while let Some(message) = poll_fn(|cx| messages.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message? {
                log::debug!(target: "crosslock", "PostgreSQL: {notice}");
            }
        }
        Ok(())
    };
    let mut driver: Driver = Box::pin(drive);
    let ready = set_up(&client, options);
    tokio::select! {
        biased;
        result = ready => result?,
        ended = &mut driver => return Err(ended.err().map_or_else(closed, failed)),
    }
    Ok((client, driver))
}

async fn dial(options: &PostgresOptions) -> Result<(Client, Messages), LockError> {
    let mut config: Config = options.config.clone();
    let takeover = options.takeover;
    if config.get_application_name().is_none() {
        config.application_name(format!("crosslock: {}", options.label));
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(takeover);
    }
    // The kernel gives up when we do, also on what we have sent and nobody has acknowledged.
    config.keepalives(true);
    config.keepalives_idle(takeover / 2);
    config.tcp_user_timeout(takeover);
    let tls = Rustls::new(options)?;
    config.connect(tls).await.map_err(failed)
}

/// Each as it is set, where the server has such a setting: what a connection is there for is the
/// same everywhere. (PostgreSQL documentation, "Client Connection Defaults" and "Connection
/// Settings". `client_connection_check_interval` and `idle_session_timeout` came with version
/// 14, and the former is for Linux and BSDs alone.)
async fn set_up(client: &Client, options: &PostgresOptions) -> Result<(), LockError> {
    let seconds = options.takeover.as_secs().max(2);
    let interval = (seconds / 5).max(1);
    let idle = seconds - interval;
    let millis = options.takeover.as_millis();
    let settings = [
        ("lock_timeout", "0".to_owned()),
        ("idle_in_transaction_session_timeout", "0".into()),
        ("idle_session_timeout", "0".into()),
        ("transaction_timeout", "0".into()),
        // Each statement of a function has to see what was committed before it.
        ("default_transaction_isolation", "read committed".into()),
        ("default_transaction_read_only", "off".into()),
        ("default_transaction_deferrable", "off".into()),
        ("search_path", "pg_catalog, pg_temp".into()),
        // Nothing that a lock writes has to survive a crash, so nobody need wait for a disk.
        ("synchronous_commit", "off".into()),
        // Tables that are empty most of the time have statistics that say so.
        ("enable_seqscan", "off".into()),
        ("enable_bitmapscan", "off".into()),
        ("plan_cache_mode", "force_generic_plan".into()),
        ("jit", "off".into()),
        ("client_min_messages", "warning".into()),
        // So that a backend whose client is gone ends soon, and frees its session.
        ("tcp_keepalives_idle", idle.to_string()),
        ("tcp_keepalives_interval", interval.to_string()),
        ("tcp_keepalives_count", "1".into()),
        ("tcp_user_timeout", millis.to_string()),
        ("client_connection_check_interval", (millis / 4).to_string()),
    ];
    let mut sql = String::new();
    for (name, value) in settings {
        // A block catches what this server or its system does not have.
        sql.push_str(&format!(
            "do $$ begin perform pg_catalog.set_config('{name}', '{value}', false);\n\
             exception when undefined_object or invalid_parameter_value then null; end $$;\n"
        ));
    }
    // By itself and first: what comes after may take longer than the role is allowed.
    let unlimited = client.batch_execute("set statement_timeout = 0").await;
    unlimited.map_err(failed)?;
    client.batch_execute(&sql).await.map_err(failed)
}

/// Opens a session, and makes sure that this connection can carry one.
pub(super) async fn session(options: PostgresOptions) -> Result<Arc<Session>, LockError> {
    options.check()?;
    let (client, messages) = dial(&options).await?;
    Session::open(client, messages, options).await
}

/// What every session does first.
pub(super) async fn prepare(client: &Client, options: &PostgresOptions) -> Result<(), LockError> {
    set_up(client, options).await?;
    let recovering = client.query_one("select pg_is_in_recovery()", &[]).await;
    if recovering.map_err(failed)?.get(0) {
        return Err(read_only());
    }
    assert_migrated(client, options).await
}

/// Fails unless a second connection finds the first one's session: another backend holds its
/// lock, and the first hears what the second notifies.
///
/// A pooler in transaction mode lends a backend for one transaction. Then the two connections
/// share a backend, or notifications go to nobody.
pub(super) async fn assert_not_pooled(
    session: &Session,
    options: &PostgresOptions,
) -> Result<(), LockError> {
    let (client, driver) = open(options).await?;
    let work = async {
        let schema = options.quoted_schema();
        let sql = format!("select pg_backend_pid(), {schema}.probe($1)");
        let row = client.query_one(&sql, &[&session.id()]).await;
        let row = row.map_err(failed)?;
        let (backend, is_live): (i32, bool) = (row.get(0), row.get(1));
        if backend == session.backend() || !is_live {
            return Err(pooled());
        }
        Ok(())
    };
    tokio::select! {
        biased;
        result = work => result?,
        ended = driver => return Err(ended.err().map_or_else(closed, failed)),
    }
    // A pooler that lets notifications fall does so without a word.
    const LONG_ENOUGH: Duration = Duration::from_secs(5);
    match tokio::time::timeout(LONG_ENOUGH, session.probed()).await {
        Ok(heard) => heard,
        Err(_) => Err(pooled()),
    }
}

/// An error of the server, or of the way to it.
pub(super) fn failed(error: tokio_postgres::Error) -> LockError {
    // The function that found another backend, a statement that another backend has prepared,
    // and an option that poolers do not know.
    let pooler = [
        Some("CL003"),
        Some(SqlState::INVALID_SQL_STATEMENT_NAME.code()),
    ];
    let code = error.code().map(SqlState::code);
    if code.is_some() && pooler.contains(&code) {
        return pooled();
    }
    match error.code() {
        Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => read_only(),
        _ => LockError::backend("PostgreSQL cannot be asked for locks", error),
    }
}

/// As [`failed`], when the functions are called for the first time.
pub(super) fn refused(options: &PostgresOptions, error: tokio_postgres::Error) -> LockError {
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => not_granted(options, &error),
        _ => failed(error),
    }
}

pub(super) fn closed() -> LockError {
    LockError::unavailable("the PostgreSQL server closed the connection")
}

pub(super) fn read_only() -> LockError {
    LockError::unavailable(
        "this PostgreSQL server is a read-only replica, and locks are on the primary: connect to \
         that, for instance with `target_session_attrs=read-write` and all hosts",
    )
}

fn pooled() -> LockError {
    LockError::unavailable(
        "a pooler such as pgbouncer stands between in transaction mode (or statement mode), which \
         lends a backend for one transaction, and a lock lives longer: connect to the server \
         itself, or to a pool in session mode (`pool_mode = session`)",
    )
}
