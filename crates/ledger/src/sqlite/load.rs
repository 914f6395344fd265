//! Reads runs back as the engine knows them.

use std::collections::HashMap;
use std::sync::Arc;

use engine::{Run, TaskRun};
use protocol::{Backend, RunId, RunState, TaskRunId, TaskState, TenantId, Workflow};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::values::{Columns, id};
use super::workflows::Workflows;
use crate::Error;
use crate::again::Earlier;
use crate::fold::Loaded;
use crate::unreadable::{self, Unreadable};
use crate::values::corrupt;

/// Well below the number of variables that a statement may have.
pub(super) const IDS_PER_QUERY: usize = 1_000;

/// The runs that exist among `ids`.
pub(super) async fn runs(
    connection: &mut SqliteConnection,
    workflows: &Workflows,
    ids: &[RunId],
    unreadable: &mut Vec<Unreadable>,
) -> Result<HashMap<RunId, Loaded>, Error> {
    let mut loaded = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS_PER_QUERY) {
        let mut query = QueryBuilder::new(
            "SELECT id, tenant, workflow, workflow_version, state, error, created_at, started_at, ended_at, \
             deadline_at, backend, input FROM runs WHERE id IN (",
        );
        push_ids(&mut query, ids);
        for row in query.build().fetch_all(&mut *connection).await? {
            let mut columns = Columns::of(&row);
            let run_id = RunId::from_uuid(columns.id()?);
            let read = run(connection, workflows, run_id, columns).await;
            loaded.extend(Unreadable::sort(run_id, read, unreadable)?.map(|run| (run_id, run)));
        }
        let mut query = QueryBuilder::new(
            "SELECT run_id, id, task, item, state, attempt, failures, due_at, queued_at, started_at, ended_at, \
             output, fan_out, error, snooze_state, worker FROM task_runs WHERE run_id IN (",
        );
        push_ids(&mut query, ids);
        query.push(" ORDER BY run_id, position");
        for row in query.build().fetch_all(&mut *connection).await? {
            let mut columns = Columns::of(&row);
            let run_id = RunId::from_uuid(columns.id()?);
            if unreadable::contains(unreadable, run_id) {
                continue;
            }
            let run = loaded.get_mut(&run_id).ok_or_else(|| corrupt("task run", "its run is missing"))?;
            match Unreadable::sort(run_id, task_run(columns), unreadable)? {
                Some(task_run) => run.run.tasks.push(task_run),
                None => drop(loaded.remove(&run_id)),
            }
        }
    }
    Ok(loaded)
}

/// A tenant's runs among `ids` as they are to be done again, complete.
pub(super) async fn earlier(
    connection: &mut SqliteConnection,
    workflows: &Workflows,
    tenant: &TenantId,
    ids: &[RunId],
    unreadable: &mut Vec<Unreadable>,
) -> Result<HashMap<RunId, Earlier>, Error> {
    let mut priorities: HashMap<RunId, i16> = HashMap::with_capacity(ids.len());
    for ids in ids.chunks(IDS_PER_QUERY) {
        let mut query = QueryBuilder::new("SELECT id, priority FROM runs WHERE tenant = ");
        query.push_bind(tenant.as_str()).push(" AND id IN (");
        push_ids(&mut query, ids);
        for row in query.build().fetch_all(&mut *connection).await? {
            let mut columns = Columns::of(&row);
            priorities.insert(RunId::from_uuid(columns.id()?), columns.get()?);
        }
    }
    let own: Vec<RunId> = priorities.keys().copied().collect();
    let loaded = runs(connection, workflows, &own, unreadable).await?;
    let earlier = loaded.into_iter().map(|(id, Loaded { run, input })| {
        let priority = priorities.get(&id).copied().unwrap_or_default();
        (id, Earlier { run, input, priority })
    });
    Ok(earlier.collect())
}

/// Ends an `IN (` list.
pub(super) fn push_ids(query: &mut QueryBuilder<Sqlite>, ids: &[RunId]) {
    let mut list = query.separated(", ");
    for run_id in ids {
        list.push_bind(id(run_id.as_uuid()));
    }
    list.push_unseparated(")");
}

async fn run(
    connection: &mut SqliteConnection,
    workflows: &Workflows,
    id: RunId,
    mut columns: Columns<'_>,
) -> Result<Loaded, Error> {
    let tenant: String = columns.get()?;
    let tenant = TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?;
    let name: String = columns.get()?;
    let version = columns.number("workflow version")?;
    let workflow: Arc<Workflow> = workflows.version(connection, &name, version).await?;
    let run = Run {
        id,
        tenant,
        workflow,
        state: columns.state("run state", RunState::parse)?,
        error: columns.optional_json("error")?,
        created_at: columns.time()?,
        started_at: columns.optional_time()?,
        ended_at: columns.optional_time()?,
        deadline_at: columns.optional_time()?,
        backend: columns.state("backend", Backend::parse)?,
        tasks: Vec::new(),
    };
    Ok(Loaded { run, input: columns.json("input")? })
}

fn task_run(mut columns: Columns<'_>) -> Result<TaskRun, Error> {
    Ok(TaskRun {
        id: TaskRunId::from_uuid(columns.id()?),
        task: columns.get()?,
        index: columns.optional_number("item")?,
        state: columns.state("task state", TaskState::parse)?,
        attempt: columns.number("attempt")?,
        failures: columns.number("number of failures")?,
        due_at: columns.optional_time()?,
        queued_at: columns.optional_time()?,
        started_at: columns.optional_time()?,
        ended_at: columns.optional_time()?,
        output: columns.optional_json("output")?,
        fan_out: columns.optional_number("fan-out")?,
        error: columns.optional_json("error")?,
        snooze_state: columns.optional_json("snooze state")?.unwrap_or_default(),
        worker: columns.get()?,
    })
}
