//! What tenants consumed: counted as attempts are recorded, read by day or by run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use protocol::answer::{ModelUsage, Usage};
use protocol::{RunId, TenantId};
use sqlx::PgConnection;

use super::load::uuids;
use super::values::{Columns, text};
use crate::Error;
use crate::usage::{Consumed, DayUsage, RunUsage, Tally, column, day_of};
use crate::values::corrupt;

/// Adds to the tenants' days, in one statement. Comes last in its transaction: the rows are the ones that most
/// transactions share.
pub(super) async fn add(connection: &mut PgConnection, tally: &Tally<'_>, now: Timestamp) -> Result<(), Error> {
    if tally.is_empty() {
        return Ok(());
    }
    let counts = |count: fn(&Consumed) -> u64| tally.values().map(|one| column(count(one))).collect::<Vec<_>>();
    sqlx::query(
        "INSERT INTO usage_days AS known (day, tenant, model, attempts, counted, calls, input_tokens, output_tokens, \
            embedding_tokens, pages) \
         SELECT $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], \
            $8::bigint[], $9::bigint[], $10::bigint[]) \
         ON CONFLICT (tenant, day, model) DO UPDATE SET attempts = known.attempts + excluded.attempts, \
            counted = known.counted + excluded.counted, calls = known.calls + excluded.calls, \
            input_tokens = known.input_tokens + excluded.input_tokens, \
            output_tokens = known.output_tokens + excluded.output_tokens, \
            embedding_tokens = known.embedding_tokens + excluded.embedding_tokens, \
            pages = known.pages + excluded.pages",
    )
    .bind(day_of(now).to_string())
    .bind(tally.keys().map(|(tenant, _)| tenant.as_str()).collect::<Vec<_>>())
    .bind(tally.keys().map(|(_, model)| text(model)).collect::<Vec<_>>())
    .bind(counts(|one| one.attempts))
    .bind(counts(|one| one.counted))
    .bind(counts(|one| one.asked.calls))
    .bind(counts(|one| one.asked.input_tokens))
    .bind(counts(|one| one.asked.output_tokens))
    .bind(counts(|one| one.asked.embedding_tokens))
    .bind(counts(|one| one.pages))
    .execute(connection)
    .await?;
    Ok(())
}

/// A tenant's days, by day and model.
pub(super) async fn days(
    connection: &mut PgConnection,
    tenant: &TenantId,
    from: Date,
    to: Date,
) -> Result<Vec<DayUsage>, Error> {
    let rows = sqlx::query(
        "SELECT day, model, attempts, counted, calls, input_tokens, output_tokens, embedding_tokens, pages \
         FROM usage_days WHERE tenant = $1 AND day BETWEEN $2 AND $3 ORDER BY day COLLATE \"C\", model COLLATE \"C\"",
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
    connection: &mut PgConnection,
    tenant: &TenantId,
    run_ids: &[RunId],
) -> Result<BTreeMap<RunId, RunUsage>, Error> {
    let rows = sqlx::query(
        "SELECT attempts.run_id, attempts.usage FROM attempts JOIN runs ON runs.id = attempts.run_id \
         WHERE attempts.run_id = ANY($1) AND runs.id = ANY($1) AND runs.tenant = $2 AND attempts.usage IS NOT NULL",
    )
    .bind(uuids(run_ids))
    .bind(tenant.as_str())
    .fetch_all(connection)
    .await?;
    let mut found: BTreeMap<RunId, RunUsage> = BTreeMap::new();
    for row in &rows {
        let mut columns = Columns::of(row);
        let run = found.entry(RunId::from_uuid(columns.id()?)).or_default();
        run.add(&columns.json::<Usage>("usage")?);
    }
    Ok(found)
}
