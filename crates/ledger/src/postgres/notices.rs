//! Ends of runs that somebody wants to be told about.

use protocol::{RunId, RunState, TenantId};
use sqlx::PgConnection;

use super::load::uuids;
use super::values::Columns;
use crate::values::corrupt;
use crate::{Error, Notice};

/// Runs that ended and whose owners have to be told, the longest ended first.
pub(super) async fn waiting(connection: &mut PgConnection, limit: i64) -> Result<Vec<Notice>, Error> {
    let rows = sqlx::query(
        "SELECT id, tenant, workflow, state, error, created_at, started_at, ended_at FROM runs \
         WHERE notify AND ended_at IS NOT NULL ORDER BY ended_at LIMIT $1",
    )
    .bind(limit)
    .fetch_all(connection)
    .await?;
    let notices = rows.iter().map(|row| {
        let mut columns = Columns::of(row);
        let run = RunId::from_uuid(columns.id()?);
        let tenant: String = columns.get()?;
        Ok(Notice {
            run,
            tenant: TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?,
            workflow: columns.get()?,
            state: columns.state("run state", RunState::parse)?,
            error: columns.optional_json("error")?,
            created_at: columns.time()?,
            started_at: columns.optional_time()?,
            ended_at: columns.time()?,
        })
    });
    notices.collect()
}

/// Notes that the owners were told.
pub(super) async fn clear(connection: &mut PgConnection, runs: &[RunId]) -> Result<(), Error> {
    // In the order of ids, as everybody locks.
    sqlx::query(
        "UPDATE runs SET notify = false FROM ( \
            SELECT id FROM runs WHERE id = ANY($1) AND notify ORDER BY id FOR UPDATE \
         ) AS told WHERE runs.id = told.id",
    )
    .bind(uuids(runs))
    .execute(connection)
    .await?;
    Ok(())
}
