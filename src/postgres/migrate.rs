//! [`migrate`]: the tables and functions, made once for a database.

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, GenericClient};

use super::connect;
use super::options::PostgresOptions;
use crate::error::LockError;

/// The version of `schema.sql`.
const VERSION: i32 = 1;

/// The SQL that [`migrate`] runs where nothing is there yet. It is for an administrator who
/// keeps the right to create to himself.
pub fn migration_sql(options: &PostgresOptions) -> String {
    let schema = options.quoted_schema();
    let body = body(options);
    format!("begin;\ncreate schema if not exists {schema};\n{body}commit;\n")
}

fn body(options: &PostgresOptions) -> String {
    include_str!("schema.sql").replace("{schema}", &options.quoted_schema())
}

/// Creates the schema, its tables and its functions, if they are not there in this version.
///
/// It may be called at every start, and by many instances at once. No superuser is needed: the
/// right to create in the database will do, or in the schema, if it exists. Other roles
/// need `grant usage on schema crosslock` and nothing else: every function that they call runs
/// with the rights of the role that has created it.
///
/// # Errors
///
/// [`LockError::Unavailable`] if the role may not create; the message has the SQL to hand to an
/// administrator. Also if the schema is of a newer version than this crate, or the server is a
/// read-only replica. [`LockError::Backend`] for what else the server or the network say.
pub async fn migrate(options: &PostgresOptions) -> Result<(), LockError> {
    options.check()?;
    let (mut client, connection) = connect::open(options).await?;
    let work = async {
        let transaction = client.transaction().await.map_err(failed)?;
        // Those who come at the same time wait here, and find the work done.
        transaction
            .execute(
                "select pg_advisory_xact_lock(hashtext('crosslock.migrate'), hashtext($1))",
                &[&options.schema],
            )
            .await
            .map_err(failed)?;
        let exists = "select from pg_namespace where nspname = $1";
        let exists = transaction.query_opt(exists, &[&options.schema]).await;
        let exists = exists.map_err(failed)?.is_some();
        match version(&transaction, options).await? {
            Some(there) => return there.check(options),
            None => log::debug!(target: "crosslock", "creating schema {}", options.schema),
        }
        let mut sql = body(options);
        if !exists {
            sql.insert_str(0, &format!("create schema {};\n", options.quoted_schema()));
        }
        let created = transaction.batch_execute(&sql).await;
        created.map_err(|error| match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => LockError::unavailable(format!(
                "the role may not create schema {} ({error}); have an administrator run this:\n{}",
                options.schema,
                migration_sql(options)
            )),
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => connect::read_only(),
            _ => failed(error),
        })?;
        transaction.commit().await.map_err(failed)
    };
    tokio::select! {
        biased;
        result = work => result,
        ended = connection => Err(ended.err().map_or_else(connect::closed, failed)),
    }
}

fn failed(error: tokio_postgres::Error) -> LockError {
    LockError::backend("cannot create the tables of locks in PostgreSQL", error)
}

/// The version of the schema on a server.
pub(super) struct Version {
    version: i32,
    oldest_reader: i32,
}

impl Version {
    /// # Errors
    ///
    /// [`LockError::Unavailable`] if this crate does not understand it.
    pub(super) fn check(&self, options: &PostgresOptions) -> Result<(), LockError> {
        let schema = &options.schema;
        let Self {
            version,
            oldest_reader,
        } = self;
        if *version < VERSION {
            return Err(LockError::unavailable(format!(
                "schema {schema} has version {version}, and this crate needs {VERSION}: call \
                 `crosslock::postgres::migrate`"
            )));
        }
        if *oldest_reader > VERSION {
            return Err(LockError::unavailable(format!(
                "schema {schema} has version {version}, and this crate understands {VERSION}: \
                 update the crate"
            )));
        }
        Ok(())
    }
}

/// `None` if the schema is not there.
pub(super) async fn version(
    client: &impl GenericClient,
    options: &PostgresOptions,
) -> Result<Option<Version>, LockError> {
    let schema = options.quoted_schema();
    // Not by its name, which a role without rights on the schema may not even look up.
    let found = "select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = $1 and c.relname = 'version'";
    let found = client.query_opt(found, &[&options.schema]).await;
    if found.map_err(failed)?.is_none() {
        return Ok(None);
    }
    let query = format!("select version, oldest_reader from {schema}.version");
    match client.query_opt(&query, &[]).await {
        Ok(row) => Ok(row.map(|row| Version {
            version: row.get(0),
            oldest_reader: row.get(1),
        })),
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            Err(not_granted(options, &error))
        }
        Err(error) => Err(failed(error)),
    }
}

pub(super) fn not_granted(options: &PostgresOptions, error: &dyn std::fmt::Display) -> LockError {
    let schema = options.quoted_schema();
    LockError::unavailable(format!(
        "the role may not use the locks ({error}); have their owner run this: \
         grant usage on schema {schema} to ROLE"
    ))
}

/// # Errors
///
/// [`LockError::Unavailable`] unless the schema is there in a version that will do.
pub(super) async fn assert_migrated(
    client: &Client,
    options: &PostgresOptions,
) -> Result<(), LockError> {
    match version(client, options).await? {
        Some(version) => version.check(options),
        None => Err(LockError::unavailable(format!(
            "there is no schema {} with locks in this database: call \
             `crosslock::postgres::migrate` once",
            options.schema
        ))),
    }
}
