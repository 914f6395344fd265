//! Which runs are next, what they leave behind when they end, and what tenants may use.

use std::collections::{BTreeMap, BTreeSet};

use protocol::TenantId;
use sqlx::PgConnection;

use super::load::Kept;
use super::tenants;
use super::values::Columns;
use crate::values::counted;
use crate::{Error, Line, Share, Window};

/// Held runs that one call lets go per tenant, so that lifting a limit does not keep everybody waiting.
const RELEASED: i64 = 1_000;

/// What an unlimited tenant's limit is set to while it still has held runs: they are then released like any others.
const NO_LIMIT: i64 = 4_294_967_295;

/// Makes held runs of tenants with room ready for admission. It waits for nobody: what others have locked is left to
/// the next call.
pub(super) async fn release(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query(
        "WITH open AS ( \
            SELECT tenant, least(max_concurrent - taken, $1) AS room FROM tenants \
            WHERE max_concurrent IS NOT NULL AND taken < max_concurrent AND held > 0 FOR UPDATE SKIP LOCKED \
         ), next AS ( \
            SELECT first.id FROM open CROSS JOIN LATERAL ( \
                SELECT id FROM runs WHERE tenant = open.tenant AND state = 'queued' AND held \
                ORDER BY priority DESC, tag, id LIMIT open.room FOR UPDATE SKIP LOCKED \
            ) AS first \
         ), released AS ( \
            UPDATE runs SET held = false FROM next WHERE runs.id = next.id RETURNING tenant \
         ), counted AS ( \
            SELECT tenant, count(*) AS runs FROM released GROUP BY tenant \
         ) UPDATE tenants SET taken = tenants.taken + counted.runs, held = tenants.held - counted.runs \
           FROM counted WHERE tenants.tenant = counted.tenant",
    )
    .bind(RELEASED)
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether somebody waits for admission, held runs with room counted, and how much room there is in the window.
pub(super) async fn line(connection: &mut PgConnection, window: &Window) -> Result<Line, Error> {
    let row = sqlx::query(
        "SELECT EXISTS (SELECT FROM runs WHERE state = 'queued' AND NOT held) OR EXISTS (SELECT FROM tenants \
            WHERE max_concurrent IS NOT NULL AND taken < max_concurrent AND held > 0), \
         (SELECT count(*) FROM (SELECT FROM task_runs \
            WHERE state IN ('queued', 'running') AND attempt > 0 AND item IS NULL \
              AND (cardinality($2::text[]) = 0 OR NOT EXISTS ( \
                SELECT FROM runs WHERE runs.id = task_runs.run_id AND workflow = ANY($2))) \
            LIMIT $1) AS handed_out)",
    )
    .bind(counted(window))
    .bind(&window.unserved)
    .fetch_one(connection)
    .await?;
    let mut columns = Columns::of(&row);
    Ok(Line { waiting: columns.get()?, room: window.room(columns.number("count")?) })
}

/// The highest tag of each priority.
pub(super) fn highest(admitted: impl IntoIterator<Item = (i16, f64)>) -> BTreeMap<i16, f64> {
    let mut highest: BTreeMap<i16, f64> = BTreeMap::new();
    for (priority, tag) in admitted {
        let clock = highest.entry(priority).or_insert(tag);
        *clock = clock.max(tag);
    }
    highest
}

/// Moves the clocks of admission on to the tags that were just admitted.
pub(super) async fn advance(connection: &mut PgConnection, admitted: Vec<(i16, f64)>) -> Result<(), Error> {
    let highest = highest(admitted);
    if highest.is_empty() {
        return Ok(());
    }
    // In the order of priorities, so that two admissions do not wait for each other.
    sqlx::query(
        "INSERT INTO admission_clocks AS known (priority, clock) \
         SELECT * FROM unnest($1::smallint[], $2::double precision[]) \
         ON CONFLICT (priority) DO UPDATE SET clock = greatest(known.clock, excluded.clock)",
    )
    .bind(highest.keys().copied().collect::<Vec<_>>())
    .bind(highest.values().copied().collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Settles the accounts of tenants whose runs have ended.
pub(super) async fn settle(connection: &mut PgConnection, ended: &[&Kept]) -> Result<(), Error> {
    if ended.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<TenantId> = ended.iter().map(|kept| kept.loaded.run.tenant.clone()).collect();
    let mut tenants = tenants::lock(connection, &names, &Window::of(0)).await?.tenants;
    for kept in ended {
        if let Some(tenant) = tenants.get_mut(&kept.loaded.run.tenant) {
            tenant.leave(&kept.loaded.run, kept.place);
        }
    }
    tenants::save(connection, &tenants).await
}

/// Sets what a tenant may use. Runs that were ready for admission and are now beyond its limit are held, the last
/// ones first.
pub(super) async fn set_share(connection: &mut PgConnection, tenant: &TenantId, share: Share) -> Result<(), Error> {
    let names = BTreeSet::from([tenant.clone()]);
    let mut tenants = tenants::lock(connection, &names, &Window::of(0)).await?.tenants;
    sqlx::query(
        "UPDATE tenants SET weight = $2, \
         max_concurrent = CASE WHEN $3::bigint IS NULL AND held > 0 THEN $4 ELSE $3 END WHERE tenant = $1",
    )
    .bind(tenant.as_str())
    .bind(i64::from(share.weight.get()))
    .bind(share.max_concurrent.map(i64::from))
    .bind(NO_LIMIT)
    .execute(&mut *connection)
    .await?;
    let Some((known, limit)) = tenants.get_mut(tenant).zip(share.max_concurrent) else { return Ok(()) };
    let excess = known.taken.saturating_sub(u64::from(limit));
    let held = sqlx::query(
        "UPDATE runs SET held = true FROM ( \
            SELECT id FROM runs WHERE tenant = $1 AND state = 'queued' AND NOT held \
            ORDER BY priority, tag DESC, id DESC LIMIT $2 FOR UPDATE SKIP LOCKED \
         ) AS last WHERE runs.id = last.id",
    )
    .bind(tenant.as_str())
    .bind(i64::try_from(excess).unwrap_or(i64::MAX))
    .execute(&mut *connection)
    .await?
    .rows_affected();
    known.taken = known.taken.saturating_sub(held);
    known.held += held;
    tenants::save(connection, &tenants).await
}
