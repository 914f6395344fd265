//! The ceiling of a submission: a row that is committed to the same Postgres.

use std::time::{Duration, Instant};

use specs::Berth;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::task::JoinSet;

use super::wrk::Taken;

/// Commits rows, one after another on each connection.
///
/// # Errors
/// When Postgres refuses.
pub async fn measure(berth: &Berth, connections: u16, time: Duration) -> anyhow::Result<Taken> {
    let (url, schema) = (&berth.database().postgres_url, &berth.database().postgres_schema);
    let mut first = PgConnection::connect(url).await?;
    let table = format!("CREATE TABLE {schema}.ceiling (id uuid PRIMARY KEY, body text NOT NULL)");
    sqlx::query(AssertSqlSafe(table)).execute(&mut first).await?;
    let mut callers = JoinSet::new();
    for _ in 0..connections {
        let mut connection = PgConnection::connect(url).await?;
        let statement = format!("INSERT INTO {schema}.ceiling VALUES ($1, $2)");
        callers.spawn(async move {
            let (began, mut taken) = (Instant::now(), Vec::new());
            while began.elapsed() < time {
                let since = Instant::now();
                let row = sqlx::query(AssertSqlSafe(statement.clone())).bind(uuid::Uuid::now_v7()).bind("{}");
                row.execute(&mut connection).await?;
                taken.push(since.elapsed().as_secs_f64() * 1e3);
            }
            Ok::<_, sqlx::Error>(taken)
        });
    }
    let mut all = Vec::new();
    while let Some(taken) = callers.join_next().await {
        all.extend(taken??);
    }
    all.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let per_s = all.len() as f64 / time.as_secs_f64();
    let at = |part: usize| all.get(all.len() * part / 100).copied().unwrap_or_default();
    Ok(Taken { per_s, p50_ms: at(50), p99_ms: at(99) })
}
