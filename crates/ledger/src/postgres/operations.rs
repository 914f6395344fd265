//! What operators see of all runs at once.

use std::collections::BTreeMap;

use jiff::Timestamp;
use protocol::{RunId, TaskError, TaskRunId, TaskState, TenantId};
use sqlx::PgConnection;

use super::values::Columns;
use super::workflows::Workflows;
use crate::values::corrupt;
use crate::{ActiveTask, Backlog, Error, ScheduledTask, TaskPlace, Wait};

/// Task runs whose job is on the broker or with a worker, the longest released first.
pub(super) async fn active(
    connection: &mut PgConnection,
    workflows: &Workflows,
    tenant: Option<&TenantId>,
    limit: i64,
) -> Result<Vec<ActiveTask>, Error> {
    // What is handed out has an index of its own, so the cost follows the work in hand, not the history.
    let rows = sqlx::query(
        "SELECT t.run_id, t.id, r.tenant, r.workflow, r.workflow_version, t.task, t.item, t.attempt, \
            t.state, t.queued_at, t.started_at, t.worker \
         FROM task_runs t JOIN runs r ON r.id = t.run_id \
         WHERE t.state IN ('queued', 'running') AND t.attempt > 0 \
            AND (t.state = 'running' OR t.published_attempt = t.attempt) \
            AND ($1::text IS NULL OR r.tenant = $1) \
         ORDER BY t.queued_at, t.id LIMIT $2",
    )
    .bind(tenant.map(TenantId::as_str))
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let mut tasks = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        let place = place(&mut columns, connection, workflows).await?;
        let state = columns.state("task state", TaskState::parse)?;
        let queued_at = columns.time()?;
        // Until an attempt is reported as started, both are those of the one before.
        let (started_at, worker) = (columns.optional_time()?, columns.get()?);
        let started = state == TaskState::Running;
        tasks.push(ActiveTask {
            place,
            state,
            queued_at,
            started_at: started_at.filter(|_| started),
            worker: Option::filter(worker, |_: &String| started),
        });
    }
    Ok(tasks)
}

/// Task runs that wait for their timer, the next due first.
pub(super) async fn scheduled(
    connection: &mut PgConnection,
    workflows: &Workflows,
    tenant: Option<&TenantId>,
    limit: i64,
) -> Result<Vec<ScheduledTask>, Error> {
    // The error is the latest there was, whatever came after: where an attempt has failed and another one snoozed, the
    // history says which was the last.
    let rows = sqlx::query(
        "SELECT t.run_id, t.id, r.tenant, r.workflow, r.workflow_version, t.task, t.item, t.attempt, \
            t.due_at, t.failures, CASE \
                WHEN t.error IS NULL THEN NULL \
                WHEN t.failures < t.attempt AND 'snooze' = (SELECT a.outcome FROM attempts a \
                    WHERE a.run_id = t.run_id AND a.task_run_id = t.id AND a.attempt = t.attempt) THEN NULL \
                ELSE t.error END \
         FROM task_runs t JOIN runs r ON r.id = t.run_id \
         WHERE t.state = 'waiting' AND ($1::text IS NULL OR r.tenant = $1) ORDER BY t.due_at, t.id LIMIT $2",
    )
    .bind(tenant.map(TenantId::as_str))
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let mut tasks = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        let place = place(&mut columns, connection, workflows).await?;
        let due_at = columns.time()?;
        let failures = columns.number("failures")?;
        let error: Option<TaskError> = columns.optional_json("error")?;
        tasks.push(ScheduledTask { place, due_at, failures, reason: error.map_or(Wait::Snooze, Wait::Retry) });
    }
    Ok(tasks)
}

/// What there is to do, by queue.
pub(super) async fn backlog(
    connection: &mut PgConnection,
    workflows: &Workflows,
) -> Result<BTreeMap<String, Backlog>, Error> {
    let rows = sqlx::query(
        "SELECT r.workflow, r.workflow_version, t.task, count(*) FILTER (WHERE t.state = 'queued'), \
            min(t.queued_at) FILTER (WHERE t.state = 'queued'), count(*) FILTER (WHERE t.state = 'running') \
         FROM task_runs t JOIN runs r ON r.id = t.run_id \
         WHERE t.state IN ('queued', 'running') AND t.attempt > 0 GROUP BY r.workflow, r.workflow_version, t.task",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut queues: BTreeMap<String, Backlog> = BTreeMap::new();
    for row in &rows {
        let mut columns = Columns::of(row);
        let (workflow, version): (String, u32) = (columns.get()?, columns.number("workflow version")?);
        let queue = queue(connection, workflows, &workflow, version, columns.get()?).await?;
        queues.entry(queue).or_default().add(&Backlog {
            waiting: columns.number("count")?,
            oldest: columns.optional_time()?,
            running: columns.number("count")?,
        });
    }
    Ok(queues)
}

/// Since when the longest queued run of a tenant has waited for admission, for the tenants that wait longest.
pub(super) async fn longest_queued(
    connection: &mut PgConnection,
    limit: i64,
) -> Result<Vec<(TenantId, Timestamp)>, Error> {
    // Two halves, each of which has an index.
    let rows = sqlx::query(
        "SELECT tenant, min(created_at) AS since FROM ( \
            SELECT tenant, created_at FROM runs WHERE state = 'queued' AND NOT held \
            UNION ALL \
            SELECT tenant, created_at FROM runs WHERE state = 'queued' AND held \
         ) AS queued GROUP BY tenant ORDER BY since, tenant LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let mut tenants = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        let tenant: String = columns.get()?;
        tenants.push((TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?, columns.time()?));
    }
    Ok(tenants)
}

/// Reads the first eight columns.
async fn place(
    columns: &mut Columns<'_>,
    connection: &mut PgConnection,
    workflows: &Workflows,
) -> Result<TaskPlace, Error> {
    let (run_id, task_run_id) = (RunId::from_uuid(columns.id()?), TaskRunId::from_uuid(columns.id()?));
    let tenant: String = columns.get()?;
    let tenant = TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?;
    let (workflow, version): (String, u32) = (columns.get()?, columns.number("workflow version")?);
    let task: String = columns.get()?;
    let (index, attempt) = (columns.optional_number("item")?, columns.number("attempt")?);
    let queue = queue(connection, workflows, &workflow, version, &task).await?;
    Ok(TaskPlace { run_id, task_run_id, tenant, workflow, task, index, queue, attempt })
}

/// The queue of a task: a matter of its workflow.
async fn queue(
    connection: &mut PgConnection,
    workflows: &Workflows,
    workflow: &str,
    version: u32,
    task: &str,
) -> Result<String, Error> {
    let known = workflows.version(connection, workflow, version).await?;
    let spec = known.spec(task);
    let spec = spec.ok_or_else(|| corrupt("task run", format!("workflow {workflow:?} has no task {task:?}")))?;
    Ok(spec.queue.clone())
}
