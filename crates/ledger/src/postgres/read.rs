//! What callers see of runs: one in full, or a page of a tenant's list.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use protocol::answer::Usage;
use protocol::{Backend, RunId, RunState, TaskRunId, TaskState, TenantId};
use sqlx::{PgConnection, QueryBuilder};

use super::load::{self, Kept, uuids};
use super::values::{Columns, Time, text};
use super::workflows::Workflows;
use crate::fold::Loaded;
use crate::values::corrupt;
use crate::{AttemptRecord, Error, RunFilter, RunRecord, RunSummary, UnderWay};

/// The tenant's run of that id.
pub(super) async fn run(
    connection: &mut PgConnection,
    workflows: &Workflows,
    tenant: &TenantId,
    run_id: RunId,
) -> Result<Option<RunRecord>, Error> {
    let mut unreadable = Vec::new();
    let found = load::look(connection, workflows, &[run_id], &mut unreadable).await?.remove(&run_id);
    if let Some(one) = unreadable.pop() {
        return Err(one.error);
    }
    let Some(Kept { loaded: Loaded { run, input }, retry_of, shadow_of, .. }) =
        found.filter(|kept| kept.loaded.run.tenant == *tenant)
    else {
        return Ok(None);
    };
    let attempts = attempts(connection, run_id).await?;
    let mut usage = Usage::default();
    for record in attempts.values().flatten() {
        usage += &record.usage;
    }
    Ok(Some(RunRecord { run, input, attempts, usage, retry_of, shadow_of }))
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

/// A page of a tenant's runs, newest first. Runs in several groups of states come out of several indexes, each in order
/// and no further than the page.
pub(super) async fn runs(
    connection: &mut PgConnection,
    workflows: &Workflows,
    tenant: &TenantId,
    filter: &RunFilter,
    before: Option<RunId>,
    limit: i64,
) -> Result<Vec<RunSummary>, Error> {
    let mut query = QueryBuilder::new("SELECT * FROM (");
    for (nth, condition) in filter.state_conditions().into_iter().enumerate() {
        query.push(if nth == 0 { "(" } else { " UNION ALL (" });
        query.push(
            "SELECT id, workflow, workflow_version, backend, state, created_at, started_at, ended_at, retry_of, shadow_of \
             FROM runs WHERE tenant = ",
        );
        query.push_bind(tenant.as_str()).push(" AND ").push(condition);
        if let Some(workflow) = &filter.workflow {
            query.push(" AND workflow = ").push_bind(text(workflow));
        }
        if let Some(backend) = filter.backend {
            query.push(" AND backend = ").push_bind(backend.as_str());
        }
        if !filter.shadows {
            query.push(" AND shadow_of IS NULL");
        }
        if let Some(suffix) = &filter.key_suffix {
            let length = i32::try_from(suffix.chars().count()).unwrap_or(i32::MAX);
            query.push(" AND right(idempotency_key, ").push_bind(length).push(") = ").push_bind(text(suffix));
        }
        if let Some(first) = filter.first_id() {
            query.push(" AND id >= ").push_bind(first);
        }
        if let Some(end) = filter.end_id(before) {
            query.push(" AND id < ").push_bind(end);
        }
        if let Some(after) = filter.created_after {
            query.push(" AND created_at >= ").push_bind(Time(after));
        }
        if let Some(before) = filter.created_before {
            query.push(" AND created_at < ").push_bind(Time(before));
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit).push(")");
    }
    query.push(") AS found ORDER BY id DESC LIMIT ").push_bind(limit);
    // Planned for these very values: a plan for any would not know how rare a tenant's runs are, and read everybody's.
    let rows = query.build().persistent(false).fetch_all(&mut *connection).await?;
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
            backend: columns.state("backend", Backend::parse)?,
            state: columns.state("run state", RunState::parse)?,
            created_at: columns.time()?,
            started_at: columns.optional_time()?,
            ended_at: columns.optional_time()?,
            retry_of: columns.get::<Option<uuid::Uuid>>()?.map(RunId::from_uuid),
            shadow_of: columns.get::<Option<uuid::Uuid>>()?.map(RunId::from_uuid),
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

/// Runs under way on these backends, admitted before that time.
pub(super) async fn under_way(
    connection: &mut PgConnection,
    backends: &[Backend],
    before: Timestamp,
    after: Option<RunId>,
    limit: i64,
) -> Result<Vec<UnderWay>, Error> {
    let rows = sqlx::query(
        "SELECT id, tenant, backend FROM runs WHERE state = 'running' AND backend NOT IN ('fleet', 'embedded') \
            AND backend = ANY($1) AND started_at < $2 \
            AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4",
    )
    .bind(backends.iter().map(|backend| backend.as_str()).collect::<Vec<_>>())
    .bind(Time(before))
    .bind(after.map(|run| run.as_uuid()))
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let found = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let (run_id, tenant): (_, String) = (RunId::from_uuid(columns.id()?), columns.get()?);
        let tenant = TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?;
        Ok(UnderWay { run_id, tenant, backend: columns.state("backend", Backend::parse)? })
    });
    found.collect()
}
