//! Connections, and how they behave when Postgres or the way to it goes away.

use std::str::FromStr;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

use super::migrate;
use crate::Error;

/// How long a caller waits for a connection. Callers repeat what failed, so it is better to say soon that Postgres
/// is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that lay idle for longer is tried before it is handed out; under load none is.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// What every session is told.
const SESSION: [(&str, &str); 12] = [
    // Locking a run and reading it are two statements: the second has to see what the lock waited for.
    ("default_transaction_isolation", "read committed"),
    // Every statement looks some rows up by an index, in tables that grow and shrink faster than statistics are
    // taken. Left to guess, the planner reads a million task runs to find those of ten runs.
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("plan_cache_mode", "force_custom_plan"),
    ("jit", "off"),
    // Nothing takes that long unless something is wrong, and a stalled process must not keep its locks.
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "30s"),
    // The server gives a vanished client up after four seconds, and its locks with it: leaders are replaced in five.
    ("tcp_keepalives_idle", "2"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "2"),
];

/// Where the ledger is.
#[derive(Clone)]
pub struct Config {
    /// `postgres://user:password@host:port/database?sslmode=…`.
    pub url: String,
    /// Connections of this process at most.
    pub max_connections: u32,
    /// Where in the database its tables are; several fleets can share a database.
    pub schema: String,
}

impl Config {
    /// The usual for that URL: ten connections, schema `flotilla`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), max_connections: 10, schema: "flotilla".to_owned() }
    }

    /// How to open a connection whose unqualified names mean this ledger's tables.
    pub(super) fn options(&self) -> Result<PgConnectOptions, Error> {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let fits = (1..=48).contains(&self.schema.len()) && self.schema.chars().all(word);
        if !fits || self.schema.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Error::InvalidSchema(self.schema.clone()));
        }
        Ok(PgConnectOptions::from_str(&self.url)?
            .application_name("flotilla")
            .options([("search_path", self.schema.as_str())])
            .options(SESSION)
            .disable_statement_logging())
    }
}

/// A pool over a schema that is up to date.
pub(super) async fn pool(config: &Config, options: PgConnectOptions) -> Result<PgPool, Error> {
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, idle| {
            Box::pin(async move {
                if idle.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options)
        .await?;
    migrate::check(&pool).await?;
    Ok(pool)
}
