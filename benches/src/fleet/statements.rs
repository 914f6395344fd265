//! How many statements something costs Postgres, counted by Postgres itself.

use sqlx::PgPool;

/// Forgets what was counted so far. `false`: this Postgres does not count (it has no `pg_stat_statements`).
///
/// # Errors
/// When Postgres is away.
pub async fn reset(pool: &PgPool) -> sqlx::Result<bool> {
    let extension = "SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'";
    if sqlx::query_scalar::<_, i64>(extension).fetch_one(pool).await? == 0 {
        return Ok(false);
    }
    sqlx::query("SELECT pg_stat_statements_reset()").execute(pool).await?;
    Ok(true)
}

/// Statements of this database since then, left out `BEGIN`, `COMMIT` and what the driver asks about types, once a
/// connection.
///
/// # Errors
/// When Postgres is away.
pub async fn count(pool: &PgPool) -> sqlx::Result<i64> {
    let counted = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements \
                   WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                   AND query !~* '^ *(begin|commit|rollback)' AND query !~ 'pg_stat_statements|FROM pg_catalog|pg_type\\.oid'";
    sqlx::query_scalar(counted).fetch_one(pool).await
}
