//! How long things are remembered: one partition of attempts and one of events a month, created ahead and dropped when
//! every run of that time is gone; runs are deleted when their retention is over.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

use super::values::{Columns, Time};
use crate::Error;
use crate::values::corrupt;

/// Months that have a partition before they begin.
const MONTHS_AHEAD: i32 = 2;

/// Runs deleted in one transaction: short enough to stay out of everybody's way.
const BATCH: i64 = 1_000;

/// How far the clocks of two processes may lie apart.
const SKEW: SignedDuration = SignedDuration::from_hours(24);

/// A table that only grows, in one partition a month. What no month was created for is in its partition `…_unplaced`.
struct History {
    table: &'static str,
    /// The column that says which month a row belongs to.
    column: &'static str,
    /// A moment as a value of that column.
    moment: fn(Timestamp) -> String,
}

/// All of them.
const HISTORIES: [History; 2] = [
    History { table: "attempts", column: "recorded_at", moment: |time| format!("'{time}'") },
    History { table: "events", column: "seq", moment: |time| time.as_microsecond().to_string() },
];

/// What [`super::PostgresLedger::maintain`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Runs that were deleted with their task runs.
    pub runs_deleted: u64,
    /// Partitions of the history that were dropped, by name.
    pub partitions_dropped: Vec<String>,
}

/// Deletes what ended before the retention and prepares the coming months.
pub(super) async fn maintain(pool: &PgPool, retention: Duration, now: Timestamp) -> Result<Maintained, Error> {
    let mut connection = pool.acquire().await?;
    create_partitions(&mut connection, now).await?;
    let mut maintained = Maintained::default();
    // A retention beyond the calendar keeps everything.
    let Some(oldest) = SignedDuration::try_from(retention).ok().and_then(|age| now.checked_sub(age).ok()) else {
        return Ok(maintained);
    };
    loop {
        let deleted = delete_batch(&mut connection, oldest).await?;
        maintained.runs_deleted += deleted;
        if deleted == 0 {
            break;
        }
    }
    let first_run: Option<Time> =
        sqlx::query_scalar("SELECT created_at FROM runs ORDER BY id LIMIT 1").fetch_optional(&mut *connection).await?;
    let needed = first_run.map_or(oldest, |first| first.0.min(oldest)).checked_sub(SKEW).unwrap_or(Timestamp::MIN);
    for history in &HISTORIES {
        for (name, month) in history.partitions(&mut connection).await? {
            if end_of(month)? <= needed {
                // Names come from the catalogue and are of our own making.
                sqlx::query(AssertSqlSafe(format!("DROP TABLE {name}"))).execute(&mut *connection).await?;
                maintained.partitions_dropped.push(name);
            }
        }
        history.forget_unplaced(&mut connection, needed).await?;
    }
    Ok(maintained)
}

async fn delete_batch(connection: &mut PgConnection, oldest: Timestamp) -> Result<u64, Error> {
    let deleted: i64 = sqlx::query_scalar(
        "WITH ended AS ( \
            SELECT id FROM runs WHERE ended_at < $1 ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED \
         ), deleted AS ( \
            DELETE FROM runs USING ended WHERE runs.id = ended.id RETURNING runs.id \
         ), theirs AS ( \
            DELETE FROM task_runs USING deleted WHERE task_runs.run_id = deleted.id \
         ) SELECT count(*) FROM deleted",
    )
    .bind(Time(oldest))
    .bind(BATCH)
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(deleted).unwrap_or(0))
}

/// Creates the partitions of this month and the next ones where they are missing. What was recorded meanwhile without
/// one moves in.
pub(super) async fn create_partitions(connection: &mut PgConnection, now: Timestamp) -> Result<(), Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock(hashtext('flotilla partitions'))").execute(&mut *transaction).await?;
    let this_month = now.to_zoned(TimeZone::UTC).date().first_of_month();
    for history in &HISTORIES {
        let known = history.partitions(&mut transaction).await?;
        for ahead in 0..=MONTHS_AHEAD {
            let month = this_month.checked_add(ahead.months()).map_err(|error| corrupt("month", error))?;
            if known.iter().all(|(_, known)| *known != month) {
                history.create_partition(&mut transaction, month).await?;
            }
        }
    }
    Ok(transaction.commit().await?)
}

impl History {
    async fn create_partition(&self, connection: &mut PgConnection, month: Date) -> Result<(), Error> {
        let Self { table, column, moment } = self;
        let name = format!("{table}_{:04}_{:02}", month.year(), month.month());
        let (from, to) = (moment(start_of(month)?), moment(end_of(month)?));
        for statement in [
            format!("CREATE TABLE {name} (LIKE {table} INCLUDING ALL)"),
            format!(
                "WITH moved AS (DELETE FROM {table}_unplaced WHERE {column} >= {from} AND {column} < {to} RETURNING *) \
                 INSERT INTO {name} SELECT * FROM moved"
            ),
            format!("ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"),
        ] {
            // Made of names of our own and of numbers alone.
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *connection).await?;
        }
        Ok(())
    }

    /// The partitions that exist, with the first day of their month.
    async fn partitions(&self, connection: &mut PgConnection) -> Result<Vec<(String, Date)>, Error> {
        let rows = sqlx::query(
            "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
             WHERE i.inhparent = to_regclass($1) ORDER BY 1",
        )
        .bind(self.table)
        .fetch_all(connection)
        .await?;
        let mut partitions = Vec::with_capacity(rows.len());
        for row in &rows {
            let name: String = Columns::of(row).get()?;
            partitions.extend(self.month_of(&name).map(|month| (name, month)));
        }
        Ok(partitions)
    }

    /// The month that a partition's name says; none for the default partition.
    fn month_of(&self, name: &str) -> Option<Date> {
        let (year, month) = name.strip_prefix(self.table)?.strip_prefix('_')?.split_once('_')?;
        Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()
    }

    /// Deletes what has no month and is older than anybody needs.
    async fn forget_unplaced(&self, connection: &mut PgConnection, needed: Timestamp) -> Result<(), Error> {
        let Self { table, column, moment } = self;
        let statement = format!("DELETE FROM {table}_unplaced WHERE {column} < {}", moment(needed));
        sqlx::query(AssertSqlSafe(statement)).execute(connection).await?;
        Ok(())
    }
}

fn start_of(month: Date) -> Result<Timestamp, Error> {
    let start = month.to_zoned(TimeZone::UTC).map_err(|error| corrupt("month", error))?;
    Ok(start.timestamp())
}

fn end_of(month: Date) -> Result<Timestamp, Error> {
    start_of(month.checked_add(1.month()).map_err(|error| corrupt("month", error))?)
}
