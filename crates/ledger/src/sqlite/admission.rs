//! Which runs are next, what they leave behind when they end, and what tenants may use.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use engine::Run;
use protocol::{RunId, TenantId};
use sqlx::{QueryBuilder, SqliteConnection};

use super::load::{IDS_PER_QUERY, push_ids};
use super::values::Columns;
use crate::fair::{Clocks, Place, Tenant};
use crate::values::{corrupt, counted, json, rows};
use crate::{Error, Line, Share, Window};

/// A tenant as stored, or a new one.
pub(super) async fn tenant(connection: &mut SqliteConnection, name: &TenantId) -> Result<Tenant, Error> {
    let row = sqlx::query("SELECT weight, max_concurrent, clocks, taken, held FROM tenants WHERE tenant = ?")
        .bind(name.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(Tenant::default()) };
    let mut columns = Columns::of(&row);
    let weight: u32 = columns.number("weight")?;
    let weight = NonZeroU32::new(weight).ok_or_else(|| corrupt("weight", weight))?;
    Ok(Tenant {
        share: Share { weight, max_concurrent: columns.optional_number("limit")? },
        clocks: columns.json("clocks")?,
        taken: columns.number("count")?,
        held: columns.number("count")?,
    })
}

/// Stores a tenant.
pub(super) async fn save(connection: &mut SqliteConnection, name: &TenantId, tenant: &Tenant) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO tenants (tenant, weight, max_concurrent, clocks, taken, held) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (tenant) DO UPDATE SET weight = excluded.weight, max_concurrent = excluded.max_concurrent, \
         clocks = excluded.clocks, taken = excluded.taken, held = excluded.held",
    )
    .bind(name.as_str())
    .bind(tenant.share.weight.get())
    .bind(tenant.share.max_concurrent)
    .bind(json("clocks", &tenant.clocks)?)
    .bind(i64::try_from(tenant.taken).unwrap_or(i64::MAX))
    .bind(i64::try_from(tenant.held).unwrap_or(i64::MAX))
    .execute(connection)
    .await?;
    Ok(())
}

/// The highest tag admitted so far, per priority.
pub(super) async fn admitted(connection: &mut SqliteConnection) -> Result<Clocks, Error> {
    let rows: Vec<(i16, f64)> =
        sqlx::query_as("SELECT priority, clock FROM admission_clocks").fetch_all(connection).await?;
    Ok(rows.into_iter().collect())
}

/// The runs that are next, and moves the clocks of admission on to them.
pub(super) async fn next(connection: &mut SqliteConnection, limit: usize) -> Result<Vec<RunId>, Error> {
    let found = sqlx::query(
        "SELECT id, priority, tag FROM runs WHERE state = 'queued' AND NOT held \
         ORDER BY priority DESC, tag, id LIMIT ?",
    )
    .bind(rows(limit))
    .fetch_all(&mut *connection)
    .await?;
    let mut clocks = Clocks::new();
    let mut next = Vec::with_capacity(found.len());
    for row in &found {
        let mut columns = Columns::of(row);
        next.push(RunId::from_uuid(columns.id()?));
        // Tags come in order, so the last of each priority is the highest.
        clocks.insert(columns.get()?, columns.get()?);
    }
    for (priority, clock) in clocks {
        sqlx::query(
            "INSERT INTO admission_clocks (priority, clock) VALUES (?, ?) \
             ON CONFLICT (priority) DO UPDATE SET clock = max(clock, excluded.clock)",
        )
        .bind(priority)
        .bind(clock)
        .execute(&mut *connection)
        .await?;
    }
    Ok(next)
}

/// Whether somebody waits for admission and how much room there is in the window. Held runs are let go when a place
/// becomes free, so none of them could be admitted.
pub(super) async fn line(connection: &mut SqliteConnection, window: &Window) -> Result<Line, Error> {
    let row = sqlx::query(
        "SELECT EXISTS (SELECT 1 FROM runs WHERE state = 'queued' AND NOT held), \
         (SELECT count(*) FROM (SELECT 1 FROM task_runs \
            WHERE state IN ('queued', 'running') AND attempt > 0 AND item IS NULL \
              AND run_id NOT IN (SELECT id FROM runs \
                WHERE state = 'running' AND workflow IN (SELECT value FROM json_each(?))) \
            LIMIT ?))",
    )
    .bind(json("workflows", &window.unserved)?)
    .bind(counted(window))
    .fetch_one(connection)
    .await?;
    let mut columns = Columns::of(&row);
    Ok(Line { waiting: columns.get()?, room: window.room(columns.number("count")?) })
}

/// Settles the accounts of tenants whose runs have ended, and lets held runs take the places that became free.
pub(super) async fn settle(connection: &mut SqliteConnection, ended: &[&Run]) -> Result<(), Error> {
    let ids: Vec<RunId> = ended.iter().map(|run| run.id).collect();
    let mut places = BTreeMap::new();
    for ids in ids.chunks(IDS_PER_QUERY) {
        let mut query = QueryBuilder::new("SELECT id, priority, tag, held FROM runs WHERE id IN (");
        push_ids(&mut query, ids);
        for row in query.build().fetch_all(&mut *connection).await? {
            let mut columns = Columns::of(&row);
            let run_id = RunId::from_uuid(columns.id()?);
            let place = Place { priority: columns.get()?, tag: columns.get()?, held: columns.get()? };
            places.insert(run_id, place);
        }
    }
    let mut by_tenant: BTreeMap<&TenantId, Vec<(&Run, Place)>> = BTreeMap::new();
    for run in ended {
        let place = places.remove(&run.id).ok_or_else(|| corrupt("run", "it vanished"))?;
        by_tenant.entry(&run.tenant).or_default().push((run, place));
    }
    for (name, ended) in by_tenant {
        let mut tenant = tenant(connection, name).await?;
        for (run, place) in ended {
            tenant.leave(run, place);
        }
        release(connection, name, &mut tenant).await?;
        save(connection, name, &tenant).await?;
    }
    Ok(())
}

/// Frees the place of a run of which nothing else is known, and lets a held run take it.
pub(super) async fn leave(connection: &mut SqliteConnection, name: &TenantId, held: bool) -> Result<(), Error> {
    let mut tenant = tenant(connection, name).await?;
    let counter = if held { &mut tenant.held } else { &mut tenant.taken };
    *counter = counter.saturating_sub(1);
    release(connection, name, &mut tenant).await?;
    save(connection, name, &tenant).await
}

/// Sets what a tenant may use. Runs that were ready for admission and are now beyond its limit are held, the last
/// ones first.
pub(super) async fn set_share(connection: &mut SqliteConnection, name: &TenantId, share: Share) -> Result<(), Error> {
    let mut tenant = tenant(connection, name).await?;
    tenant.share = share;
    release(connection, name, &mut tenant).await?;
    let excess = share.max_concurrent.map_or(0, |limit| tenant.taken.saturating_sub(u64::from(limit)));
    let last = sqlx::query(
        "UPDATE runs SET held = TRUE WHERE id IN (SELECT id FROM runs \
         WHERE tenant = ? AND state = 'queued' AND NOT held ORDER BY priority, tag DESC, id DESC LIMIT ?)",
    )
    .bind(name.as_str())
    .bind(i64::try_from(excess).unwrap_or(i64::MAX));
    let held = last.execute(&mut *connection).await?.rows_affected();
    tenant.taken = tenant.taken.saturating_sub(held);
    tenant.held += held;
    save(connection, name, &tenant).await
}

/// Makes as many of its held runs ready for admission as there is room for.
async fn release(connection: &mut SqliteConnection, name: &TenantId, tenant: &mut Tenant) -> Result<(), Error> {
    let first = tenant.held.min(tenant.room());
    if first == 0 {
        return Ok(());
    }
    let released = sqlx::query(
        "UPDATE runs SET held = FALSE WHERE id IN (SELECT id FROM runs \
         WHERE tenant = ? AND state = 'queued' AND held ORDER BY priority DESC, tag, id LIMIT ?)",
    )
    .bind(name.as_str())
    .bind(i64::try_from(first).unwrap_or(i64::MAX))
    .execute(connection)
    .await?
    .rows_affected();
    tenant.taken += released;
    tenant.held = tenant.held.saturating_sub(released);
    Ok(())
}
