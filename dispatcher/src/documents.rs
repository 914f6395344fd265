//! Documents that a tenant hands in once and asks about as often as it likes.
//!
//! A document is named by its content, so the same bytes are the same document. Its bytes lie where those of a submitted
//! run do; what is known about them is a record.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use ledger::records::{Expected, Page, Record, Records, Stored};
use objects::Objects;
use protocol::TenantId;
use protocol::stages::extract_text::texts_of;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::submission::{self, Desk};

mod kind;

pub use kind::Kind;

const KIND: &str = "document";

/// What stands before the SHA-256 in the id of a document.
const PREFIX: &str = "doc_";

/// Keeps documents.
#[derive(Clone)]
pub struct Documents {
    records: Arc<dyn Records>,
    objects: Arc<dyn Objects>,
    desk: Desk,
}

/// A document, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Document {
    /// `doc_` and the SHA-256: the same bytes have the same id.
    pub id: String,
    /// What it was called when it first came.
    pub name: String,
    /// IANA media type, by its first bytes.
    pub media_type: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// When it first came.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

/// What is kept about a document.
#[derive(Serialize, Deserialize)]
struct Kept {
    name: String,
    media_type: String,
    bytes: u64,
    sha256: String,
}

/// A document that was not kept or found.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// The object store failed.
    #[error("the document could not be fetched or removed")]
    Objects(#[from] objects::Error),
    /// It could not be stored.
    #[error(transparent)]
    Submission(#[from] submission::Error),
    /// It has no bytes.
    #[error("the document has no bytes")]
    Empty,
    /// It is something that is never a document.
    #[error("this is {0}, not a document; send the documents themselves")]
    Unsupported(&'static str),
}

impl Documents {
    /// The documents of that desk.
    pub(crate) fn new(records: Arc<dyn Records>, objects: Arc<dyn Objects>, desk: Desk) -> Self {
        Self { records, objects, desk }
    }

    /// Keeps a file; says whether it was new. A known document keeps its name.
    ///
    /// # Errors
    /// [`DocumentError`]; then it is not kept.
    pub async fn put(&self, tenant: &TenantId, file: &Path, name: &str) -> Result<(Document, bool), DocumentError> {
        let (bytes, kind) = look_at(file, name)?;
        let sha256 = self.desk.keep_file(tenant, file).await?;
        let id = format!("{PREFIX}{sha256}");
        let kept = Kept { name: name.to_owned(), media_type: kind.media_type.to_owned(), bytes, sha256 };
        let body = serde_json::to_value(&kept).map_err(|error| corrupt(&error))?;
        let record = Record { kind: KIND, tenant: tenant.clone(), id: id.clone(), lookup: None, body };
        let now = Timestamp::now();
        let new = self.records.put_record(&record, Expected::Nothing, now).await?.is_some();
        match self.find(tenant, &id).await? {
            Some(document) => Ok((document, new)),
            // Somebody else removed it in this very moment.
            None => Ok((shown(id, kept, now), new)),
        }
    }

    /// A document of a tenant.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn find(&self, tenant: &TenantId, id: &str) -> Result<Option<Document>, DocumentError> {
        if !is_id(id) {
            return Ok(None);
        }
        Ok(self.records.record_of(KIND, tenant, id).await?.map(read).transpose()?)
    }

    /// The documents of a tenant, by id.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn list(&self, tenant: &TenantId, page: &Page) -> Result<Vec<Document>, DocumentError> {
        let found = self.records.records(KIND, Some(tenant), page).await?;
        Ok(found.into_iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The bytes of a document as a file on this machine; `None` when they are gone.
    ///
    /// # Errors
    /// When the object store is away.
    pub async fn content(
        &self,
        tenant: &TenantId,
        document: &Document,
    ) -> Result<Option<objects::LocalFile>, DocumentError> {
        match self.objects.local_file(&submission::key_of(tenant, &document.sha256)).await {
            Ok(file) => Ok(Some(file)),
            Err(objects::Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a document, its bytes and the texts that are kept of it for further runs; says whether it was there. Runs that
    /// have not read it yet fail.
    ///
    /// # Errors
    /// When the ledger or the object store is away.
    pub async fn remove(&self, tenant: &TenantId, id: &str) -> Result<bool, DocumentError> {
        let Some(document) = self.find(tenant, id).await? else { return Ok(false) };
        // The record goes last: what failed half-way can be repeated.
        self.objects.delete(&submission::key_of(tenant, &document.sha256)).await?;
        // After the bytes: a worker that keeps a text looks for them afterwards, and takes the text away when they are gone.
        self.objects.delete_below(&texts_of(tenant, &document.sha256)).await?;
        Ok(self.records.remove_record(KIND, tenant, id).await?)
    }
}

/// Size and kind of a file that may be a document.
///
/// # Errors
/// [`DocumentError::Empty`], [`DocumentError::Unsupported`], or when it cannot be read.
pub fn look_at(file: &Path, name: &str) -> Result<(u64, Kind), DocumentError> {
    let unreadable = |source| submission::Error::Unreadable { file: file.to_path_buf(), source };
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let bytes = opened.metadata().map_err(unreadable)?.len();
    if bytes == 0 {
        return Err(DocumentError::Empty);
    }
    let mut head = Vec::with_capacity(kind::HEAD);
    opened.take(kind::HEAD as u64).read_to_end(&mut head).map_err(unreadable)?;
    let kind = Kind::of(&head, name);
    match kind.never_a_document {
        Some(what) => Err(DocumentError::Unsupported(what)),
        None => Ok((bytes, kind)),
    }
}

fn is_id(id: &str) -> bool {
    let hash = id.strip_prefix(PREFIX);
    hash.is_some_and(|hash| hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

fn read(stored: Stored) -> Result<Document, ledger::Error> {
    let kept = Kept::deserialize(&stored.body).map_err(|error| corrupt(&error))?;
    Ok(shown(stored.id, kept, stored.created_at))
}

fn shown(id: String, kept: Kept, created_at: Timestamp) -> Document {
    let Kept { name, media_type, bytes, sha256 } = kept;
    Document { id, name, media_type, bytes, sha256, created_at }
}

fn corrupt(error: &serde_json::Error) -> ledger::Error {
    ledger::Error::Corrupt { what: "document", detail: error.to_string() }
}
