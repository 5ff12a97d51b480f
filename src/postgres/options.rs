//! [`PostgresOptions`]: which database, and how.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;

use crate::error::LockError;

/// The schema that [`PostgresOptions`] name if nothing else is said.
pub const SCHEMA: &str = "crosslock";

/// Where the locks are: the options of [`PostgresLockManager::connect`] and
/// [`migrate`](super::migrate).
///
/// ```
/// use std::time::Duration;
/// use crosslock::postgres::PostgresOptions;
///
/// let options: PostgresOptions = "host=db.internal user=wallet dbname=wallet sslmode=require".parse()?;
/// let options = options.with_label("wallet-a").with_takeover(Duration::from_secs(5));
/// # Ok::<(), crosslock::LockError>(())
/// ```
///
/// [`PostgresLockManager::connect`]: super::PostgresLockManager::connect
#[derive(Clone)]
pub struct PostgresOptions {
    pub(super) config: Config,
    pub(super) schema: String,
    pub(super) label: String,
    pub(super) takeover: Duration,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
}

impl PostgresOptions {
    /// The options of tokio-postgres: hosts, user, password, database, `sslmode`.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            schema: SCHEMA.to_owned(),
            label: format!("process {}", std::process::id()),
            takeover: Duration::from_secs(10),
            tls: None,
        }
    }

    /// The schema with the tables and functions, `crosslock` by default. Locks of different
    /// schemas have nothing to do with each other.
    #[must_use]
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Names this instance in [`query`](crate::LockManager::query), in the errors of those
    /// who time out behind it, and in `pg_stat_activity`. By default `process` and its number.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// After how long a silence a session is ended and its locks are given to the next: 10
    /// seconds by default, 2 at least, and the same for all instances on a database.
    ///
    /// The guards of a silent session are lost to itself after nine tenths of that time, so before
    /// anybody else is granted the lock. See [the module](super#when-a-machine-is-cut-off).
    #[must_use]
    pub fn with_takeover(mut self, takeover: Duration) -> Self {
        self.takeover = takeover.max(Duration::from_secs(2));
        self
    }

    /// Roots, client certificates and everything else of TLS. By default the server's
    /// certificate is checked with the roots of the operating system.
    ///
    /// Whether there is TLS at all is for `sslmode` to say. As `prefer`, the default, falls back
    /// to a connection without, say `require` wherever the network is not yours alone. Unlike in
    /// libpq, `require` checks the certificate and the host's name (libpq's `verify-full`).
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The schema as it is written in SQL.
    pub(super) fn quoted_schema(&self) -> String {
        format!("\"{}\"", self.schema.replace('"', "\"\""))
    }

    /// # Errors
    ///
    /// [`LockError::Unavailable`] if the schema's name cannot be put into SQL as it is.
    pub(super) fn check(&self) -> Result<(), LockError> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let starts_well = self.schema.starts_with(|c: char| c.is_ascii_lowercase());
        // The server cuts longer names, and two of them might become one.
        if starts_well && self.schema.len() <= 63 && self.schema.chars().all(is_plain) {
            return Ok(());
        }
        Err(LockError::unavailable(format!(
            "\"{}\" cannot be the schema of locks: take a lowercase letter, then lowercase \
             letters, digits and `_`, 63 bytes at most",
            self.schema.escape_debug()
        )))
    }

    /// How often the session says that it lives.
    pub(super) fn beat_every(&self) -> Duration {
        self.takeover / 5
    }

    /// How long after it sent the last beat that was answered the session counts as lost.
    pub(super) fn lost_after(&self) -> Duration {
        self.takeover * 9 / 10
    }
}

impl FromStr for PostgresOptions {
    type Err = LockError;

    /// From a connection string or URL, as [`tokio_postgres::Config`] documents it.
    fn from_str(text: &str) -> Result<Self, LockError> {
        // Its message names an option, and never a value, which may be a password.
        let config = text.parse::<Config>();
        let failed = |error| LockError::backend("cannot read the connection string", error);
        config.map(Self::new).map_err(failed)
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("config", &self.config)
            .field("schema", &self.schema)
            .field("label", &self.label)
            .field("takeover", &self.takeover)
            .finish_non_exhaustive()
    }
}
