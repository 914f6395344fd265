//! What time alone brings about: timers of waiting task runs, deadlines of runs, expired queue waits.

use engine::Event;
use jiff::Timestamp;
use protocol::{RunId, TaskRunId};
use sqlx::PgConnection;

use super::values::{Columns, Time};
use crate::Error;
use crate::values::{corrupt, queue_wait_expired};

/// Events whose time has come, the longest overdue first.
pub(super) async fn due(
    connection: &mut PgConnection,
    limit: i64,
    now: Timestamp,
) -> Result<Vec<(RunId, Event)>, Error> {
    // Each part reads a partial index in order, so the cost follows `limit`, not the backlog.
    let rows = sqlx::query(
        "SELECT kind, run_id, task_run, attempt FROM ( \
            (SELECT 'timer' AS kind, run_id, id AS task_run, attempt, due_at AS at FROM task_runs \
                WHERE state = 'waiting' AND due_at <= $1 ORDER BY due_at LIMIT $2) \
            UNION ALL \
            (SELECT 'queue_wait', run_id, id, attempt, expires_at FROM task_runs \
                WHERE state = 'queued' AND expires_at <= $1 ORDER BY expires_at LIMIT $2) \
            UNION ALL \
            (SELECT 'deadline', id, NULL, 0, deadline_at FROM runs \
                WHERE state IN ('queued', 'running') AND deadline_at <= $1 ORDER BY deadline_at LIMIT $2) \
         ) AS due ORDER BY at LIMIT $2",
    )
    .bind(Time(now))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        let kind: &str = columns.get()?;
        let run_id = RunId::from_uuid(columns.id()?);
        let event = match kind {
            "deadline" => Event::DeadlinePassed,
            "timer" => {
                Event::TimerDue { task_run: TaskRunId::from_uuid(columns.id()?), attempt: columns.number("attempt")? }
            }
            "queue_wait" => queue_wait_expired(TaskRunId::from_uuid(columns.id()?), columns.number("attempt")?),
            other => return Err(corrupt("timer", other)),
        };
        events.push((run_id, event));
    }
    Ok(events)
}

/// When the next of them is due.
pub(super) async fn next_due(connection: &mut PgConnection) -> Result<Option<Timestamp>, Error> {
    let row = sqlx::query(
        "SELECT least( \
            (SELECT min(due_at) FROM task_runs WHERE state = 'waiting'), \
            (SELECT min(expires_at) FROM task_runs WHERE state = 'queued' AND expires_at IS NOT NULL), \
            (SELECT min(deadline_at) FROM runs WHERE state IN ('queued', 'running') AND deadline_at IS NOT NULL), \
            (SELECT min(next_at) FROM schedules WHERE next_at IS NOT NULL) \
         )",
    )
    .fetch_one(connection)
    .await?;
    Columns::of(&row).optional_time()
}
