//! Schedules, and what happens when their time has come.

use jiff::Timestamp;
use protocol::{RunId, TenantId};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};

use super::submit;
use super::values::{Columns, Time};
use super::workflows::Workflows;
use crate::schedules::{Firing, Misfire, Schedule};
use crate::values::{corrupt, json, truncated};
use crate::{Error, Submitted, Window};

const COLUMNS: &str =
    "tenant, name, workflow, input, cron, time_zone, misfire, priority, enabled, next_at, last_at, last_run";

/// Inserts a schedule or replaces its definition.
pub(super) async fn put(connection: &mut PgConnection, schedule: &Schedule) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO schedules (tenant, name, workflow, input, cron, time_zone, misfire, priority, enabled, next_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (tenant, name) DO UPDATE SET workflow = excluded.workflow, input = excluded.input, \
            cron = excluded.cron, time_zone = excluded.time_zone, misfire = excluded.misfire, \
            priority = excluded.priority, enabled = excluded.enabled, next_at = excluded.next_at",
    )
    .bind(schedule.tenant.as_str())
    .bind(&schedule.name)
    .bind(&schedule.workflow)
    .bind(json("input", &schedule.input)?)
    .bind(&schedule.cron)
    .bind(&schedule.time_zone)
    .bind(schedule.misfire.as_str())
    .bind(schedule.priority)
    .bind(schedule.enabled)
    .bind(schedule.next_at.map(Time))
    .execute(connection)
    .await?;
    Ok(())
}

/// One schedule.
pub(super) async fn one(
    connection: &mut PgConnection,
    tenant: &TenantId,
    name: &str,
) -> Result<Option<Schedule>, Error> {
    let query = format!("SELECT {COLUMNS} FROM schedules WHERE tenant = $1 AND name = $2");
    let row = sqlx::query(AssertSqlSafe(query)).bind(tenant.as_str()).bind(name).fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

/// All of a tenant.
pub(super) async fn of_tenant(connection: &mut PgConnection, tenant: &TenantId) -> Result<Vec<Schedule>, Error> {
    let query = format!("SELECT {COLUMNS} FROM schedules WHERE tenant = $1 ORDER BY name COLLATE \"C\"");
    let rows = sqlx::query(AssertSqlSafe(query)).bind(tenant.as_str()).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// Deletes one; says whether it was there.
pub(super) async fn remove(connection: &mut PgConnection, tenant: &TenantId, name: &str) -> Result<bool, Error> {
    let removing = sqlx::query("DELETE FROM schedules WHERE tenant = $1 AND name = $2");
    Ok(removing.bind(tenant.as_str()).bind(name).execute(connection).await?.rows_affected() > 0)
}

/// Those whose time has come.
pub(super) async fn due(connection: &mut PgConnection, limit: i64, now: Timestamp) -> Result<Vec<Schedule>, Error> {
    let query = format!("SELECT {COLUMNS} FROM schedules WHERE next_at <= $1 ORDER BY next_at LIMIT $2");
    let rows = sqlx::query(AssertSqlSafe(query)).bind(Time(now)).bind(limit).fetch_all(connection).await?;
    rows.iter().map(read).collect()
}

/// Moves a schedule on and records its runs, unless it is not as it was read.
pub(super) async fn fire(
    connection: &mut PgConnection,
    workflows: &Workflows,
    firing: Firing,
    now: Timestamp,
) -> Result<Option<Vec<Submitted>>, Error> {
    let Firing { schedule, runs, last_at, next_at } = firing;
    // Locks the row, so that of several who fire it at the same time one goes on.
    let moved = sqlx::query(
        "UPDATE schedules SET next_at = $4, last_at = coalesce($5, last_at) \
         WHERE tenant = $1 AND name = $2 AND next_at = $3",
    )
    .bind(schedule.tenant.as_str())
    .bind(&schedule.name)
    .bind(schedule.next_at.map(Time))
    .bind(next_at.map(Time))
    .bind(last_at.map(Time))
    .execute(&mut *connection)
    .await?;
    if moved.rows_affected() == 0 {
        return Ok(None);
    }
    let started = submit::submit(&mut *connection, workflows, runs.into(), &Window::of(0), truncated(now)).await?;
    let submitted: Vec<Submitted> = started.runs.into_iter().flatten().collect();
    let last = submitted.last().map(|submitted| submitted.id);
    if last.is_some() {
        sqlx::query("UPDATE schedules SET last_run = $3 WHERE tenant = $1 AND name = $2")
            .bind(schedule.tenant.as_str())
            .bind(&schedule.name)
            .bind(last.map(|run| run.as_uuid()))
            .execute(connection)
            .await?;
    }
    Ok(Some(submitted))
}

fn read(row: &PgRow) -> Result<Schedule, Error> {
    let mut columns = Columns::of(row);
    let tenant: String = columns.get()?;
    Ok(Schedule {
        tenant: TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?,
        name: columns.get()?,
        workflow: columns.get()?,
        input: columns.json("input")?,
        cron: columns.get()?,
        time_zone: columns.get()?,
        misfire: columns.state("misfire policy", Misfire::parse)?,
        priority: columns.get()?,
        enabled: columns.get()?,
        next_at: columns.optional_time()?,
        last_at: columns.optional_time()?,
        last_run: columns.get::<Option<uuid::Uuid>>()?.map(RunId::from_uuid),
    })
}
