//! Opens the database and brings its schema up to date.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use crate::Error;

/// Readers beside the one writer: status pages and sweeps must not wait for each other.
const READERS: u32 = 4;

/// How long a statement waits for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a caller waits for its turn to write before it is told that the ledger is overloaded.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);

/// Every migration, in order. A released one never changes: its checksum is stored.
const MIGRATIONS: [(i64, &str, &str); 8] = [
    (1, "runs", include_str!("../../migrations/sqlite/0001_runs.sql")),
    (2, "fair admission", include_str!("../../migrations/sqlite/0002_fair_admission.sql")),
    (4, "events", include_str!("../../migrations/sqlite/0004_events.sql")),
    (5, "schedules", include_str!("../../migrations/sqlite/0005_schedules.sql")),
    (6, "records", include_str!("../../migrations/sqlite/0006_records.sql")),
    (7, "runs again", include_str!("../../migrations/sqlite/0007_runs_again.sql")),
    (8, "notices", include_str!("../../migrations/sqlite/0008_notices.sql")),
    (9, "backends", include_str!("../../migrations/sqlite/0009_backends.sql")),
];

/// Where to write and where to read.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    /// One connection: SQLite has one writer, and waiting in our own queue is fair while its busy handler is not.
    pub(super) writer: SqlitePool,
    /// Connections that never write; the same as `writer` for a database in memory.
    pub(super) readers: SqlitePool,
    /// One that does not wait for the disk, for what may be lost with the power; used by whoever holds `writer`. None
    /// for a database in memory.
    pub(super) unhurried: Option<SqlitePool>,
}

/// Opens or creates the file and its folder.
pub(super) async fn file(path: &Path) -> Result<Pools, Error> {
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(sqlx::Error::Io)?;
    }
    let options = options()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let writer = pool(1).connect_with(options.clone()).await?;
    migrate(&writer).await?;
    let unhurried = pool(1).connect_lazy_with(options.clone().synchronous(SqliteSynchronous::Normal));
    let readers = pool(READERS).connect_with(options.pragma("query_only", "on")).await?;
    Ok(Pools { writer, readers, unhurried: Some(unhurried) })
}

/// A database that is gone when the ledger is dropped.
pub(super) async fn memory() -> Result<Pools, Error> {
    let writer = pool(1).connect_with(options().in_memory(true)).await?;
    migrate(&writer).await?;
    Ok(Pools { readers: writer.clone(), writer, unhurried: None })
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new().foreign_keys(true).busy_timeout(BUSY_TIMEOUT)
}

/// Connections are kept for good: opening one costs more than any query, and closing the only connection to a
/// database in memory would lose it.
fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(TURN_TIMEOUT)
}

async fn migrate(writer: &SqlitePool) -> Result<(), Error> {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Ok(Migrator::with_migrations(migrations.into()).run(writer).await?)
}
