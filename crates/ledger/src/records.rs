//! What operators and tenants set up, beside the runs: tenants, keys, adapters, endpoints, documents, the audit log.
//!
//! All of it is small, changes rarely and is looked up by name, so one store of JSON records serves every kind. What a
//! kind means is its owner's business.

use async_trait::async_trait;
use jiff::Timestamp;
use protocol::TenantId;
use serde_json::Value;

use crate::Error;

/// A record, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What it is, such as `key`.
    pub kind: &'static str,
    /// Its owner.
    pub tenant: TenantId,
    /// Unique among its owner's records of the kind.
    pub id: String,
    /// Another name it is found by, unique among all records of the kind, whoever owns them.
    pub lookup: Option<String>,
    /// What it says.
    pub body: Value,
}

/// A record, as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its owner.
    pub tenant: TenantId,
    /// Its name among those of its owner.
    pub id: String,
    /// What it says.
    pub body: Value,
    /// Counts its changes from 1.
    pub revision: u64,
    /// When it was first written.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
}

/// What has to be there before a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever.
    Anything,
    /// No such record.
    Nothing,
    /// The record in this revision.
    Revision(u64),
}

/// A part of a list of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Go on behind this id.
    pub after: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// The highest id first.
    pub descending: bool,
}

impl Page {
    /// The first `limit`, in the order of their ids.
    #[must_use]
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit, descending: false }
    }
}

/// Keeps records.
#[async_trait]
pub trait Records: Send + Sync {
    /// Writes a record. Returns its revision, or `None` when something else was there than expected, or its `lookup`
    /// belongs to another record: then nothing changed.
    ///
    /// # Errors
    /// When the store fails.
    async fn put_record(&self, record: &Record, expected: Expected, now: Timestamp) -> Result<Option<u64>, Error>;

    /// One record of a tenant.
    ///
    /// # Errors
    /// When the store fails.
    async fn record_of(&self, kind: &str, tenant: &TenantId, id: &str) -> Result<Option<Stored>, Error>;

    /// The record of that lookup name, whoever owns it.
    ///
    /// # Errors
    /// When the store fails.
    async fn find_record(&self, kind: &str, lookup: &str) -> Result<Option<Stored>, Error>;

    /// Records of a tenant, or of all, in the order of their ids; of all, those with equal ids in the order of their
    /// owners, and a page goes on behind all of an id.
    ///
    /// # Errors
    /// When the store fails.
    async fn records(&self, kind: &str, tenant: Option<&TenantId>, page: &Page) -> Result<Vec<Stored>, Error>;

    /// Removes a record; says whether it was there.
    ///
    /// # Errors
    /// When the store fails.
    async fn remove_record(&self, kind: &str, tenant: &TenantId, id: &str) -> Result<bool, Error>;
}
