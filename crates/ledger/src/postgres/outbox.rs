//! The outbox: queued task runs whose job is not on the broker yet.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use protocol::{Backend, Job, RunId, TaskRunId};
use sqlx::PgConnection;

use super::load::{self, uuids};
use super::values::{Columns, Time};
use super::workflows::Workflows;
use crate::unreadable::Unreadable;
use crate::{Error, HandedOut};

/// Jobs released at least `age` ago and not published, oldest first, but for those of runs on the backends in `without`.
pub(super) async fn unpublished(
    connection: &mut PgConnection,
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
    let rows = sqlx::query(
        "SELECT run_id, id FROM task_runs \
         WHERE state = 'queued' AND published_attempt < attempt AND queued_at <= $1 \
            AND (cardinality($3::text[]) = 0 OR (SELECT backend FROM runs WHERE runs.id = run_id) <> ALL ($3)) \
         ORDER BY queued_at, id LIMIT $2",
    )
    .bind(Time(latest))
    .bind(limit)
    .bind(without.iter().map(|backend| backend.as_str()).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let mut wanted = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        wanted.push((RunId::from_uuid(columns.id()?), TaskRunId::from_uuid(columns.id()?)));
    }
    let mut run_ids: Vec<RunId> = wanted.iter().map(|(run_id, _)| *run_id).collect();
    run_ids.sort_unstable();
    run_ids.dedup();
    let runs = load::look(connection, workflows, &run_ids, unreadable).await?;
    let job = |(run_id, task_run)| {
        let loaded = &runs.get(&run_id)?.loaded;
        loaded.run.job(task_run, &loaded.input)
    };
    Ok(wanted.into_iter().filter_map(job).collect())
}

/// Marks attempts as published where they still are the current ones and wait for their start.
pub(super) async fn mark(
    connection: &mut PgConnection,
    jobs: &[(TaskRunId, u32)],
    now: Timestamp,
) -> Result<(), Error> {
    // Locked in the order of ids first, as recording does: an update alone takes them in any order.
    sqlx::query(
        "WITH locked AS ( \
            SELECT t.id FROM unnest($1::uuid[], $2::bigint[]) AS v (id, attempt) \
            JOIN task_runs t ON t.id = v.id AND t.attempt = v.attempt AND t.state = 'queued' ORDER BY t.id FOR UPDATE OF t \
         ) UPDATE task_runs SET published_attempt = attempt, published_at = $3 \
           FROM locked WHERE task_runs.id = locked.id",
    )
    .bind(jobs.iter().map(|(task_run, _)| task_run.as_uuid()).collect::<Vec<_>>())
    .bind(jobs.iter().map(|(_, attempt)| i64::from(*attempt)).collect::<Vec<_>>())
    .bind(Time(now))
    .execute(connection)
    .await?;
    Ok(())
}

/// Puts every published job that has not ended back into the outbox. A job that had started is `queued` again,
/// with the same attempt: nobody can have recorded its end, and its worker will not.
/// It did start once, so its queue wait is over. A start may have been reported before the mark was set, so it counts
/// as a mark. Mapped tasks run without an attempt of their own and stay as they are.
pub(super) async fn forget(connection: &mut PgConnection) -> Result<u64, Error> {
    // It touches everything in any order, so it waits until it is alone.
    sqlx::query("LOCK TABLE runs, task_runs IN EXCLUSIVE MODE").execute(&mut *connection).await?;
    let forgotten: i64 = sqlx::query_scalar(
        "WITH affected AS ( \
            SELECT t.id, t.run_id, r.revision + 1 AS revision FROM task_runs t JOIN runs r ON r.id = t.run_id \
            WHERE t.state IN ('queued', 'running') AND t.attempt > 0 \
                AND (t.state = 'running' OR t.published_attempt = t.attempt) \
         ), revised AS ( \
            UPDATE runs SET revision = revision + 1 WHERE id IN (SELECT run_id FROM affected) \
         ), forgotten AS ( \
            UPDATE task_runs SET \
                expires_at = CASE state WHEN 'queued' THEN expires_at END, revision = affected.revision, \
                state = 'queued', started_at = NULL, worker = NULL, published_at = NULL, published_attempt = 0 \
            FROM affected WHERE task_runs.id = affected.id RETURNING 1 \
         ) SELECT count(*) FROM forgotten",
    )
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(forgotten).unwrap_or(0))
}

/// Attempts that were handed out before that time and have not ended, the oldest first.
pub(super) async fn handed_out(
    connection: &mut PgConnection,
    workflows: &Workflows,
    before: Timestamp,
    except: &[String],
    limit: i64,
) -> Result<Vec<HandedOut>, Error> {
    loop {
        let left_out = workflows.tasks_of(except);
        // A start may have been reported before the mark was set. The mark of an earlier attempt says nothing.
        let rows = sqlx::query(
            "SELECT t.run_id, t.id, t.attempt, t.task, r.workflow, r.workflow_version \
             FROM task_runs t JOIN runs r ON r.id = t.run_id \
             WHERE t.state IN ('queued', 'running') AND t.attempt > 0 \
                AND (t.published_attempt = t.attempt AND t.published_at < $1 \
                    OR t.state = 'running' AND t.started_at < $1) \
                AND r.backend IN ('fleet', 'embedded') \
                AND NOT EXISTS (SELECT FROM unnest($2::text[], $3::bigint[], $4::text[]) AS v (name, version, task) \
                    WHERE v.name = r.workflow AND v.version = r.workflow_version AND v.task = t.task) \
             ORDER BY t.published_at NULLS FIRST, t.id LIMIT $5",
        )
        .bind(Time(before))
        .bind(left_out.iter().map(|(name, _, _)| name.as_str()).collect::<Vec<_>>())
        .bind(left_out.iter().map(|(_, version, _)| i64::from(*version)).collect::<Vec<_>>())
        .bind(left_out.iter().map(|(_, _, task)| task.as_str()).collect::<Vec<_>>())
        .bind(limit)
        .fetch_all(&mut *connection)
        .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut columns = Columns::of(row);
            let (run_id, task_run_id) = (RunId::from_uuid(columns.id()?), TaskRunId::from_uuid(columns.id()?));
            let attempt = columns.number("attempt")?;
            let (task, name): (String, String) = (columns.get()?, columns.get()?);
            let workflow = workflows.version(connection, &name, columns.number("workflow version")?).await?;
            let Some(spec) = workflow.spec(&task).filter(|spec| spec.celery.is_none()) else { continue };
            found.push(HandedOut { run_id, task_run_id, attempt, queue: spec.queue.clone() });
        }
        let unwanted = found.iter().any(|one| except.contains(&one.queue));
        if !unwanted {
            return Ok(found);
        }
        // Of a workflow that was not known here until now. Its tasks are left out the next time.
    }
}

/// Marks these attempts as published now and not started, whatever they were, and returns their jobs.
pub(super) async fn hand_out_again(
    connection: &mut PgConnection,
    workflows: &Workflows,
    attempts: &[HandedOut],
    now: Timestamp,
    unreadable: &mut Vec<Unreadable>,
) -> Result<Vec<Job>, Error> {
    let run_ids: Vec<RunId> = attempts.iter().map(|attempt| attempt.run_id).collect();
    // Runs first, then task runs, each in the order of their ids: as everybody does.
    sqlx::query("SELECT FROM runs WHERE id = ANY($1) ORDER BY id FOR UPDATE")
        .bind(uuids(&run_ids))
        .execute(&mut *connection)
        .await?;
    let rows = sqlx::query(
        "WITH affected AS ( \
            SELECT t.id, t.run_id FROM unnest($1::uuid[], $2::bigint[]) AS v (id, attempt) \
            JOIN task_runs t ON t.id = v.id AND t.attempt = v.attempt \
            WHERE t.state IN ('queued', 'running') AND t.attempt > 0 ORDER BY t.id FOR UPDATE OF t \
         ), revised AS ( \
            UPDATE runs SET revision = revision + 1 WHERE id IN (SELECT run_id FROM affected) RETURNING id, revision \
         ) UPDATE task_runs SET \
            expires_at = CASE state WHEN 'queued' THEN expires_at END, revision = revised.revision, \
            state = 'queued', started_at = NULL, worker = NULL, published_at = $3, published_attempt = attempt \
         FROM affected JOIN revised ON revised.id = affected.run_id WHERE task_runs.id = affected.id \
         RETURNING task_runs.run_id, task_runs.id",
    )
    .bind(attempts.iter().map(|attempt| attempt.task_run_id.as_uuid()).collect::<Vec<_>>())
    .bind(attempts.iter().map(|attempt| i64::from(attempt.attempt)).collect::<Vec<_>>())
    .bind(Time(now))
    .fetch_all(&mut *connection)
    .await?;
    let runs = load::look(connection, workflows, &run_ids, unreadable).await?;
    let mut jobs = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        let (run_id, task_run) = (RunId::from_uuid(columns.id()?), TaskRunId::from_uuid(columns.id()?));
        jobs.extend(runs.get(&run_id).and_then(|kept| kept.loaded.run.job(task_run, &kept.loaded.input)));
    }
    Ok(jobs)
}
