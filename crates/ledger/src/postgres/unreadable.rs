//! Ends runs that cannot be read, without reading them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::values::{Columns, Time};
use crate::Error;
use crate::unreadable::Unreadable;
use crate::values::json;

/// Fails the runs, takes back their tasks and frees the places that they took of their tenants. Those that have ended
/// stay as they are. Returns which were failed.
pub(super) async fn fail<'a>(
    connection: &mut PgConnection,
    unreadable: &'a [Unreadable],
    now: Timestamp,
) -> Result<Vec<&'a Unreadable>, Error> {
    let by_id: BTreeMap<Uuid, &Unreadable> = unreadable.iter().map(|one| (one.run_id.as_uuid(), one)).collect();
    let rows = sqlx::query(
        "SELECT id, tenant, held FROM runs \
         WHERE id = ANY($1) AND state NOT IN ('succeeded', 'failed', 'cancelled') ORDER BY id FOR UPDATE",
    )
    .bind(by_id.keys().copied().collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await?;
    let mut failed: Vec<&Unreadable> = Vec::with_capacity(rows.len());
    let mut places: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for row in &rows {
        let mut columns = Columns::of(row);
        failed.extend(by_id.get(&columns.id()?).copied());
        let (taken, held) = places.entry(columns.get()?).or_default();
        *(if columns.get()? { held } else { taken }) += 1;
    }
    let ids: Vec<Uuid> = failed.iter().map(|one| one.run_id.as_uuid()).collect();
    let errors: Vec<String> = failed.iter().map(|one| json("error", &one.failure())).collect::<Result<_, _>>()?;
    sqlx::query(
        "UPDATE runs SET state = 'failed', error = v.error, ended_at = $3, revision = revision + 1 \
         FROM unnest($1::uuid[], $2::text[]) AS v (id, error) WHERE runs.id = v.id",
    )
    .bind(&ids)
    .bind(errors)
    .bind(Time(now))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "WITH locked AS ( \
            SELECT id FROM task_runs WHERE run_id = ANY($1) \
                AND state NOT IN ('succeeded', 'failed', 'skipped', 'cancelled') ORDER BY id FOR UPDATE \
         ) UPDATE task_runs SET state = 'cancelled', ended_at = $2, due_at = NULL, expires_at = NULL, \
            revision = runs.revision \
         FROM locked, runs WHERE task_runs.id = locked.id AND runs.id = task_runs.run_id",
    )
    .bind(&ids)
    .bind(Time(now))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "WITH locked AS (SELECT tenant FROM tenants WHERE tenant = ANY($1) ORDER BY tenant FOR UPDATE) \
         UPDATE tenants SET taken = greatest(tenants.taken - v.taken, 0), held = greatest(tenants.held - v.held, 0) \
         FROM locked JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) AS v (tenant, taken, held) \
            ON v.tenant = locked.tenant \
         WHERE tenants.tenant = locked.tenant",
    )
    .bind(places.keys().cloned().collect::<Vec<_>>())
    .bind(places.values().map(|(taken, _)| *taken).collect::<Vec<_>>())
    .bind(places.values().map(|(_, held)| *held).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(failed)
}
