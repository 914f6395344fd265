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
        Ok(Source { path: file.path.clone(), name: self.name.to_owned(), password: None, pages: None })
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

#[cfg(test)]
mod tests {
    use protocol::ErrorClass;
    use protocol::resolved::{AdapterInstance, WebhookEndpoint};
    use serde_json::{Value, json};

    use super::*;
    use crate::resolver::Unresolved;

    /// Knows adapters by heart: id, kind, type, settings.
    struct Book(Vec<(&'static str, &'static str, &'static str, Value)>);

    #[async_trait]
    impl Resolver for Book {
        async fn webhook(&self, _: &TenantId, _: &str) -> Result<Option<WebhookEndpoint>, Unresolved> {
            Ok(None)
        }

        async fn webhook_gone(&self, _: &TenantId, _: &str) -> Result<(), Unresolved> {
            Ok(())
        }

        async fn adapter(&self, _: &TenantId, id: &str) -> Result<Option<AdapterInstance>, Unresolved> {
            Ok(self.0.iter().find(|one| one.0 == id).map(|(id, adapter_id, adapter_type, settings)| AdapterInstance {
                id: (*id).to_owned(),
                adapter_id: (*adapter_id).to_owned(),
                adapter_type: (*adapter_type).to_owned(),
                settings: settings.clone(),
            }))
        }
    }

    async fn reader(tool: &str, extraction: &str) -> Result<String, TaskError> {
        let book = Book(vec![
            ("good", "llmwhisperer|1", X2TEXT, json!({ "unstract_key": "sk-1" })),
            ("model", "openai|1", "LLM", json!({})),
            ("llama", "llamaparse|1", X2TEXT, json!({ "api_key": "sk-1" })),
            ("half", "llmwhisperer|1", X2TEXT, json!({ "mode": "form" })),
            ("inside", "unstructuredcommunity|1", X2TEXT, json!({ "url": "http://10.0.0.7:8000", "api_key": "sk-1" })),
        ]);
        let extractor = text::Extractor::new(text::Config::discover().unwrap());
        let way_out = outbound::Client::new(outbound::Policy::default());
        let own = Arc::new(x2text::Builtin::new(extractor));
        let extractors = Extractors::new(own, Arc::new(book), way_out, true);
        let mut request = ExtractionRequest::default();
        tool.clone_into(&mut request.tool_settings.x2text_adapter);
        extraction.clone_into(&mut request.extraction_settings.x2text_instance_id);
        Ok(extractors.of(&TenantId::default_tenant(), &request).await?.fingerprint())
    }

    #[tokio::test]
    async fn the_setting_of_the_extraction_wins_and_without_any_the_built_in_reader_reads() {
        let (own, service) = (reader("", "").await.unwrap(), reader("", "good").await.unwrap());
        assert_ne!(own, service);
        assert_eq!(reader("good", "").await.unwrap(), service);
        assert_eq!(reader("missing", "good").await.unwrap(), service);
    }

    #[tokio::test]
    async fn each_way_in_which_an_adapter_is_of_no_use_has_a_code_and_a_fix() {
        for (id, code, says) in [
            ("missing", "adapter_unknown", "extraction_settings.x2text_instance_id"),
            ("noOpX2text|mp66d1op", "adapter_unknown", "POST /api/v1/adapters"),
            ("model", "adapter_wrong_type", "takes one of type X2TEXT"),
            ("llama", "adapter_unsupported", "llmwhisperer, unstructuredcommunity"),
            ("half", "adapter_misconfigured", "\"unstract_key\""),
            ("inside", "x2text_address_refused", "--outbound-allow 10.0.0.7"),
        ] {
            let error = reader("", id).await.unwrap_err();
            assert_eq!((error.code.as_str(), error.class), (code, ErrorClass::Permanent), "{id}: {error}");
            assert!(error.message.contains(says) && !error.message.contains("sk-1"), "{id}: {error}");
        }
        assert!(reader("missing", "").await.unwrap_err().message.contains("tool_settings.x2text_adapter"));
    }
}
