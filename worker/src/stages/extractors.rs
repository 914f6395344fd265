//! Who reads a document: the built-in reader, or the service of an adapter that the request names by its id.
//!
//! No stage. What lies in the object store is lent to readers here: the document, and a place to keep things.

use std::sync::Arc;

use async_trait::async_trait;
use objects::{LocalFile, Objects};
use protocol::request::ExtractionRequest;
use protocol::{TaskError, TenantId};
use text::Source;
use tokio::sync::OnceCell;
use x2text::{Original, Shelf, X2Text};

use super::lookup;
use crate::context::store_failed;
use crate::resolver::Resolver;

/// What the type of an adapter for readers of documents is called.
const X2TEXT: &str = "X2TEXT";

/// Finds out who reads.
pub struct Extractors {
    own: Arc<dyn X2Text>,
    resolver: Arc<dyn Resolver>,
    way_out: outbound::Client,
    keeps_texts: bool,
}

impl Extractors {
    /// Reads with that reader, unless a request names an adapter. Those are looked up there and reached that way.
    /// `keeps_texts`: whether what was read is kept for the next run of the same document.
    #[must_use]
    pub fn new(
        own: Arc<dyn X2Text>,
        resolver: Arc<dyn Resolver>,
        way_out: outbound::Client,
        keeps_texts: bool,
    ) -> Self {
        Self { own, resolver, way_out, keeps_texts }
    }

    /// Who reads the document of that request.
    ///
    /// # Errors
    /// `adapter_unknown`, `adapter_wrong_type`, `adapter_unsupported`, `adapter_misconfigured` or `x2text_address_refused`
    /// for good, `resolver_unavailable` for now.
    pub async fn of(&self, tenant: &TenantId, request: &ExtractionRequest) -> Result<Arc<dyn X2Text>, TaskError> {
        let of_extraction = &request.extraction_settings.x2text_instance_id;
        let (id, setting) = if of_extraction.is_empty() {
            (&request.tool_settings.x2text_adapter, "tool_settings.x2text_adapter")
        } else {
            (of_extraction, "extraction_settings.x2text_instance_id")
        };
        if id.is_empty() {
            return Ok(Arc::clone(&self.own));
        }
        let adapter = lookup::adapter(self.resolver.as_ref(), tenant, id, (X2TEXT, setting)).await?;
        x2text::reader(&adapter.adapter_id, &adapter.settings, &self.way_out).map_err(|unusable| {
            TaskError::permanent(unusable.code(), format!("adapter {id:?} cannot be used: {unusable}"))
        })
    }

    /// Whether what was read is kept for the next run of the same document.
    #[must_use]
    pub const fn keeps_texts(&self) -> bool {
        self.keeps_texts
    }
}

/// A document in the object store, fetched when somebody needs it and once.
pub(super) struct Stored<'a> {
    pub(super) objects: &'a dyn Objects,
    pub(super) key: &'a str,
    pub(super) name: &'a str,
    pub(super) file: OnceCell<LocalFile>,
}

#[async_trait]
impl Original for Stored<'_> {
    async fn source(&self) -> Result<Source, TaskError> {
        let fetch = || async { self.objects.local_file(self.key).await.map_err(store_failed) };
        let file = self.file.get_or_try_init(fetch).await?;
        Ok(Source { path: file.path.clone(), name: self.name.to_owned(), password: None })
    }
}

/// A folder of the object store.
pub(super) struct Folder<'a> {
    pub(super) objects: &'a dyn Objects,
    pub(super) key: String,
}

#[async_trait]
impl Shelf for Folder<'_> {
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, TaskError> {
        match self.objects.get(&format!("{}/{name}", self.key)).await {
            Ok(bytes) => Ok(Some(bytes)),
            // What does not have the hash it was stored with is damaged, and made anew.
            Err(objects::Error::NotFound(_) | objects::Error::Mismatch { .. }) => Ok(None),
            Err(error) => Err(store_failed(error)),
        }
    }

    async fn put(&self, name: &str, bytes: &[u8]) -> Result<(), TaskError> {
        let stored = self.objects.put(&format!("{}/{name}", self.key), bytes, "application/json").await;
        stored.map(drop).map_err(store_failed)
    }
}
