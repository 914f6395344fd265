//! What Postgres says about all runs of a spec, counted there: reading them would cost more than the work itself.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

/// The ledger's tables, looked at from outside.
pub(crate) struct Books {
    url: String,
    schema: String,
}

impl Books {
    pub(crate) fn of(database: &backends::stack::Database) -> Self {
        Self { url: database.postgres_url.clone(), schema: database.postgres_schema.clone() }
    }

    /// How many runs are in which state; `None` while Postgres is away.
    pub(crate) async fn runs(&self) -> Option<BTreeMap<String, i64>> {
        self.pairs("SELECT state, count(*) FROM runs GROUP BY state").await
    }

    /// How many attempts have ended how; `None` while Postgres is away.
    pub(crate) async fn attempts(&self) -> Option<BTreeMap<String, i64>> {
        self.pairs("SELECT outcome, count(*) FROM attempts GROUP BY outcome").await
    }

    /// Task runs that were not recorded as done exactly once.
    pub(crate) async fn wrong(&self) -> i64 {
        let count = "SELECT count(*) FROM ( \
            SELECT t.id FROM task_runs t LEFT JOIN attempts a ON a.task_run_id = t.id AND a.outcome = 'done' \
            GROUP BY t.id HAVING count(a.task_run_id) <> 1) AS wrong";
        self.number(count).await
    }

    /// The task runs that a worker of that name has started within the last three seconds, as far as was reported.
    pub(crate) async fn in_hands_of(&self, worker: &str) -> Vec<Uuid> {
        let mut connection = self.connect().await.unwrap();
        let ids = "SELECT id FROM task_runs WHERE state = 'running' AND worker LIKE $1 || '%' \
            AND started_at > now() - interval '3 seconds'";
        sqlx::query_scalar(ids).bind(worker).fetch_all(&mut connection).await.unwrap()
    }

    /// When the last of these task runs started that attempt which was done; in microseconds of Unix time.
    pub(crate) async fn last_start(&self, task_runs: &[Uuid]) -> i64 {
        let mut connection = self.connect().await.unwrap();
        let latest = "SELECT (extract(epoch FROM max(started_at)) * 1000000)::bigint FROM attempts \
            WHERE outcome = 'done' AND task_run_id = ANY($1)";
        sqlx::query_scalar(latest).bind(task_runs).fetch_one(&mut connection).await.unwrap()
    }

    async fn number(&self, statement: &str) -> i64 {
        let mut connection = self.connect().await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(&mut connection).await.unwrap()
    }

    async fn pairs(&self, statement: &str) -> Option<BTreeMap<String, i64>> {
        let mut connection = self.connect().await.ok()?;
        let rows = sqlx::query(AssertSqlSafe(statement.to_owned())).fetch_all(&mut connection).await.ok()?;
        Some(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// A connection of its own each time, so that it works again as soon as Postgres does.
    async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = PgConnection::connect(&self.url).await?;
        let search_path = format!("SET search_path TO {}", self.schema);
        sqlx::query(AssertSqlSafe(search_path)).execute(&mut connection).await?;
        Ok(connection)
    }
}
