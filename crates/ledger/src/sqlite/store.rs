//! Writes what a fold changed: one statement for many rows, because a statement costs more than a row.

use engine::{Run, TaskRun};
use jiff::Timestamp;
use protocol::TaskRunId;
use sqlx::{QueryBuilder, SqliteConnection};

use super::submit::Placed;
use super::usage;
use super::values::{id, micros};
use crate::fold::{Folded, Loaded};
use crate::usage::tally;
use crate::values::{expires_at, json, optional_json};
use crate::{AttemptRecord, Error};

/// Rows per statement; with at most 18 columns well below the number of variables a statement may have.
pub(super) const ROWS: usize = 500;

/// Stores everything that the folds changed.
pub(super) async fn save(
    connection: &mut SqliteConnection,
    folds: &[(Loaded, Folded)],
    now: Timestamp,
) -> Result<(), Error> {
    let runs: Vec<&Run> =
        folds.iter().filter(|(_, folded)| folded.run_changed).map(|(loaded, _)| &loaded.run).collect();
    save_runs(connection, &runs).await?;
    let task_runs: Vec<(&Run, usize)> = folds
        .iter()
        .flat_map(|(loaded, folded)| folded.touched.iter().map(|&position| (&loaded.run, position)))
        .collect();
    save_task_runs(connection, &task_runs).await?;
    let attempts: Vec<&(TaskRunId, AttemptRecord)> = folds.iter().flat_map(|(_, folded)| &folded.attempts).collect();
    add_attempts(connection, &attempts).await?;
    let consumed = folds
        .iter()
        .flat_map(|(loaded, folded)| folded.attempts.iter().map(|(_, record)| (&loaded.run.tenant, record)));
    usage::add(connection, &tally(consumed), now).await
}

async fn save_runs(connection: &mut SqliteConnection, runs: &[&Run]) -> Result<(), Error> {
    for runs in runs.chunks(ROWS) {
        let rows = runs.iter().map(|run| Ok((*run, optional_json("error", run.error.as_ref())?)));
        let rows: Vec<(&Run, Option<String>)> = rows.collect::<Result<_, Error>>()?;
        let mut query = QueryBuilder::new(
            "UPDATE runs SET state = v.column2, error = v.column3, started_at = v.column4, ended_at = v.column5 FROM (",
        );
        query.push_values(rows, |mut row, (run, error)| {
            row.push_bind(id(run.id.as_uuid()))
                .push_bind(run.state.as_str())
                .push_bind(error)
                .push_bind(run.started_at.map(micros))
                .push_bind(run.ended_at.map(micros));
        });
        query.push(") AS v WHERE runs.id = v.column1");
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// The JSON columns of a task run.
struct Documents {
    output: Option<String>,
    error: Option<String>,
    snooze_state: Option<String>,
}

impl Documents {
    fn of(task_run: &TaskRun) -> Result<Self, Error> {
        let snooze_state = Some(&task_run.snooze_state).filter(|state| !state.is_null());
        Ok(Self {
            output: optional_json("output", task_run.output.as_ref())?,
            error: optional_json("error", task_run.error.as_ref())?,
            snooze_state: optional_json("snooze state", snooze_state)?,
        })
    }
}

async fn save_task_runs(connection: &mut SqliteConnection, task_runs: &[(&Run, usize)]) -> Result<(), Error> {
    for task_runs in task_runs.chunks(ROWS) {
        let rows = task_runs.iter().map(|&(run, position)| {
            let task_run = &run.tasks[position];
            Ok((run, position, task_run, Documents::of(task_run)?))
        });
        let rows: Vec<(&Run, usize, &TaskRun, Documents)> = rows.collect::<Result<_, Error>>()?;
        // New children and known task runs go the same way. The publication mark is left alone: it names the
        // attempt that it was set for, so a new attempt is unpublished by itself.
        let mut query = QueryBuilder::new(
            "INSERT INTO task_runs (id, run_id, position, task, item, state, attempt, failures, due_at, queued_at, \
             expires_at, started_at, ended_at, output, fan_out, error, snooze_state, worker) ",
        );
        query.push_values(rows, |mut row, (run, position, task_run, documents)| {
            row.push_bind(id(task_run.id.as_uuid()))
                .push_bind(id(run.id.as_uuid()))
                .push_bind(i64::try_from(position).unwrap_or(i64::MAX))
                .push_bind(task_run.task.as_str())
                .push_bind(task_run.index)
                .push_bind(task_run.state.as_str())
                .push_bind(task_run.attempt)
                .push_bind(task_run.failures)
                .push_bind(task_run.due_at.map(micros))
                .push_bind(task_run.queued_at.map(micros))
                .push_bind(expires_at(run, task_run).map(micros))
                .push_bind(task_run.started_at.map(micros))
                .push_bind(task_run.ended_at.map(micros))
                .push_bind(documents.output)
                .push_bind(task_run.fan_out)
                .push_bind(documents.error)
                .push_bind(documents.snooze_state)
                .push_bind(task_run.worker.as_deref());
        });
        query.push(
            " ON CONFLICT (id) DO UPDATE SET state = excluded.state, attempt = excluded.attempt, \
             failures = excluded.failures, due_at = excluded.due_at, queued_at = excluded.queued_at, \
             expires_at = excluded.expires_at, started_at = excluded.started_at, ended_at = excluded.ended_at, \
             output = excluded.output, fan_out = excluded.fan_out, error = excluded.error, \
             snooze_state = excluded.snooze_state, worker = excluded.worker",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

async fn add_attempts(
    connection: &mut SqliteConnection,
    attempts: &[&(TaskRunId, AttemptRecord)],
) -> Result<(), Error> {
    for attempts in attempts.chunks(ROWS) {
        let rows = attempts.iter().map(|(task_run, record)| {
            let usage = Some(&record.usage).filter(|usage| !usage.is_zero());
            Ok((task_run, record, optional_json("error", record.error.as_ref())?, optional_json("usage", usage)?))
        });
        type Row<'a> = (&'a TaskRunId, &'a AttemptRecord, Option<String>, Option<String>);
        let rows: Vec<Row<'_>> = rows.collect::<Result<_, Error>>()?;
        let mut query = QueryBuilder::new(
            "INSERT INTO attempts (task_run_id, attempt, worker, outcome, error, started_at, ended_at, usage) ",
        );
        query.push_values(rows, |mut row, (task_run, record, error, usage)| {
            row.push_bind(id(task_run.as_uuid()))
                .push_bind(record.attempt)
                .push_bind(record.worker.as_str())
                .push_bind(record.outcome.as_str())
                .push_bind(error)
                .push_bind(micros(record.started_at))
                .push_bind(micros(record.ended_at))
                .push_bind(usage);
        });
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Inserts runs that were just submitted, with their blocked task runs.
pub(super) async fn insert(connection: &mut SqliteConnection, runs: &[Placed]) -> Result<(), Error> {
    for runs in runs.chunks(ROWS) {
        let rows = runs.iter().map(|placed| Ok((placed, json("input", &placed.new.input)?)));
        let rows: Vec<(&Placed, String)> = rows.collect::<Result<_, Error>>()?;
        let mut query = QueryBuilder::new(
            "INSERT INTO runs (id, tenant, workflow, workflow_version, state, input, idempotency_key, created_at, \
             deadline_at, priority, tag, held, notify, retry_of, retry_from, backend, shadow_of) ",
        );
        query.push_values(rows, |mut row, (Placed { run, new, place, link }, input)| {
            row.push_bind(id(run.id.as_uuid()))
                .push_bind(run.tenant.as_str())
                .push_bind(run.workflow.name.as_str())
                .push_bind(run.workflow.version)
                .push_bind(run.state.as_str())
                .push_bind(input)
                .push_bind(new.idempotency_key.as_deref())
                .push_bind(micros(run.created_at))
                .push_bind(run.deadline_at.map(micros))
                .push_bind(place.priority)
                .push_bind(place.tag)
                .push_bind(place.held)
                .push_bind(new.notify)
                .push_bind(link.as_ref().map(|link| id(link.of.as_uuid())))
                .push_bind(link.as_ref().and_then(|link| link.from.as_deref()))
                .push_bind(run.backend.as_str())
                .push_bind(new.shadow_of.map(|run| id(run.as_uuid())));
        });
        query.build().execute(&mut *connection).await?;
    }
    let task_runs: Vec<(&Run, usize)> =
        runs.iter().flat_map(|Placed { run, .. }| (0..run.tasks.len()).map(move |position| (run, position))).collect();
    save_task_runs(connection, &task_runs).await
}
