//! Writes what a fold changed: one statement per table for the whole batch, one parameter per column.

use engine::Run;
use jiff::Timestamp;
use protocol::{RunId, TaskRunId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::load::{Kept, uuids};
use super::values::{Time, text};
use crate::fold::Folded;
use crate::values::{expires_at, optional_json};
use crate::wide::WIDE;
use crate::{AttemptRecord, Error};

/// Stores everything that the folds changed, and counts the revisions of wide runs up: a copy of one in the memory of
/// another process tells by it what it missed. So every process has to agree on what is wide.
pub(super) async fn save(
    connection: &mut PgConnection,
    folds: &mut [(Kept, Folded)],
    now: Timestamp,
) -> Result<(), Error> {
    for (kept, folded) in &mut *folds {
        kept.revision += i64::from(is_wide(&kept.loaded.run) && !folded.touched.is_empty());
    }
    let runs = folds.iter().filter(|(kept, folded)| folded.run_changed || is_wide(&kept.loaded.run));
    save_runs(connection, &runs.map(|(kept, _)| kept).collect::<Vec<_>>()).await?;

    let task_runs = folds
        .iter()
        .flat_map(|(kept, folded)| folded.touched.iter().map(|place| (&kept.loaded.run, kept.revision, *place)));
    save_task_runs(connection, task_runs.collect()).await?;

    let attempts = folds.iter().flat_map(|(kept, folded)| {
        folded.attempts.iter().map(|(task_run, record)| (kept.loaded.run.id, *task_run, record))
    });
    add_attempts(connection, &attempts.collect::<Vec<_>>(), now).await
}

/// Whether a run counts its revisions.
pub(super) fn is_wide(run: &Run) -> bool {
    run.tasks.len() >= WIDE
}

async fn save_runs(connection: &mut PgConnection, kept: &[&Kept]) -> Result<(), Error> {
    if kept.is_empty() {
        return Ok(());
    }
    let runs: Vec<&Run> = kept.iter().map(|kept| &kept.loaded.run).collect();
    let errors: Vec<Option<String>> =
        runs.iter().map(|run| optional_json("error", run.error.as_ref())).collect::<Result<_, _>>()?;
    sqlx::query(
        "UPDATE runs SET state = v.state, error = v.error, started_at = v.started_at, ended_at = v.ended_at, \
         revision = v.revision \
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::bigint[]) \
         AS v (id, state, error, started_at, ended_at, revision) WHERE runs.id = v.id",
    )
    .bind(runs.iter().map(|run| run.id.as_uuid()).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.state.as_str()).collect::<Vec<_>>())
    .bind(errors)
    .bind(runs.iter().map(|run| run.started_at.map(Time)).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.ended_at.map(Time)).collect::<Vec<_>>())
    .bind(kept.iter().map(|kept| kept.revision).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores task runs by the run they belong to and their position in it.
/// Stores task runs: of a run, at its revision, at a position.
pub(super) async fn save_task_runs(
    connection: &mut PgConnection,
    mut places: Vec<(&Run, i64, usize)>,
) -> Result<(), Error> {
    if places.is_empty() {
        return Ok(());
    }
    // Marking jobs as published locks rows too, also in the order of ids.
    places.sort_unstable_by_key(|(run, _, position)| run.tasks[*position].id);
    let task_runs: Vec<_> = places.iter().map(|(run, _, position)| &run.tasks[*position]).collect();
    let outputs: Vec<Option<String>> =
        task_runs.iter().map(|task_run| optional_json("output", task_run.output.as_ref())).collect::<Result<_, _>>()?;
    let errors: Vec<Option<String>> =
        task_runs.iter().map(|task_run| optional_json("error", task_run.error.as_ref())).collect::<Result<_, _>>()?;
    let snooze_states = task_runs
        .iter()
        .map(|task_run| optional_json("snooze state", Some(&task_run.snooze_state).filter(|state| !state.is_null())));
    let snooze_states: Vec<Option<String>> = snooze_states.collect::<Result<_, _>>()?;
    let expiries = places.iter().zip(&task_runs).map(|((run, _, _), task_run)| expires_at(run, task_run));
    // New children and known task runs go the same way. The publication mark is left alone: it names the attempt
    // that it was set for, so a new attempt is unpublished by itself.
    sqlx::query(
        "INSERT INTO task_runs (id, run_id, position, task, item, state, attempt, failures, revision, due_at, \
         queued_at, expires_at, started_at, ended_at, output, fan_out, error, snooze_state, worker) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], \
         $7::bigint[], $8::bigint[], $9::bigint[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], \
         $13::timestamptz[], $14::timestamptz[], $15::text[], $16::bigint[], $17::text[], $18::text[], $19::text[]) \
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, attempt = excluded.attempt, \
         failures = excluded.failures, revision = excluded.revision, due_at = excluded.due_at, \
         queued_at = excluded.queued_at, expires_at = excluded.expires_at, started_at = excluded.started_at, \
         ended_at = excluded.ended_at, output = excluded.output, fan_out = excluded.fan_out, error = excluded.error, \
         snooze_state = excluded.snooze_state, worker = excluded.worker",
    )
    .bind(task_runs.iter().map(|task_run| task_run.id.as_uuid()).collect::<Vec<_>>())
    .bind(places.iter().map(|(run, _, _)| run.id.as_uuid()).collect::<Vec<_>>())
    .bind(places.iter().map(|(_, _, position)| as_position(*position)).collect::<Vec<_>>())
    .bind(task_runs.iter().map(|task_run| task_run.task.as_str()).collect::<Vec<_>>())
    .bind(task_runs.iter().map(|task_run| task_run.index.map(i64::from)).collect::<Vec<_>>())
    .bind(task_runs.iter().map(|task_run| task_run.state.as_str()).collect::<Vec<_>>())
    .bind(task_runs.iter().map(|task_run| i64::from(task_run.attempt)).collect::<Vec<_>>())
    .bind(task_runs.iter().map(|task_run| i64::from(task_run.failures)).collect::<Vec<_>>())
    .bind(places.iter().map(|(_, revision, _)| *revision).collect::<Vec<_>>())
    .bind(task_runs.iter().map(|task_run| task_run.due_at.map(Time)).collect::<Vec<_>>())
    .bind(task_runs.iter().map(|task_run| task_run.queued_at.map(Time)).collect::<Vec<_>>())
    .bind(expiries.map(|expiry| expiry.map(Time)).collect::<Vec<_>>())
    .bind(task_runs.iter().map(|task_run| task_run.started_at.map(Time)).collect::<Vec<_>>())
    .bind(task_runs.iter().map(|task_run| task_run.ended_at.map(Time)).collect::<Vec<_>>())
    .bind(outputs)
    .bind(task_runs.iter().map(|task_run| task_run.fan_out.map(i64::from)).collect::<Vec<_>>())
    .bind(errors)
    .bind(snooze_states)
    .bind(task_runs.iter().map(|task_run| task_run.worker.as_deref().map(text)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// A position for a column.
pub(super) fn as_position(position: usize) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

async fn add_attempts(
    connection: &mut PgConnection,
    attempts: &[(RunId, TaskRunId, &AttemptRecord)],
    now: Timestamp,
) -> Result<(), Error> {
    if attempts.is_empty() {
        return Ok(());
    }
    let run_ids: Vec<RunId> = attempts.iter().map(|(run_id, _, _)| *run_id).collect();
    let task_run_ids: Vec<Uuid> = attempts.iter().map(|(_, task_run, _)| task_run.as_uuid()).collect();
    let records: Vec<&AttemptRecord> = attempts.iter().map(|(_, _, record)| *record).collect();
    let errors: Vec<Option<String>> =
        records.iter().map(|record| optional_json("error", record.error.as_ref())).collect::<Result<_, _>>()?;
    let usages =
        records.iter().map(|record| optional_json("usage", Some(&record.usage).filter(|usage| !usage.is_zero())));
    let usages: Vec<Option<String>> = usages.collect::<Result<_, _>>()?;
    sqlx::query(
        "INSERT INTO attempts (run_id, task_run_id, attempt, worker, outcome, error, started_at, ended_at, usage, \
         recorded_at) \
         SELECT *, $10 FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], \
         $7::timestamptz[], $8::timestamptz[], $9::text[])",
    )
    .bind(uuids(&run_ids))
    .bind(task_run_ids)
    .bind(records.iter().map(|record| i64::from(record.attempt)).collect::<Vec<_>>())
    .bind(records.iter().map(|record| text(&record.worker)).collect::<Vec<_>>())
    .bind(records.iter().map(|record| record.outcome.as_str()).collect::<Vec<_>>())
    .bind(errors)
    .bind(records.iter().map(|record| Time(record.started_at)).collect::<Vec<_>>())
    .bind(records.iter().map(|record| Time(record.ended_at)).collect::<Vec<_>>())
    .bind(usages)
    .bind(Time(now))
    .execute(connection)
    .await?;
    Ok(())
}
