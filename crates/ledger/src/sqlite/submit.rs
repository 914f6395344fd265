//! Records submissions, each idempotency key once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use engine::Run;
use jiff::Timestamp;
use protocol::{RunId, TenantId, Workflow};
use sqlx::{QueryBuilder, SqliteConnection};

use super::admission;
use super::store::{self, ROWS};
use super::values::Columns;
use super::workflows::Workflows;
use crate::again::{Batch, Link};
use crate::fair::{Place, Tenant};
use crate::keys::{self, FirstUse, Key, Sorted};
use crate::values::corrupt;
use crate::{Error, NewRun, Refused, Submitted};

/// A run to be inserted.
pub(super) struct Placed {
    pub(super) run: Run,
    pub(super) new: NewRun,
    pub(super) place: Place,
    /// What it does again.
    pub(super) link: Option<Link>,
}

/// Inserts the runs whose keys are new.
pub(super) async fn submit(
    connection: &mut SqliteConnection,
    workflows: &Workflows,
    mut batch: Batch,
    now: Timestamp,
) -> Result<Vec<Result<Submitted, Refused>>, Error> {
    let mut latest: HashMap<String, Arc<Workflow>> = HashMap::new();
    for new in &batch.runs {
        if !latest.contains_key(&new.workflow) {
            latest.insert(new.workflow.clone(), workflows.latest(connection, &new.workflow).await?);
        }
    }
    let used = first_uses(connection, &batch.runs).await?;
    let Sorted { submitted, fresh } = keys::sort_out(&mut batch, used)?;
    let admitted = admission::admitted(connection).await?;
    let mut tenants: BTreeMap<TenantId, Tenant> = BTreeMap::new();
    let mut placed = Vec::with_capacity(fresh.len());
    for new in fresh {
        let (run, link) = match batch.again.remove(&new.id) {
            Some(again) => (again.run, Some(again.link)),
            None => {
                let run = Run::new(new.id, new.tenant.clone(), Arc::clone(&latest[&new.workflow]), now);
                (run.on(new.backend.unwrap_or_default()), None)
            }
        };
        if !tenants.contains_key(&new.tenant) {
            tenants.insert(new.tenant.clone(), admission::tenant(connection, &new.tenant).await?);
        }
        let tenant = tenants.get_mut(&new.tenant).ok_or_else(|| corrupt("tenant", "it vanished"))?;
        let place = tenant.enter(&run, new.priority, &admitted);
        placed.push(Placed { run, new, place, link });
    }
    for (name, tenant) in &tenants {
        admission::save(connection, name, tenant).await?;
    }
    store::insert(connection, &placed).await?;
    Ok(submitted)
}

/// What the keys among `runs` were used for before.
async fn first_uses(connection: &mut SqliteConnection, runs: &[NewRun]) -> Result<HashMap<Key, FirstUse>, Error> {
    let keys = keys::keys(runs);
    let mut found = HashMap::new();
    for keys in keys.chunks(ROWS) {
        // A cross join, so that SQLite looks each key up instead of reading every run.
        let mut query = QueryBuilder::new(
            "SELECT runs.tenant, runs.idempotency_key, runs.id, runs.workflow, runs.input, \
                runs.retry_of, runs.retry_from FROM (",
        );
        query.push_values(keys, |mut row, (tenant, key)| {
            row.push_bind(tenant.as_str()).push_bind(key.as_str());
        });
        query.push(") AS v CROSS JOIN runs ON runs.tenant = v.column1 AND runs.idempotency_key = v.column2");
        for row in query.build().fetch_all(&mut *connection).await? {
            let mut columns = Columns::of(&row);
            let tenant: String = columns.get()?;
            let tenant = TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?;
            let key = (tenant, columns.get()?);
            let id = RunId::from_uuid(columns.id()?);
            let (workflow, input) = (columns.get()?, columns.json("input")?);
            let (of, from) = (columns.optional_id()?, columns.get()?);
            let link = of.map(|of| Link { of: RunId::from_uuid(of), from });
            found.insert(key, FirstUse { id, workflow, input, link });
        }
    }
    Ok(found)
}

/// The runs that these keys of a tenant have started.
pub(super) async fn by_key(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    keys: &[String],
) -> Result<HashMap<String, RunId>, Error> {
    let mut found = HashMap::new();
    for keys in keys.chunks(ROWS) {
        let mut query = QueryBuilder::new("SELECT idempotency_key, id FROM runs WHERE tenant = ");
        query.push_bind(tenant.as_str()).push(" AND idempotency_key IN (");
        let mut list = query.separated(", ");
        for key in keys {
            list.push_bind(key.as_str());
        }
        query.push(")");
        for row in query.build().fetch_all(&mut *connection).await? {
            let mut columns = Columns::of(&row);
            found.insert(columns.get()?, RunId::from_uuid(columns.id()?));
        }
    }
    Ok(found)
}
