//! What callers see of runs: one in full, or a page of a tenant's list.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use protocol::answer::Usage;
use protocol::{Backend, RunId, RunState, TaskRunId, TaskState, TenantId};
use sqlx::{QueryBuilder, SqliteConnection};

use super::load;
use super::values::{Columns, id, micros};
use super::workflows::Workflows;
use crate::fold::Loaded;
use crate::values::corrupt;
use crate::{AttemptRecord, Error, RunFilter, RunRecord, RunSummary, UnderWay};

/// The tenant's run of that id.
pub(super) async fn run(
    connection: &mut SqliteConnection,
    workflows: &Workflows,
    tenant: &TenantId,
    run_id: RunId,
) -> Result<Option<RunRecord>, Error> {
    let mut unreadable = Vec::new();
    let loaded = load::runs(connection, workflows, &[run_id], &mut unreadable).await?.remove(&run_id);
    if let Some(one) = unreadable.pop() {
        return Err(one.error);
    }
    let Some(Loaded { run, input }) = loaded.filter(|loaded| loaded.run.tenant == *tenant) else {
        return Ok(None);
    };
    let row = sqlx::query("SELECT retry_of, shadow_of FROM runs WHERE id = ?").bind(id(run_id.as_uuid()));
    let row = row.fetch_one(&mut *connection).await?;
    let mut columns = Columns::of(&row);
    let retry_of = columns.optional_id()?.map(RunId::from_uuid);
    let shadow_of = columns.optional_id()?.map(RunId::from_uuid);
    let attempts = attempts(connection, run_id).await?;
    let mut usage = Usage::default();
    for record in attempts.values().flatten() {
        usage += &record.usage;
    }
    Ok(Some(RunRecord { run, input, attempts, usage, retry_of, shadow_of }))
}

async fn attempts(
    connection: &mut SqliteConnection,
    run_id: RunId,
) -> Result<BTreeMap<TaskRunId, Vec<AttemptRecord>>, Error> {
    let rows = sqlx::query(
        "SELECT a.task_run_id, a.attempt, a.worker, a.outcome, a.error, a.started_at, a.ended_at, a.usage \
         FROM task_runs t JOIN attempts a ON a.task_run_id = t.id WHERE t.run_id = ? \
         ORDER BY t.position, a.attempt",
    )
    .bind(id(run_id.as_uuid()))
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
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    filter: &RunFilter,
    before: Option<RunId>,
    limit: i64,
) -> Result<Vec<RunSummary>, Error> {
    let mut query = QueryBuilder::new("SELECT * FROM (");
    for (nth, condition) in filter.state_conditions().into_iter().enumerate() {
        query.push(if nth == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        query.push(
            "SELECT id, workflow, backend, state, created_at, started_at, ended_at, retry_of, shadow_of FROM runs WHERE tenant = ",
        );
        query.push_bind(tenant.as_str()).push(" AND ").push(condition);
        if let Some(workflow) = &filter.workflow {
            query.push(" AND workflow = ").push_bind(workflow.as_str());
        }
        if let Some(backend) = filter.backend {
            query.push(" AND backend = ").push_bind(backend.as_str());
        }
        if !filter.shadows {
            query.push(" AND shadow_of IS NULL");
        }
        if let Some(suffix) = &filter.key_suffix {
            let length = i64::try_from(suffix.chars().count()).unwrap_or(i64::MAX);
            query.push(" AND substr(idempotency_key, ").push_bind(-length).push(") = ").push_bind(suffix.as_str());
        }
        if let Some(first) = filter.first_id() {
            query.push(" AND id >= ").push_bind(id(first));
        }
        if let Some(end) = filter.end_id(before) {
            query.push(" AND id < ").push_bind(id(end));
        }
        if let Some(after) = filter.created_after {
            query.push(" AND created_at >= ").push_bind(micros(after));
        }
        if let Some(before) = filter.created_before {
            query.push(" AND created_at < ").push_bind(micros(before));
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit).push(")");
    }
    query.push(") ORDER BY id DESC LIMIT ").push_bind(limit);
    let mut runs = Vec::new();
    for row in query.build().fetch_all(&mut *connection).await? {
        let mut columns = Columns::of(&row);
        runs.push(RunSummary {
            id: RunId::from_uuid(columns.id()?),
            workflow: columns.get()?,
            backend: columns.state("backend", Backend::parse)?,
            state: columns.state("run state", RunState::parse)?,
            created_at: columns.time()?,
            started_at: columns.optional_time()?,
            ended_at: columns.optional_time()?,
            retry_of: columns.optional_id()?.map(RunId::from_uuid),
            shadow_of: columns.optional_id()?.map(RunId::from_uuid),
            tasks: BTreeMap::new(),
        });
    }
    let ids: Vec<RunId> = runs.iter().map(|run| run.id).collect();
    let mut counts = task_counts(connection, &ids).await?;
    for run in &mut runs {
        run.tasks = counts.remove(&run.id).unwrap_or_default();
    }
    Ok(runs)
}

async fn task_counts(
    connection: &mut SqliteConnection,
    run_ids: &[RunId],
) -> Result<HashMap<RunId, BTreeMap<&'static str, u64>>, Error> {
    let mut counts: HashMap<RunId, BTreeMap<&'static str, u64>> = HashMap::new();
    for run_ids in run_ids.chunks(load::IDS_PER_QUERY) {
        let mut query = QueryBuilder::new("SELECT run_id, state, count(*) FROM task_runs WHERE run_id IN (");
        load::push_ids(&mut query, run_ids);
        query.push(" GROUP BY run_id, state");
        for row in query.build().fetch_all(&mut *connection).await? {
            let mut columns = Columns::of(&row);
            let run_id = RunId::from_uuid(columns.id()?);
            let state = columns.state("task state", TaskState::parse)?;
            counts.entry(run_id).or_default().insert(state.as_str(), columns.number("count")?);
        }
    }
    Ok(counts)
}

/// Runs under way on these backends, admitted before that time.
pub(super) async fn under_way(
    connection: &mut SqliteConnection,
    backends: &[Backend],
    before: Timestamp,
    after: Option<RunId>,
    limit: i64,
) -> Result<Vec<UnderWay>, Error> {
    let mut query = QueryBuilder::new(
        "SELECT id, tenant, backend FROM runs WHERE state = 'running' AND backend NOT IN ('fleet', 'embedded') AND started_at < ",
    );
    query.push_bind(micros(before)).push(" AND backend IN (");
    let mut list = query.separated(", ");
    for backend in backends {
        list.push_bind(backend.as_str());
    }
    query.push(")");
    if let Some(after) = after {
        query.push(" AND id > ").push_bind(id(after.as_uuid()));
    }
    query.push(" ORDER BY id LIMIT ").push_bind(limit);
    let rows = query.build().fetch_all(connection).await?;
    let found = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let (run_id, tenant): (_, String) = (RunId::from_uuid(columns.id()?), columns.get()?);
        let tenant = TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?;
        Ok(UnderWay { run_id, tenant, backend: columns.state("backend", Backend::parse)? })
    });
    found.collect()
}
