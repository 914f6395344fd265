//! Records submissions, each idempotency key once: three statements for any number of runs, also for those that are
//! admitted at once, and a fourth where keys are used.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use engine::{Event, Run, TaskRun};
use jiff::Timestamp;
use protocol::{RunId, TenantId};
use sqlx::PgConnection;

use super::admission;
use super::store::{self, as_position};
use super::tenants::{self, Changed, Locked};
use super::values::{Columns, Time};
use super::workflows::Workflows;
use crate::again::{Batch, Link};
use crate::fair::{Place, Tenant};
use crate::fold::{Folded, Loaded, Step, fold};
use crate::keys::{self, FirstUse, Key, Sorted};
use crate::values::{corrupt, expires_at, json};
use crate::{Error, Line, NewRun, StartedEach, Window};

/// A run to be inserted.
struct Entry {
    key: Option<String>,
    notify: bool,
    /// What it repeats on another backend.
    shadow_of: Option<RunId>,
    /// What it does again.
    link: Option<Link>,
    loaded: Loaded,
    place: Place,
    /// What admission did to it, if it is admitted at once.
    admitted: Option<Folded>,
}

/// Inserts the runs whose keys are new. Those at the front that fit into the window are admitted at once, unless others
/// wait already; a window of 0 admits none.
pub(super) async fn submit(
    connection: &mut PgConnection,
    workflows: &Workflows,
    mut batch: Batch,
    window: &Window,
    now: Timestamp,
) -> Result<StartedEach, Error> {
    if batch.runs.is_empty() {
        return Ok(StartedEach { runs: Vec::new(), jobs: Vec::new() });
    }
    let latest = workflows.latest(connection, &batch.runs).await?;
    let names: BTreeSet<TenantId> = batch.runs.iter().map(|new| new.tenant.clone()).collect();
    let Locked { mut tenants, admitted, line } = tenants::lock(connection, &names, window).await?;
    // Nobody else records a run for these tenants now, so what is new here stays new.
    let used = first_uses(connection, &batch.runs).await?;
    let Sorted { submitted, fresh } = keys::sort_out(&mut batch, used)?;
    if fresh.is_empty() {
        return Ok(StartedEach { runs: submitted, jobs: Vec::new() });
    }
    let entries = fresh.into_iter().map(|new| {
        let (run, link) = match batch.again.remove(&new.id) {
            Some(again) => (again.run, Some(again.link)),
            None => {
                let run = Run::new(new.id, new.tenant, latest[&new.workflow].clone(), now);
                (run.on(new.backend.unwrap_or_default()), None)
            }
        };
        let tenant = tenants.get_mut(&run.tenant).ok_or_else(|| corrupt("tenant", "it vanished"))?;
        let place = tenant.enter(&run, new.priority, &admitted);
        let (key, notify, shadow_of) = (new.idempotency_key, new.notify, new.shadow_of);
        let loaded = Loaded { run, input: new.input };
        Ok(Entry { key, notify, shadow_of, link, loaded, place, admitted: None })
    });
    let mut entries: Vec<Entry> = entries.collect::<Result<_, Error>>()?;
    admit_front(&mut entries, line, now);
    insert(connection, &entries, &tenants).await?;
    let taken_over = entries.iter().flat_map(|entry| {
        let tasks = entry.loaded.run.tasks.iter().enumerate().filter(|_| entry.link.is_some());
        let done = tasks.filter(|(_, task_run)| task_run.state.is_final());
        done.map(|(position, _)| (&entry.loaded.run, 0, position))
    });
    store::save_task_runs(connection, taken_over.collect()).await?;
    let admitted = entries.into_iter().filter_map(|entry| entry.admitted);
    Ok(StartedEach { runs: submitted, jobs: admitted.flat_map(|folded| folded.applied.jobs).collect() })
}

/// Admits the entries that would be next, if nobody stands before them. Wide runs count their revisions and go the
/// usual way.
fn admit_front(entries: &mut [Entry], line: Line, now: Timestamp) {
    if line.waiting {
        return;
    }
    let mut next: Vec<&mut Entry> = entries.iter_mut().filter(|entry| !entry.place.held).collect();
    next.sort_by(|a, b| {
        let by_priority = b.place.priority.cmp(&a.place.priority);
        by_priority.then(a.place.tag.total_cmp(&b.place.tag)).then(a.loaded.run.id.cmp(&b.loaded.run.id))
    });
    for entry in next.into_iter().take(line.room).take_while(|entry| !store::is_wide(&entry.loaded.run)) {
        let admission = Step::event((entry.loaded.run.id, Event::Admitted));
        entry.admitted = Some(fold(&mut entry.loaded, vec![admission], now));
    }
}

/// Inserts runs, with what admission did to them, and stores the tenants.
async fn insert(
    connection: &mut PgConnection,
    entries: &[Entry],
    tenants: &BTreeMap<TenantId, Tenant>,
) -> Result<(), Error> {
    let runs: Vec<&Run> = entries.iter().map(|entry| &entry.loaded.run).collect();
    let inputs: Vec<String> =
        entries.iter().map(|entry| json("input", &entry.loaded.input)).collect::<Result<_, _>>()?;
    let released: Vec<(&Run, usize, &TaskRun)> = entries
        .iter()
        .flat_map(|entry| {
            let touched = entry.admitted.iter().flat_map(|folded| folded.touched.iter());
            touched.map(|position| (&entry.loaded.run, *position, &entry.loaded.run.tasks[*position]))
        })
        .collect();
    let clocks = entries.iter().filter(|entry| entry.admitted.is_some());
    let (clock_priorities, clock_tags) =
        admission::highest(clocks.map(|entry| (entry.place.priority, entry.place.tag))).into_iter().unzip();
    let (clock_priorities, clock_tags): (Vec<i16>, Vec<f64>) = (clock_priorities, clock_tags);
    let Changed { names, clocks, taken, held } = Changed::of(tenants)?;
    sqlx::query(
        "WITH runs AS ( \
            INSERT INTO runs (id, tenant, workflow, workflow_version, state, priority, tag, held, input, \
                idempotency_key, created_at, deadline_at, started_at, notify, retry_of, retry_from, backend, shadow_of) \
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::smallint[], \
                $7::double precision[], $8::boolean[], $9::text[], $10::text[], $11::timestamptz[], \
                $12::timestamptz[], $13::timestamptz[], $28::boolean[], $29::uuid[], $30::text[], $31::text[], \
                $32::uuid[]) \
         ), task_runs AS ( \
            INSERT INTO task_runs (run_id, id, position, task, state, attempt, queued_at, expires_at, failures) \
            SELECT v.*, 0 \
            FROM unnest($14::uuid[], $15::uuid[], $16::bigint[], $17::text[], $18::text[], $19::bigint[], \
                $20::timestamptz[], $21::timestamptz[]) \
                AS v (run_id, id, position, task, state, attempt, queued_at, expires_at) \
         ), tenants AS ( \
            UPDATE tenants SET clocks = v.clocks, taken = v.taken, held = v.held \
            FROM unnest($22::text[], $23::text[], $24::bigint[], $25::bigint[]) AS v (tenant, clocks, taken, held) \
            WHERE tenants.tenant = v.tenant \
         ) INSERT INTO admission_clocks AS known (priority, clock) \
         SELECT * FROM unnest($26::smallint[], $27::double precision[]) \
         ON CONFLICT (priority) DO UPDATE SET clock = greatest(known.clock, excluded.clock)",
    )
    .bind(runs.iter().map(|run| run.id.as_uuid()).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.tenant.as_str()).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.workflow.name.as_str()).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| i64::from(run.workflow.version)).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.state.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.place.priority).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.place.tag).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.place.held).collect::<Vec<_>>())
    .bind(inputs)
    .bind(entries.iter().map(|entry| entry.key.as_deref()).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| Time(run.created_at)).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.deadline_at.map(Time)).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.started_at.map(Time)).collect::<Vec<_>>())
    .bind(released.iter().map(|(run, _, _)| run.id.as_uuid()).collect::<Vec<_>>())
    .bind(released.iter().map(|(_, _, task_run)| task_run.id.as_uuid()).collect::<Vec<_>>())
    .bind(released.iter().map(|(_, position, _)| as_position(*position)).collect::<Vec<_>>())
    .bind(released.iter().map(|(_, _, task_run)| task_run.task.as_str()).collect::<Vec<_>>())
    .bind(released.iter().map(|(_, _, task_run)| task_run.state.as_str()).collect::<Vec<_>>())
    .bind(released.iter().map(|(_, _, task_run)| i64::from(task_run.attempt)).collect::<Vec<_>>())
    .bind(released.iter().map(|(_, _, task_run)| task_run.queued_at.map(Time)).collect::<Vec<_>>())
    .bind(released.iter().map(|(run, _, task_run)| expires_at(run, task_run).map(Time)).collect::<Vec<_>>())
    .bind(names)
    .bind(clocks)
    .bind(taken)
    .bind(held)
    .bind(clock_priorities)
    .bind(clock_tags)
    .bind(entries.iter().map(|entry| entry.notify).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.link.as_ref().map(|link| link.of.as_uuid())).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.link.as_ref().and_then(|link| link.from.as_deref())).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.backend.as_str()).collect::<Vec<_>>())
    .bind(entries.iter().map(|entry| entry.shadow_of.map(|run| run.as_uuid())).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// What the keys among `runs` were used for before. A plain read, which waits for nobody: looking for a conflict while
/// inserting would wait for whoever changes the first run, and that one for the tenants that are locked here.
async fn first_uses(connection: &mut PgConnection, runs: &[NewRun]) -> Result<HashMap<Key, FirstUse>, Error> {
    let keys = keys::keys(runs);
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query(
        "SELECT runs.tenant, runs.idempotency_key, runs.id, runs.workflow, runs.input, runs.retry_of, runs.retry_from \
         FROM unnest($1::text[], $2::text[]) AS v (tenant, key) \
         JOIN runs ON runs.tenant = v.tenant AND runs.idempotency_key = v.key",
    )
    .bind(keys.iter().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
    .bind(keys.iter().map(|(_, key)| key.as_str()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let found = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let tenant: String = columns.get()?;
        let tenant = TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?;
        let key = (tenant, columns.get()?);
        let id = RunId::from_uuid(columns.id()?);
        let (workflow, input) = (columns.get()?, columns.json("input")?);
        let (of, from): (Option<uuid::Uuid>, _) = (columns.get()?, columns.get()?);
        let link = of.map(|of| Link { of: RunId::from_uuid(of), from });
        Ok((key, FirstUse { id, workflow, input, link }))
    });
    found.collect()
}

/// The runs that these keys of a tenant have started.
pub(super) async fn by_key(
    connection: &mut PgConnection,
    tenant: &TenantId,
    keys: &[String],
) -> Result<HashMap<String, RunId>, Error> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let query = sqlx::query("SELECT idempotency_key, id FROM runs WHERE tenant = $1 AND idempotency_key = ANY($2)");
    let rows = query.bind(tenant.as_str()).bind(keys).fetch_all(connection).await?;
    let found = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        Ok((columns.get()?, RunId::from_uuid(columns.id()?)))
    });
    found.collect()
}
