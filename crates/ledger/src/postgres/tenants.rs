//! The tenants' rows. Whoever changes some locks them first, in the order of their names, so that nobody waits for
//! somebody who waits for them; they are the last rows that a transaction locks.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use protocol::TenantId;
use sqlx::PgConnection;

use super::values::Columns;
use crate::fair::{Clocks, Tenant};
use crate::values::{corrupt, json};
use crate::{Error, Share};

/// Locks tenants, those that were never seen before too. With them comes the clock of admission per priority.
pub(super) async fn lock(
    connection: &mut PgConnection,
    names: &BTreeSet<TenantId>,
) -> Result<(BTreeMap<TenantId, Tenant>, Clocks), Error> {
    let names: Vec<&str> = names.iter().map(TenantId::as_str).collect();
    let locked = lock_known(connection, &names).await?;
    if locked.0.len() == names.len() {
        return Ok(locked);
    }
    sqlx::query("INSERT INTO tenants (tenant) SELECT * FROM unnest($1::text[]) AS v ORDER BY v ON CONFLICT DO NOTHING")
        .bind(&names)
        .execute(&mut *connection)
        .await?;
    lock_known(connection, &names).await
}

async fn lock_known(
    connection: &mut PgConnection,
    names: &[&str],
) -> Result<(BTreeMap<TenantId, Tenant>, Clocks), Error> {
    let rows = sqlx::query(
        "SELECT tenant, weight, max_concurrent, clocks, taken, held, \
         (SELECT json_object_agg(priority, clock)::text FROM admission_clocks) \
         FROM tenants WHERE tenant = ANY($1) ORDER BY tenant FOR UPDATE",
    )
    .bind(names)
    .fetch_all(connection)
    .await?;
    let mut tenants = BTreeMap::new();
    let mut admitted = Clocks::new();
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
        tenants.insert(name, tenant);
        admitted = columns.optional_json("clock")?.unwrap_or_default();
    }
    Ok((tenants, admitted))
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
