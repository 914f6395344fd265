//! What administrators did: written once, never changed.

use std::sync::Arc;

use jiff::Timestamp;
use ledger::records::{Expected, Page, Record, Records, Stored};
use ledger::{Error, Ledger};
use protocol::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::keys::Identity;

const KIND: &str = "audit";

/// The log.
#[derive(Clone)]
pub struct Audit {
    records: Arc<dyn Records>,
}

/// Something that an administrator did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Grows with time.
    #[serde(default)]
    pub id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The key that was shown; null where none is required.
    pub key: Option<String>,
    /// The tenant of that key.
    #[schema(value_type = String)]
    pub tenant: TenantId,
    /// What was done, such as `key.issued`.
    pub action: String,
    /// To what: a tenant, a key, a queue.
    pub target: String,
    /// What else is worth knowing; never a secret.
    #[schema(value_type = Object)]
    pub details: Value,
}

impl Audit {
    pub(super) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { records: ledger }
    }

    /// Writes down what a caller is about to do or just did.
    ///
    /// # Errors
    /// When the ledger is away: then it is not to be done.
    pub async fn note(&self, by: &Identity, action: &str, target: &str, details: Value) -> Result<(), Error> {
        let entry = Entry {
            id: String::new(),
            at: Timestamp::now(),
            key: by.key.clone(),
            tenant: by.tenant.clone(),
            action: action.to_owned(),
            target: target.to_owned(),
            details,
        };
        tracing::info!(action, target, key = by.key, tenant = %by.tenant, "an administrator acted");
        let record = Record {
            kind: KIND,
            tenant: by.tenant.clone(),
            id: uuid::Uuid::now_v7().simple().to_string(),
            lookup: None,
            body: serde_json::to_value(&entry).map_err(corrupt)?,
        };
        self.records.put_record(&record, Expected::Nothing, entry.at).await?;
        Ok(())
    }

    /// What was done, the latest first, before the entry of that id.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn list(&self, before: Option<String>, limit: usize) -> Result<Vec<Entry>, Error> {
        let page = Page { after: before, limit, descending: true };
        self.records.records(KIND, None, &page).await?.into_iter().map(read).collect()
    }
}

fn read(stored: Stored) -> Result<Entry, Error> {
    let entry = Entry::deserialize(&stored.body).map_err(corrupt)?;
    Ok(Entry { id: stored.id, ..entry })
}

fn corrupt(error: serde_json::Error) -> Error {
    Error::Corrupt { what: "audit entry", detail: error.to_string() }
}
