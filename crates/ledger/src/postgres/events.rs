//! What was told about runs: written in one statement, read in one.

use jiff::Timestamp;
use protocol::{RunId, RunState, TenantId};
use sqlx::PgConnection;

use super::load::uuids;
use super::values::Columns;
use crate::events::{Row, column, read};
use crate::{Error, RunEvents};

/// Stores rows under the next numbers.
///
/// Numbers are handed out under the lock of the clock's row, which is kept until the commit is visible: so commits
/// become visible in the order of their numbers, and a reader misses none.
pub(super) async fn record(connection: &mut PgConnection, rows: &[Row], now: Timestamp) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let run_ids: Vec<RunId> = rows.iter().map(|row| row.run_id).collect();
    sqlx::query(
        "WITH unhurried AS (SELECT set_config('synchronous_commit', 'off', true)), \
         turn AS (UPDATE event_clock SET last = greatest(last, $1) + $2 RETURNING last - $2 AS base) \
         INSERT INTO events (run_id, seq, event) \
         SELECT v.run_id, turn.base + v.place, v.event \
         FROM turn, unhurried, unnest($3::uuid[], $4::text[]) WITH ORDINALITY AS v (run_id, event, place)",
    )
    .bind(now.as_microsecond())
    .bind(i64::try_from(rows.len()).unwrap_or(i64::MAX))
    .bind(uuids(&run_ids))
    .bind(rows.iter().map(|row| row.event.as_str()).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The run's state and its events after a number, as of one moment.
pub(super) async fn after(
    connection: &mut PgConnection,
    tenant: &TenantId,
    run_id: RunId,
    after: u64,
    limit: i64,
) -> Result<Option<RunEvents>, Error> {
    let rows = sqlx::query(
        "SELECT r.state, r.ended_at, e.seq, e.event FROM runs r LEFT JOIN LATERAL ( \
            SELECT seq, event FROM events WHERE run_id = r.id AND seq > $3 ORDER BY seq LIMIT $4 \
         ) e ON true WHERE r.id = $1 AND r.tenant = $2 ORDER BY e.seq",
    )
    .bind(run_id.as_uuid())
    .bind(tenant.as_str())
    .bind(column(after))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let mut found: Option<RunEvents> = None;
    for row in &rows {
        let mut columns = Columns::of(row);
        let state = columns.state("run state", RunState::parse)?;
        let ended_at = columns.optional_time()?;
        let events = &mut found.get_or_insert(RunEvents { state, ended_at, events: Vec::new() }).events;
        let (seq, text): (Option<i64>, Option<&str>) = (columns.get()?, columns.get()?);
        if let (Some(seq), Some(text)) = (seq, text) {
            events.push(read(seq, text)?);
        }
    }
    Ok(found)
}
