//! What tenants consumed: counted as attempts are recorded, read by day or by run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use protocol::answer::{ModelUsage, Usage};
use protocol::{RunId, TenantId};
use sqlx::{QueryBuilder, SqliteConnection};

use super::load;
use super::store::ROWS;
use super::values::Columns;
use crate::Error;
use crate::usage::{Consumed, DayUsage, RunUsage, Tally, column, day_of};
use crate::values::corrupt;

/// Adds to the tenants' days.
pub(super) async fn add(connection: &mut SqliteConnection, tally: &Tally<'_>, now: Timestamp) -> Result<(), Error> {
    let day = day_of(now).to_string();
    let rows: Vec<_> = tally.iter().collect();
    for rows in rows.chunks(ROWS) {
        let mut query = QueryBuilder::new(
            "INSERT INTO usage_days (day, tenant, model, attempts, counted, calls, input_tokens, output_tokens, \
             embedding_tokens, pages) ",
        );
        query.push_values(rows, |mut row, ((tenant, model), consumed)| {
            row.push_bind(day.as_str())
                .push_bind(tenant.as_str())
                .push_bind(model.as_str())
                .push_bind(column(consumed.attempts))
                .push_bind(column(consumed.counted))
                .push_bind(column(consumed.asked.calls))
                .push_bind(column(consumed.asked.input_tokens))
                .push_bind(column(consumed.asked.output_tokens))
                .push_bind(column(consumed.asked.embedding_tokens))
                .push_bind(column(consumed.pages));
        });
        query.push(
            " ON CONFLICT (tenant, day, model) DO UPDATE SET attempts = attempts + excluded.attempts, \
             counted = counted + excluded.counted, calls = calls + excluded.calls, \
             input_tokens = input_tokens + excluded.input_tokens, \
             output_tokens = output_tokens + excluded.output_tokens, \
             embedding_tokens = embedding_tokens + excluded.embedding_tokens, pages = pages + excluded.pages",
        );
        query.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// A tenant's days, by day and model.
pub(super) async fn days(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    from: Date,
    to: Date,
) -> Result<Vec<DayUsage>, Error> {
    let rows = sqlx::query(
        "SELECT day, model, attempts, counted, calls, input_tokens, output_tokens, embedding_tokens, pages \
         FROM usage_days WHERE tenant = ?1 AND day BETWEEN ?2 AND ?3 ORDER BY day, model",
    )
    .bind(tenant.as_str())
    .bind(from.to_string())
    .bind(to.to_string())
    .fetch_all(connection)
    .await?;
    let read = |row| {
        let mut columns = Columns::of(row);
        let day: &str = columns.get()?;
        let model: String = columns.get()?;
        Ok(DayUsage {
            day: day.parse().map_err(|error| corrupt("day", error))?,
            model: (!model.is_empty()).then_some(model),
            consumed: Consumed {
                attempts: columns.number("count")?,
                counted: columns.number("count")?,
                asked: ModelUsage {
                    calls: columns.number("count")?,
                    input_tokens: columns.number("count")?,
                    output_tokens: columns.number("count")?,
                    embedding_tokens: columns.number("count")?,
                },
                pages: columns.number("count")?,
            },
        })
    };
    rows.iter().map(read).collect()
}

/// What each of a tenant's runs consumed; those that consumed nothing are missing.
pub(super) async fn of_runs(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    run_ids: &[RunId],
) -> Result<BTreeMap<RunId, RunUsage>, Error> {
    let mut found: BTreeMap<RunId, RunUsage> = BTreeMap::new();
    for run_ids in run_ids.chunks(load::IDS_PER_QUERY) {
        let mut query = QueryBuilder::new(
            "SELECT r.id, a.usage FROM runs r CROSS JOIN task_runs t ON t.run_id = r.id \
             CROSS JOIN attempts a ON a.task_run_id = t.id WHERE a.usage IS NOT NULL AND r.tenant = ",
        );
        query.push_bind(tenant.as_str()).push(" AND r.id IN (");
        load::push_ids(&mut query, run_ids);
        for row in query.build().fetch_all(&mut *connection).await? {
            let mut columns = Columns::of(&row);
            let run = found.entry(RunId::from_uuid(columns.id()?)).or_default();
            run.add(&columns.json::<Usage>("usage")?);
        }
    }
    Ok(found)
}
