//! Brings the schema up to date, and refuses to work with another one.

use jiff::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Connection, PgConnection, PgPool, SqlSafeStr};

use super::connect::Config;
use super::history;
use crate::Error;

/// Every migration, in order. A released one never changes: its checksum is stored.
const MIGRATIONS: [(i64, &str, &str); 8] = [
    (1, "runs", include_str!("../../migrations/postgres/0001_runs.sql")),
    (3, "events", include_str!("../../migrations/postgres/0003_events.sql")),
    (4, "schedules", include_str!("../../migrations/postgres/0004_schedules.sql")),
    (5, "line", include_str!("../../migrations/postgres/0005_line.sql")),
    (6, "records", include_str!("../../migrations/postgres/0006_records.sql")),
    (7, "runs again", include_str!("../../migrations/postgres/0007_runs_again.sql")),
    (8, "notices", include_str!("../../migrations/postgres/0008_notices.sql")),
    (9, "backends", include_str!("../../migrations/postgres/0009_backends.sql")),
];

/// The version that this program works with.
const VERSION: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Creates the schema or brings it up to date, and prepares the partitions of the coming months. Several processes
/// may do so at once: they take turns under an advisory lock.
///
/// # Errors
/// When Postgres is away, refuses, or holds a newer schema.
pub async fn migrate(config: &Config) -> Result<(), Error> {
    let options = config.options()?.options([("statement_timeout", "0")]);
    let mut connection = PgConnection::connect_with(&options).await?;
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.into());
    migrator.create_schema(config.schema.clone());
    migrator.run_direct(None, &mut connection, false).await?;
    history::create_partitions(&mut connection, Timestamp::now()).await?;
    Ok(connection.close().await?)
}

/// Whether the schema is the one that this program works with.
pub(super) async fn check(pool: &PgPool) -> Result<(), Error> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL").fetch_one(pool).await?;
    let found: Option<i64> = if exists {
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(pool).await?
    } else {
        None
    };
    match found.unwrap_or(0) {
        VERSION => Ok(()),
        found if found < VERSION => Err(Error::SchemaOutdated { found, wanted: VERSION }),
        found => Err(Error::SchemaNewer { found, known: VERSION }),
    }
}
