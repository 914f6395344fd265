//! Records: what operators and tenants set up.

use async_trait::async_trait;
use jiff::Timestamp;
use protocol::TenantId;
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteRow;

use super::SqliteLedger;
use super::values::{Columns, micros};
use crate::Error;
use crate::records::{Expected, Page, Record, Records, Stored};
use crate::values::{corrupt, json, rows};

const COLUMNS: &str = "tenant, id, body, revision, created_at, updated_at";

#[async_trait]
impl Records for SqliteLedger {
    async fn put_record(&self, record: &Record, expected: Expected, now: Timestamp) -> Result<Option<u64>, Error> {
        // An upsert that finds another record's lookup name does nothing, as one whose condition does not hold.
        let statement = match expected {
            Expected::Anything => {
                "INSERT INTO records (kind, tenant, id, lookup, body, revision, created_at, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6) \
                 ON CONFLICT (kind, tenant, id) DO UPDATE SET lookup = excluded.lookup, body = excluded.body, \
                    revision = records.revision + 1, updated_at = excluded.updated_at \
                 RETURNING revision"
            }
            Expected::Nothing => {
                "INSERT INTO records (kind, tenant, id, lookup, body, revision, created_at, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?6) ON CONFLICT DO NOTHING RETURNING revision"
            }
            Expected::Revision(_) => {
                "UPDATE records SET lookup = ?4, body = ?5, revision = revision + 1, updated_at = ?6 \
                 WHERE kind = ?1 AND tenant = ?2 AND id = ?3 AND revision = ?7 RETURNING revision"
            }
        };
        let mut query = sqlx::query_scalar::<_, i64>(statement)
            .bind(record.kind)
            .bind(record.tenant.as_str())
            .bind(&record.id)
            .bind(&record.lookup)
            .bind(json("record", &record.body)?)
            .bind(micros(now));
        if let Expected::Revision(revision) = expected {
            query = query.bind(i64::try_from(revision).unwrap_or(i64::MAX));
        }
        match query.fetch_optional(&self.pools.writer).await {
            Ok(revision) => Ok(revision.map(|revision| u64::try_from(revision).unwrap_or(0))),
            Err(error) if error.as_database_error().is_some_and(|error| error.is_unique_violation()) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn record_of(&self, kind: &str, tenant: &TenantId, id: &str) -> Result<Option<Stored>, Error> {
        let query = format!("SELECT {COLUMNS} FROM records WHERE kind = ?1 AND tenant = ?2 AND id = ?3");
        let query = sqlx::query(AssertSqlSafe(query)).bind(kind).bind(tenant.as_str()).bind(id);
        query.fetch_optional(&self.pools.readers).await?.as_ref().map(read).transpose()
    }

    async fn find_record(&self, kind: &str, lookup: &str) -> Result<Option<Stored>, Error> {
        let query = format!("SELECT {COLUMNS} FROM records WHERE kind = ?1 AND lookup = ?2");
        let query = sqlx::query(AssertSqlSafe(query)).bind(kind).bind(lookup);
        query.fetch_optional(&self.pools.readers).await?.as_ref().map(read).transpose()
    }

    async fn records(&self, kind: &str, tenant: Option<&TenantId>, page: &Page) -> Result<Vec<Stored>, Error> {
        let (beyond, order) = if page.descending { ("<", "DESC") } else { (">", "ASC") };
        let owner = if tenant.is_some() { "AND tenant = ?2" } else { "AND ?2 IS NULL" };
        let query = format!(
            "SELECT {COLUMNS} FROM records WHERE kind = ?1 {owner} AND (?3 IS NULL OR id {beyond} ?3) \
             ORDER BY id {order}, tenant {order} LIMIT ?4"
        );
        let query = sqlx::query(AssertSqlSafe(query))
            .bind(kind)
            .bind(tenant.map(TenantId::as_str))
            .bind(&page.after)
            .bind(rows(page.limit));
        query.fetch_all(&self.pools.readers).await?.iter().map(read).collect()
    }

    async fn remove_record(&self, kind: &str, tenant: &TenantId, id: &str) -> Result<bool, Error> {
        let removing = sqlx::query("DELETE FROM records WHERE kind = ?1 AND tenant = ?2 AND id = ?3");
        let removing = removing.bind(kind).bind(tenant.as_str()).bind(id).execute(&self.pools.writer).await?;
        Ok(removing.rows_affected() > 0)
    }
}

fn read(row: &SqliteRow) -> Result<Stored, Error> {
    let mut columns = Columns::of(row);
    let tenant: String = columns.get()?;
    Ok(Stored {
        tenant: TenantId::try_from(tenant).map_err(|error| corrupt("tenant", error))?,
        id: columns.get()?,
        body: columns.json("record")?,
        revision: columns.number("revision")?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}
