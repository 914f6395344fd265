//! What callers see of runs: one in full, or a page of a tenant's list.

use std::collections::{BTreeMap, HashMap};

use protocol::answer::Usage;
use protocol::{RunId, RunState, TaskRunId, TaskState, TenantId};
use sqlx::PgConnection;

use super::load::{self, uuids};
use super::values::Columns;
use super::workflows::Workflows;
use crate::fold::Loaded;
use crate::{AttemptRecord, Error, RunRecord, RunSummary};

/// The tenant's run of that id.
pub(super) async fn run(
    connection: &mut PgConnection,
    workflows: &Workflows,
    tenant: &TenantId,
    run_id: RunId,
) -> Result<Option<RunRecord>, Error> {
    let mut unreadable = Vec::new();
    let loaded = load::look(connection, workflows, &[run_id], &mut unreadable).await?.remove(&run_id);
    if let Some(one) = unreadable.pop() {
        return Err(one.error);
    }
    let Some(Loaded { run, input }) = loaded.filter(|loaded| loaded.run.tenant == *tenant) else {
        return Ok(None);
    };
    let attempts = attempts(connection, run_id).await?;
    let mut usage = Usage::default();
    for record in attempts.values().flatten() {
        usage += &record.usage;
    }
    Ok(Some(RunRecord { run, input, attempts, usage }))
}

async fn attempts(
    connection: &mut PgConnection,
    run_id: RunId,
) -> Result<BTreeMap<TaskRunId, Vec<AttemptRecord>>, Error> {
    let rows = sqlx::query(
        "SELECT task_run_id, attempt, worker, outcome, error, started_at, ended_at, usage \
         FROM attempts WHERE run_id = $1 ORDER BY attempt",
    )
    .bind(run_id.as_uuid())
    .fetch_all(connection)
    .await?;
    let mut attempts: BTreeMap<TaskRunId, Vec<AttemptRecord>> = BTreeMap::new();
    for row in &rows {
        let mut columns = Columns::of(row);
        let task_run = TaskRunId::from_uuid(columns.id()?);
        attempts.entry(task_run).or_default().push(AttemptRecord {
            attempt: columns.number("attempt")?,
            worker: columns.get()?,
            outcome: columns.get()?,
            error: columns.optional_json("error")?,
            started_at: columns.time()?,
            ended_at: columns.time()?,
            usage: columns.optional_json("usage")?.unwrap_or_default(),
        });
    }
    Ok(attempts)
}

/// A page of a tenant's runs, newest first.
pub(super) async fn runs(
    connection: &mut PgConnection,
    workflows: &Workflows,
    tenant: &TenantId,
    before: Option<RunId>,
    limit: i64,
) -> Result<Vec<RunSummary>, Error> {
    let rows = sqlx::query(
        "SELECT id, workflow, workflow_version, state, created_at, ended_at FROM runs \
         WHERE tenant = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
    )
    .bind(tenant.as_str())
    .bind(before.map(|before| before.as_uuid()))
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    let mut runs = Vec::with_capacity(rows.len());
    let mut widths = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        let id = RunId::from_uuid(columns.id()?);
        let workflow: String = columns.get()?;
        let version = columns.number("workflow version")?;
        widths.push(workflows.version(connection, &workflow, version).await?.tasks.len() as u64);
        runs.push(RunSummary {
            id,
            workflow,
            state: columns.state("run state", RunState::parse)?,
            created_at: columns.time()?,
            ended_at: columns.optional_time()?,
            tasks: BTreeMap::new(),
        });
    }
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    let mut counts = task_counts(connection, &ids).await?;
    for (run, width) in runs.iter_mut().zip(widths) {
        let Counted { heads, by_state } = counts.remove(&run.id).unwrap_or_default();
        run.tasks = by_state;
        // Those to which nothing has happened are not stored.
        let untouched = width.saturating_sub(heads);
        if untouched > 0 {
            *run.tasks.entry(TaskState::Blocked.as_str()).or_default() += untouched;
        }
    }
    Ok(runs)
}

/// The stored task runs of a run.
#[derive(Default)]
struct Counted {
    /// Those that stand for a task of the workflow, not for an item of a list.
    heads: u64,
    by_state: BTreeMap<&'static str, u64>,
}

async fn task_counts(connection: &mut PgConnection, run_ids: &[RunId]) -> Result<HashMap<RunId, Counted>, Error> {
    let rows = sqlx::query(
        "SELECT run_id, state, count(*), count(*) FILTER (WHERE item IS NULL) \
         FROM task_runs WHERE run_id = ANY($1) GROUP BY 1, 2",
    )
    .bind(uuids(run_ids))
    .fetch_all(connection)
    .await?;
    let mut counts: HashMap<RunId, Counted> = HashMap::new();
    for row in &rows {
        let mut columns = Columns::of(row);
        let counted = counts.entry(RunId::from_uuid(columns.id()?)).or_default();
        let state = columns.state("task state", TaskState::parse)?;
        counted.by_state.insert(state.as_str(), columns.number("count")?);
        counted.heads += columns.number::<u64>("count")?;
    }
    Ok(counts)
}
