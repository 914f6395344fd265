//! Records submissions, each idempotency key once: three statements for any number of runs.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use engine::Run;
use jiff::Timestamp;
use protocol::{Payload, RunId, TenantId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::load::uuids;
use super::store::as_position;
use super::tenants::{self, Changed};
use super::values::{Columns, Time};
use super::workflows::Workflows;
use crate::fair::{Place, Tenant};
use crate::values::{corrupt, json, parsed};
use crate::{Error, NewRun, Submitted};

/// A run to be inserted.
struct Entry {
    new: NewRun,
    run: Run,
    place: Place,
}

/// Inserts the runs whose keys are new.
pub(super) async fn submit(
    connection: &mut PgConnection,
    workflows: &Workflows,
    runs: Vec<NewRun>,
    now: Timestamp,
) -> Result<Vec<Submitted>, Error> {
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let latest = workflows.latest(connection, &runs).await?;
    let names: BTreeSet<TenantId> = runs.iter().map(|new| new.tenant.clone()).collect();
    let (mut tenants, admitted) = tenants::lock(connection, &names).await?;
    let entries = runs.into_iter().map(|new| {
        let run = Run::new(new.id, new.tenant.clone(), latest[&new.workflow].clone(), now);
        let tenant = tenants.get_mut(&new.tenant).ok_or_else(|| corrupt("tenant", "it vanished"))?;
        let place = tenant.enter(&run, new.priority, &admitted);
        Ok(Entry { new, run, place })
    });
    let entries: Vec<Entry> = entries.collect::<Result<_, Error>>()?;
    let created = insert(connection, &entries, &tenants).await?;
    if created.len() == entries.len() {
        return Ok(entries.iter().map(|entry| Submitted { id: entry.new.id, created: true }).collect());
    }

    let repeated: Vec<&Entry> = entries.iter().filter(|entry| !created.contains(&entry.new.id)).collect();
    let first = first_uses(connection, &repeated).await?;
    for Entry { new, run, place } in repeated {
        if let Some(tenant) = tenants.get_mut(&new.tenant) {
            tenant.withdraw(run, *place);
        }
    }
    tenants::save(connection, &tenants).await?;
    let answer = |Entry { new, .. }: &Entry| match first.get(&new.id) {
        Some(id) => Submitted { id: *id, created: false },
        None => Submitted { id: new.id, created: true },
    };
    Ok(entries.iter().map(answer).collect())
}

/// Inserts runs with their blocked task runs, except where the tenant has used the key before, and stores the
/// tenants. Returns the runs that were inserted.
async fn insert(
    connection: &mut PgConnection,
    entries: &[Entry],
    tenants: &BTreeMap<TenantId, Tenant>,
) -> Result<HashSet<RunId>, Error> {
    let runs: Vec<&Run> = entries.iter().map(|entry| &entry.run).collect();
    let inputs: Vec<String> = entries.iter().map(|entry| json("input", &entry.new.input)).collect::<Result<_, _>>()?;
    let task_runs = || runs.iter().flat_map(|run| run.tasks.iter().enumerate().map(|task_run| (run.id, task_run)));
    let Changed { names, clocks, taken, held } = Changed::of(tenants)?;
    // `IS TRUE` makes it a lookup in a hash table: as a join, every task run would be compared with every run.
    let inserted: Vec<Uuid> = sqlx::query_scalar(
        "WITH inserted AS ( \
            INSERT INTO runs (id, tenant, workflow, workflow_version, state, priority, tag, held, input, \
                idempotency_key, created_at, deadline_at) \
            SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::smallint[], \
                $7::double precision[], $8::boolean[], $9::text[], $10::text[], $11::timestamptz[], \
                $12::timestamptz[]) \
            ON CONFLICT (tenant, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING RETURNING id \
         ), task_runs AS ( \
            INSERT INTO task_runs (run_id, id, position, task, state, attempt, failures) \
            SELECT v.*, 'blocked', 0, 0 \
            FROM unnest($13::uuid[], $14::uuid[], $15::bigint[], $16::text[]) AS v (run_id, id, position, task) \
            WHERE (v.run_id IN (SELECT id FROM inserted)) IS TRUE \
         ), tenants AS ( \
            UPDATE tenants SET clocks = v.clocks, taken = v.taken, held = v.held \
            FROM unnest($17::text[], $18::text[], $19::bigint[], $20::bigint[]) AS v (tenant, clocks, taken, held) \
            WHERE tenants.tenant = v.tenant \
         ) SELECT id FROM inserted",
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
    .bind(entries.iter().map(|entry| entry.new.idempotency_key.as_deref()).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| Time(run.created_at)).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.deadline_at.map(Time)).collect::<Vec<_>>())
    .bind(task_runs().map(|(run_id, _)| run_id.as_uuid()).collect::<Vec<_>>())
    .bind(task_runs().map(|(_, (_, task_run))| task_run.id.as_uuid()).collect::<Vec<_>>())
    .bind(task_runs().map(|(_, (position, _))| as_position(position)).collect::<Vec<_>>())
    .bind(task_runs().map(|(_, (_, task_run))| task_run.task.as_str()).collect::<Vec<_>>())
    .bind(names)
    .bind(clocks)
    .bind(taken)
    .bind(held)
    .fetch_all(connection)
    .await?;
    Ok(inserted.into_iter().map(RunId::from_uuid).collect())
}

/// The runs that were recorded for the keys of these, if they mean the same.
async fn first_uses(connection: &mut PgConnection, repeated: &[&Entry]) -> Result<HashMap<RunId, RunId>, Error> {
    let ids: Vec<RunId> = repeated.iter().map(|entry| entry.new.id).collect();
    let rows = sqlx::query(
        "SELECT v.repeated, runs.id, runs.workflow, runs.input \
         FROM unnest($1::uuid[], $2::text[], $3::text[]) AS v (repeated, tenant, key) \
         JOIN runs ON runs.tenant = v.tenant AND runs.idempotency_key = v.key",
    )
    .bind(uuids(&ids))
    .bind(repeated.iter().map(|entry| entry.new.tenant.as_str()).collect::<Vec<_>>())
    .bind(repeated.iter().map(|entry| entry.new.idempotency_key.as_deref()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let repeated: HashMap<RunId, &NewRun> = repeated.iter().map(|entry| (entry.new.id, &entry.new)).collect();
    let mut first = HashMap::with_capacity(rows.len());
    for row in &rows {
        let mut columns = Columns::of(row);
        let id = RunId::from_uuid(columns.id()?);
        let new = repeated.get(&id).ok_or_else(|| corrupt("run", "nobody asked for it"))?;
        first.insert(id, RunId::from_uuid(columns.id()?));
        let workflow: &str = columns.get()?;
        let input: Payload = columns.json("input")?;
        // Compared as it reads back from the store.
        if workflow != new.workflow || input != parsed("input", &json("input", &new.input)?)? {
            return Err(Error::IdempotencyConflict(new.idempotency_key.clone().unwrap_or_default()));
        }
    }
    match repeated.keys().find(|id| !first.contains_key(id)) {
        Some(id) => Err(corrupt("run", format!("{id} was neither recorded nor known"))),
        None => Ok(first),
    }
}
