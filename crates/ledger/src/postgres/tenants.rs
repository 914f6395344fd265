//! The tenants' rows. Whoever changes some locks them first, in the order of their names, so that nobody waits for
//! somebody who waits for them; they are the last rows that a transaction locks.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use protocol::TenantId;
use sqlx::PgConnection;

use super::values::Columns;
use crate::fair::{Clocks, Tenant};
use crate::values::{corrupt, counted, json};
use crate::{Error, Line, Share, Window};

/// Tenants that were locked, and what was read with them.
pub(super) struct Locked {
    pub(super) tenants: BTreeMap<TenantId, Tenant>,
    /// The clock of admission per priority.
    pub(super) admitted: Clocks,
    /// The line for admission, as `admission::line` reads it.
    pub(super) line: Line,
}

/// Locks tenants, those that were never seen before too.
pub(super) async fn lock(
    connection: &mut PgConnection,
    names: &BTreeSet<TenantId>,
    window: &Window,
) -> Result<Locked, Error> {
    let names: Vec<&str> = names.iter().map(TenantId::as_str).collect();
    let locked = lock_known(connection, &names, window).await?;
    if locked.tenants.len() == names.len() {
        return Ok(locked);
    }
    sqlx::query("INSERT INTO tenants (tenant) SELECT * FROM unnest($1::text[]) AS v ORDER BY v ON CONFLICT DO NOTHING")
        .bind(&names)
        .execute(&mut *connection)
        .await?;
    lock_known(connection, &names, window).await
}

async fn lock_known(connection: &mut PgConnection, names: &[&str], window: &Window) -> Result<Locked, Error> {
    let rows = sqlx::query(
        "SELECT tenant, weight, max_concurrent, clocks, taken, held, \
         (SELECT json_object_agg(priority, clock)::text FROM admission_clocks), \
         ($2 AND EXISTS (SELECT FROM runs WHERE state = 'queued' AND NOT held)), \
         (SELECT count(*) FROM (SELECT FROM task_runs \
            WHERE state IN ('queued', 'running') AND attempt > 0 AND item IS NULL \
              AND (cardinality($4::text[]) = 0 OR NOT EXISTS ( \
                SELECT FROM runs WHERE runs.id = task_runs.run_id AND workflow = ANY($4))) \
            LIMIT $3) AS handed_out) \
         FROM tenants WHERE tenant = ANY($1) ORDER BY tenant FOR UPDATE",
    )
    .bind(names)
    .bind(window.tasks > 0)
    .bind(counted(window))
    .bind(&window.unserved)
    .fetch_all(connection)
    .await?;
    let mut locked = Locked { tenants: BTreeMap::new(), admitted: Clocks::new(), line: Line::default() };
    for row in &rows {
        let mut columns = Columns::of(row);
        let name: String = columns.get()?;
        let name = TenantId::try_from(name).map_err(|error| corrupt("tenant", error))?;
        let weight: u32 = columns.number("weight")?;
        let share = Share {
            weight: NonZeroU32::new(weight).ok_or_else(|| corrupt("weight", weight))?,
            max_concurrent: columns.optional_number("limit")?,
        };
        let tenant = Tenant {
            share,
            clocks: columns.json("clocks")?,
            taken: columns.number("count")?,
            held: columns.number("count")?,
        };
        locked.tenants.insert(name, tenant);
        locked.admitted = columns.optional_json("clock")?.unwrap_or_default();
        let waiting = columns.get()?;
        locked.line = Line { waiting, room: window.room(columns.number("count")?) };
    }
    Ok(locked)
}

/// The columns of tenants that were locked and changed.
pub(super) struct Changed {
    pub(super) names: Vec<String>,
    pub(super) clocks: Vec<String>,
    pub(super) taken: Vec<i64>,
    pub(super) held: Vec<i64>,
}

impl Changed {
    /// All of them.
    pub(super) fn of(tenants: &BTreeMap<TenantId, Tenant>) -> Result<Self, Error> {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Ok(Self {
            names: tenants.keys().map(|name| name.as_str().to_owned()).collect(),
            clocks: tenants.values().map(|tenant| json("clocks", &tenant.clocks)).collect::<Result<_, _>>()?,
            taken: tenants.values().map(|tenant| count(tenant.taken)).collect(),
            held: tenants.values().map(|tenant| count(tenant.held)).collect(),
        })
    }
}

/// Stores tenants that were locked and changed.
pub(super) async fn save(connection: &mut PgConnection, tenants: &BTreeMap<TenantId, Tenant>) -> Result<(), Error> {
    let Changed { names, clocks, taken, held } = Changed::of(tenants)?;
    sqlx::query(
        "UPDATE tenants SET clocks = v.clocks, taken = v.taken, held = v.held \
         FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS v (tenant, clocks, taken, held) \
         WHERE tenants.tenant = v.tenant",
    )
    .bind(names)
    .bind(clocks)
    .bind(taken)
    .bind(held)
    .execute(connection)
    .await?;
    Ok(())
}
