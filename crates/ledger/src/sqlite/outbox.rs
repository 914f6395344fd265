//! The outbox: queued task runs whose job is not on the broker yet.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use protocol::{Backend, Job, RunId, TaskRunId};
use sqlx::{QueryBuilder, SqliteConnection};

use super::load;
use super::store::ROWS;
use super::values::{Columns, id, micros};
use super::workflows::Workflows;
use crate::unreadable::Unreadable;
use crate::{Error, HandedOut};

/// Jobs released at least `age` ago and not published, oldest first, but for those of runs on the backends in `without`.
pub(super) async fn unpublished(
    connection: &mut SqliteConnection,
    workflows: &Workflows,
    (age, without): (Duration, &[Backend]),
    limit: i64,
    now: Timestamp,
    unreadable: &mut Vec<Unreadable>,
) -> Result<Vec<Job>, Error> {
    // An age beyond the calendar leaves nothing old enough.
    let Some(latest) = SignedDuration::try_from(age).ok().and_then(|age| now.checked_sub(age).ok()) else {
        return Ok(Vec::new());
    };
    let mut query = QueryBuilder::new(
        "SELECT run_id, id FROM task_runs WHERE state = 'queued' AND published_attempt < attempt AND queued_at <= ",
    );
    query.push_bind(micros(latest));
    if !without.is_empty() {
        query.push(" AND (SELECT backend FROM runs WHERE runs.id = run_id) NOT IN (");
        let mut list = query.separated(", ");
        for backend in without {
            list.push_bind(backend.as_str());
        }
        query.push(")");
    }
    query.push(" ORDER BY queued_at, id LIMIT ").push_bind(limit);
    let rows = query.build().fetch_all(&mut *connection).await?;
    let mut wanted = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        wanted.push((RunId::from_uuid(columns.id()?), TaskRunId::from_uuid(columns.id()?)));
    }
    let mut run_ids: Vec<RunId> = wanted.iter().map(|(run_id, _)| *run_id).collect();
    run_ids.sort_unstable();
    run_ids.dedup();
    let runs = load::runs(connection, workflows, &run_ids, unreadable).await?;
    let job = |(run_id, task_run)| {
        let loaded = runs.get(&run_id)?;
        loaded.run.job(task_run, &loaded.input)
    };
    Ok(wanted.into_iter().filter_map(job).collect())
}

/// Marks attempts as published where they still are the current ones.
pub(super) async fn mark(
    connection: &mut SqliteConnection,
    jobs: &[(TaskRunId, u32)],
    now: Timestamp,
) -> Result<(), Error> {
    for jobs in jobs.chunks(ROWS) {
        let mut query = QueryBuilder::new("UPDATE task_runs SET published_attempt = attempt, published_at = ");
        query.push_bind(micros(now)).push(" FROM (");
        query.push_values(jobs, |mut row, (task_run, attempt)| {
            row.push_bind(id(task_run.as_uuid())).push_bind(*attempt);
        });
        query.push(") AS v WHERE task_runs.id = v.column1 AND task_runs.attempt = v.column2");
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// Puts every published job that has not ended back into the outbox. A job that had started is `queued` again,
/// with the same attempt: nobody can have recorded its end, and its worker will not.
/// It did start once, so its queue wait is over. A start may have been reported before the mark was set, so it counts
/// as a mark. Mapped tasks run without an attempt of their own and stay as they are.
pub(super) async fn forget(connection: &mut SqliteConnection) -> Result<u64, Error> {
    let forgotten = sqlx::query(
        "UPDATE task_runs SET \
            expires_at = CASE state WHEN 'queued' THEN expires_at END, \
            state = 'queued', started_at = NULL, worker = NULL, published_at = NULL, published_attempt = 0 \
         WHERE state IN ('queued', 'running') AND attempt > 0 AND (state = 'running' OR published_attempt = attempt)",
    )
    .execute(connection)
    .await?;
    Ok(forgotten.rows_affected())
}

/// Attempts that were handed out before that time and have not ended, the oldest first.
pub(super) async fn handed_out(
    connection: &mut SqliteConnection,
    workflows: &Workflows,
    before: Timestamp,
    except: &[String],
    limit: usize,
) -> Result<Vec<HandedOut>, Error> {
    // A start may have been reported before the mark was set. The mark of an earlier attempt says nothing.
    let rows = sqlx::query(
        "SELECT t.run_id, t.id, t.attempt, t.task, r.workflow, r.workflow_version \
         FROM task_runs t JOIN runs r ON r.id = t.run_id \
         WHERE t.state IN ('queued', 'running') AND t.attempt > 0 \
            AND (t.published_attempt = t.attempt AND t.published_at < ?1 OR t.state = 'running' AND t.started_at < ?1) \
            AND r.backend IN ('fleet', 'embedded') \
         ORDER BY t.published_at, t.id",
    )
    .bind(micros(before))
    .fetch_all(&mut *connection)
    .await?;
    let mut found = Vec::new();
    for row in &rows {
        if found.len() == limit {
            break;
        }
        let mut columns = Columns::of(row);
        let (run_id, task_run_id) = (RunId::from_uuid(columns.id()?), TaskRunId::from_uuid(columns.id()?));
        let attempt = columns.number("attempt")?;
        let (task, name): (String, String) = (columns.get()?, columns.get()?);
        let workflow = workflows.version(connection, &name, columns.number("workflow version")?).await?;
        let Some(spec) = workflow.spec(&task).filter(|spec| spec.celery.is_none() && !except.contains(&spec.queue))
        else {
            continue;
        };
        found.push(HandedOut { run_id, task_run_id, attempt, queue: spec.queue.clone() });
    }
    Ok(found)
}

/// Marks these attempts as published now and not started, whatever they were, and returns their jobs.
pub(super) async fn hand_out_again(
    connection: &mut SqliteConnection,
    workflows: &Workflows,
    attempts: &[HandedOut],
    now: Timestamp,
    unreadable: &mut Vec<Unreadable>,
) -> Result<Vec<Job>, Error> {
    let mut again = Vec::with_capacity(attempts.len());
    for attempt in attempts {
        let changed = sqlx::query(
            "UPDATE task_runs SET \
                expires_at = CASE state WHEN 'queued' THEN expires_at END, \
                state = 'queued', started_at = NULL, worker = NULL, published_at = ?, published_attempt = attempt \
             WHERE id = ? AND attempt = ? AND state IN ('queued', 'running') AND attempt > 0",
        )
        .bind(micros(now))
        .bind(id(attempt.task_run_id.as_uuid()))
        .bind(attempt.attempt)
        .execute(&mut *connection)
        .await?;
        if changed.rows_affected() > 0 {
            again.push((attempt.run_id, attempt.task_run_id));
        }
    }
    let mut run_ids: Vec<RunId> = again.iter().map(|(run_id, _)| *run_id).collect();
    run_ids.sort_unstable();
    run_ids.dedup();
    let runs = load::runs(connection, workflows, &run_ids, unreadable).await?;
    let job = |(run_id, task_run)| {
        let loaded = runs.get(&run_id)?;
        loaded.run.job(task_run, &loaded.input)
    };
    Ok(again.into_iter().filter_map(job).collect())
}
