//! Ends of runs that somebody wants to be told about.

use protocol::{RunId, RunState, TenantId};
use sqlx::SqliteConnection;

use super::values::{Columns, id};
use crate::values::corrupt;
use crate::{Error, Notice};

/// Runs that ended and whose owners have to be told, the longest ended first.
pub(super) async fn waiting(connection: &mut SqliteConnection, limit: i64) -> Result<Vec<Notice>, Error> {
    let rows = sqlx::query(
        "SELECT id, tenant, workflow, state, error, created_at, started_at, ended_at FROM runs \
         WHERE notify AND ended_at IS NOT NULL ORDER BY ended_at LIMIT ?",
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
pub(super) async fn clear(connection: &mut SqliteConnection, runs: &[RunId]) -> Result<(), Error> {
    for run in runs {
        sqlx::query("UPDATE runs SET notify = FALSE WHERE id = ?")
            .bind(id(run.as_uuid()))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
