//! What was told about runs.

use jiff::Timestamp;
use protocol::{RunId, RunState, TenantId};
use sqlx::{QueryBuilder, SqliteConnection};

use super::store::ROWS;
use super::values::{Columns, id, micros};
use crate::events::{Row, column, read};
use crate::{Error, RunEvents};

/// Stores rows under the next numbers. Nobody else writes meanwhile, so the numbers grow with the commits.
pub(super) async fn record(connection: &mut SqliteConnection, rows: &[Row], now: Timestamp) -> Result<(), Error> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM events").fetch_one(&mut *connection).await?;
    let mut numbers = last.unwrap_or(0).max(micros(now)).saturating_add(1)..;
    for rows in rows.chunks(ROWS) {
        let mut query = QueryBuilder::new("INSERT INTO events (seq, run_id, event) ");
        query.push_values(rows.iter().zip(numbers.by_ref()), |mut values, (row, seq)| {
            values.push_bind(seq).push_bind(id(row.run_id.as_uuid())).push_bind(row.event.as_str());
        });
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// The run's state and its events after a number; within a transaction, as of one moment.
pub(super) async fn after(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    run_id: RunId,
    after: u64,
    limit: i64,
) -> Result<Option<RunEvents>, Error> {
    let run = sqlx::query("SELECT state, ended_at FROM runs WHERE id = ? AND tenant = ?")
        .bind(id(run_id.as_uuid()))
        .bind(tenant.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(run) = run else { return Ok(None) };
    let mut columns = Columns::of(&run);
    let (state, ended_at) = (columns.state("run state", RunState::parse)?, columns.optional_time()?);
    let rows = sqlx::query("SELECT seq, event FROM events WHERE run_id = ? AND seq > ? ORDER BY seq LIMIT ?")
        .bind(id(run_id.as_uuid()))
        .bind(column(after))
        .bind(limit)
        .fetch_all(connection)
        .await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        events.push(read(columns.get()?, columns.get()?)?);
    }
    Ok(Some(RunEvents { state, ended_at, events }))
}
