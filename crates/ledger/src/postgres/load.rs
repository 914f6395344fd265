//! Reads runs back as the engine knows them.

use std::collections::{HashMap, HashSet};

use engine::{Run, TaskRun};
use protocol::{Backend, RunId, RunState, TaskRunId, TaskState, TenantId};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::values::Columns;
use super::workflows::Workflows;
use crate::Error;
use crate::again::Earlier;
use crate::fair::Place;
use crate::fold::Loaded;
use crate::unreadable::{self, Unreadable};
use crate::values::corrupt;
use crate::wide::HasRun;

/// A run with what the ledger keeps beside it.
#[derive(Debug)]
pub(super) struct Kept {
    /// What the engine folds.
    pub(super) loaded: Loaded,
    /// How often it was stored since it became wide.
    pub(super) revision: i64,
    /// Where it stands, or stood, in the queue for admission.
    pub(super) place: Place,
    /// The run that it does again.
    pub(super) retry_of: Option<RunId>,
    /// The run that it repeats on another backend.
    pub(super) shadow_of: Option<RunId>,
}

impl HasRun for Kept {
    fn run(&self) -> &Run {
        &self.loaded.run
    }
}

macro_rules! select_runs {
    ($rest:literal) => {
        concat!(
            "SELECT id, tenant, workflow, workflow_version, state, error, created_at, started_at, ended_at, \
             deadline_at, backend, input, revision, priority, tag, held, retry_of, shadow_of FROM runs ",
            $rest
        )
    };
}

/// The runs that exist among `ids`, without their task runs, locked until the transaction ends. Everybody locks in
/// the order of ids and waits for no two others in a circle.
pub(super) async fn lock(
    connection: &mut PgConnection,
    workflows: &Workflows,
    ids: &[RunId],
    unreadable: &mut Vec<Unreadable>,
) -> Result<Vec<Kept>, Error> {
    let query = sqlx::query(select_runs!("WHERE id = ANY($1) ORDER BY id FOR UPDATE")).bind(uuids(ids));
    let rows = query.fetch_all(&mut *connection).await?;
    runs(connection, workflows, &rows, unreadable).await
}

/// Runs that are next, without their task runs, locked. What another admission has taken is passed over.
pub(super) async fn lock_next(
    connection: &mut PgConnection,
    workflows: &Workflows,
    limit: i64,
    unreadable: &mut Vec<Unreadable>,
) -> Result<Vec<Kept>, Error> {
    let query = sqlx::query(select_runs!(
        "WHERE state = 'queued' AND NOT held ORDER BY priority DESC, tag, id LIMIT $1 FOR UPDATE SKIP LOCKED"
    ));
    let rows = query.bind(limit).fetch_all(&mut *connection).await?;
    runs(connection, workflows, &rows, unreadable).await
}

/// The runs that exist among `ids`, complete, to look at.
pub(super) async fn look(
    connection: &mut PgConnection,
    workflows: &Workflows,
    ids: &[RunId],
    unreadable: &mut Vec<Unreadable>,
) -> Result<HashMap<RunId, Kept>, Error> {
    let query = sqlx::query(select_runs!("WHERE id = ANY($1)")).bind(uuids(ids));
    let rows = query.fetch_all(&mut *connection).await?;
    let mut runs = runs(connection, workflows, &rows, unreadable).await?;
    complete(connection, runs.iter_mut().map(|kept| (kept, -1)).collect(), unreadable).await?;
    let readable = runs.into_iter().filter(|kept| !unreadable::contains(unreadable, kept.loaded.run.id));
    Ok(readable.map(|kept| (kept.loaded.run.id, kept)).collect())
}

/// A tenant's runs among `ids` as they are to be done again, complete. They are kept from being forgotten until the
/// transaction ends, and are locked before tenants are, as everywhere.
pub(super) async fn earlier(
    connection: &mut PgConnection,
    workflows: &Workflows,
    tenant: &TenantId,
    ids: &[RunId],
    unreadable: &mut Vec<Unreadable>,
) -> Result<HashMap<RunId, Earlier>, Error> {
    let query = sqlx::query(select_runs!("WHERE id = ANY($1) AND tenant = $2 ORDER BY id FOR KEY SHARE"));
    let rows = query.bind(uuids(ids)).bind(tenant.as_str()).fetch_all(&mut *connection).await?;
    let mut runs = runs(connection, workflows, &rows, unreadable).await?;
    complete(connection, runs.iter_mut().map(|kept| (kept, -1)).collect(), unreadable).await?;
    let readable = runs.into_iter().filter(|kept| !unreadable::contains(unreadable, kept.loaded.run.id));
    let earlier = readable.map(|Kept { loaded: Loaded { run, input }, place, .. }| {
        (run.id, Earlier { run, input, priority: place.priority })
    });
    Ok(earlier.collect())
}

/// Reads the task runs that were stored after the given revision of their run, all of them after -1, to where they
/// belong. A run of which one cannot be read stays incomplete.
pub(super) async fn complete(
    connection: &mut PgConnection,
    runs: Vec<(&mut Kept, i64)>,
    unreadable: &mut Vec<Unreadable>,
) -> Result<(), Error> {
    if runs.is_empty() {
        return Ok(());
    }
    let mut runs = runs;
    for (kept, _) in &mut runs {
        let run = &mut kept.loaded.run;
        if run.tasks.is_empty() {
            // Task runs to which nothing has happened are not stored.
            run.tasks = Run::blocked_tasks(run.id, &run.workflow);
        }
    }
    let ids: Vec<RunId> = runs.iter().map(|(kept, _)| kept.loaded.run.id).collect();
    let revisions: Vec<i64> = runs.iter().map(|(_, revision)| *revision).collect();
    let rows = sqlx::query(
        "SELECT t.run_id, t.position, t.id, t.task, t.item, t.state, t.attempt, t.failures, t.due_at, t.queued_at, \
         t.started_at, t.ended_at, t.output, t.fan_out, t.error, t.snooze_state, t.worker \
         FROM unnest($1::uuid[], $2::bigint[]) AS known (run_id, revision) \
         JOIN task_runs t ON t.run_id = known.run_id AND t.revision > known.revision ORDER BY t.run_id, t.position",
    )
    .bind(uuids(&ids))
    .bind(revisions)
    .fetch_all(connection)
    .await?;
    let mut runs: HashMap<RunId, &mut Run> =
        runs.into_iter().map(|(kept, _)| (kept.loaded.run.id, &mut kept.loaded.run)).collect();
    let mut given_up = HashSet::new();
    for row in &rows {
        let mut columns = Columns::of(row);
        let run_id = RunId::from_uuid(columns.id()?);
        let run = runs.get_mut(&run_id).ok_or_else(|| corrupt("task run", "nobody asked for it"))?;
        if !given_up.contains(&run_id) && Unreadable::sort(run_id, place(run, columns), unreadable)?.is_none() {
            given_up.insert(run_id);
        }
    }
    Ok(())
}

/// Puts a task run to where it belongs.
fn place(run: &mut Run, mut columns: Columns<'_>) -> Result<(), Error> {
    let position: usize = columns.number("position")?;
    let task_run = task_run(columns)?;
    let known = run.tasks.len();
    match run.tasks.get_mut(position) {
        Some(outdated) => *outdated = task_run,
        None if position == known => run.tasks.push(task_run),
        None => return Err(corrupt("run", format!("its task run {known} is missing"))),
    }
    Ok(())
}

/// Ids for a parameter.
pub(super) fn uuids(ids: &[RunId]) -> Vec<uuid::Uuid> {
    ids.iter().map(RunId::as_uuid).collect()
}

async fn runs(
    connection: &mut PgConnection,
    workflows: &Workflows,
    rows: &[PgRow],
    unreadable: &mut Vec<Unreadable>,
) -> Result<Vec<Kept>, Error> {
    let mut runs = Vec::with_capacity(rows.len());
    for row in rows {
        let mut columns = Columns::of(row);
        let run_id = RunId::from_uuid(columns.id()?);
        let read = run(connection, workflows, run_id, columns).await;
        runs.extend(Unreadable::sort(run_id, read, unreadable)?);
    }
    Ok(runs)
}

async fn run(
    connection: &mut PgConnection,
    workflows: &Workflows,
    id: RunId,
    mut columns: Columns<'_>,
) -> Result<Kept, Error> {
    let tenant: String = columns.get()?;
    let tenant = TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?;
    let name: &str = columns.get()?;
    let workflow = workflows.version(connection, name, columns.number("workflow version")?).await?;
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
    Ok(Kept {
        loaded: Loaded { run, input: columns.json("input")? },
        revision: columns.get()?,
        place: Place { priority: columns.get()?, tag: columns.get()?, held: columns.get()? },
        retry_of: columns.get::<Option<uuid::Uuid>>()?.map(RunId::from_uuid),
        shadow_of: columns.get::<Option<uuid::Uuid>>()?.map(RunId::from_uuid),
    })
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
