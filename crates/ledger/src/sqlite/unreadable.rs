//! Ends runs that cannot be read, without reading them.

use jiff::Timestamp;
use protocol::TenantId;
use sqlx::SqliteConnection;

use super::admission;
use super::values::{Columns, id, micros};
use crate::Error;
use crate::unreadable::Unreadable;
use crate::values::json;

/// Fails a run, takes back its tasks and frees the place that it took of its tenant. Whether it did: one that has ended
/// stays as it is.
pub(super) async fn fail(connection: &mut SqliteConnection, one: &Unreadable, now: Timestamp) -> Result<bool, Error> {
    let run_id = id(one.run_id.as_uuid());
    let row = sqlx::query(
        "UPDATE runs SET state = 'failed', error = ?, ended_at = ? \
         WHERE id = ? AND state NOT IN ('succeeded', 'failed', 'cancelled') RETURNING tenant, held",
    )
    .bind(json("error", &one.failure())?)
    .bind(micros(now))
    .bind(run_id.clone())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(false) };
    sqlx::query(
        "UPDATE task_runs SET state = 'cancelled', ended_at = ?, due_at = NULL, expires_at = NULL \
         WHERE run_id = ? AND state NOT IN ('succeeded', 'failed', 'skipped', 'cancelled')",
    )
    .bind(micros(now))
    .bind(run_id)
    .execute(&mut *connection)
    .await?;
    let mut columns = Columns::of(&row);
    let tenant: String = columns.get()?;
    // What is unreadable may be just that; then nobody's account is changed.
    if let Ok(tenant) = TenantId::try_from(tenant) {
        admission::leave(connection, &tenant, columns.get()?).await?;
    }
    Ok(true)
}
