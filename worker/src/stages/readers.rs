//! Which model answers a request: the deployment's, or the one of an adapter that the request names by its id.
//!
//! No stage, but what stages share. Settings and secrets of adapters are looked up when they are needed and stay in this
//! process; where tenants say that their models are is reached under the policy for addresses of tenants.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use models::openai_compatible::OpenAiCompatible;
use models::providers::{self, Unusable};
use models::{Error, Model};
use protocol::resolved::AdapterInstance;
use protocol::{TaskError, TenantId};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::lookup;
use crate::resolver::Resolver;

/// What the type of an adapter for language models is called.
const LLM: &str = "LLM";

/// How many models of tenants are kept, with what was learned of their servers.
const MOST_KEPT: usize = 1_000;

/// Models by the content of their settings, with when they were last used. The keys are digests of secrets, for this map
/// alone.
type Kept = HashMap<[u8; 32], (Arc<dyn Model>, Instant)>;

/// Finds out who answers.
pub struct Readers {
    own: Arc<dyn Model>,
    resolver: Arc<dyn Resolver>,
    way_out: outbound::Client,
    kept: Mutex<Kept>,
}

/// Who answers.
#[derive(Clone)]
pub struct Reader {
    /// The model.
    pub model: Arc<dyn Model>,
    /// Sets its answers apart from those of other models of the same name; empty for the deployment's. Holds no secret.
    pub mark: String,
}

impl Readers {
    /// Answers with that model, unless a request names an adapter. Those are looked up there and reached that way.
    #[must_use]
    pub fn new(own: Arc<dyn Model>, resolver: Arc<dyn Resolver>, way_out: outbound::Client) -> Self {
        Self { own, resolver, way_out, kept: Mutex::default() }
    }

    /// Who answers a request of that tenant that names that adapter; the deployment's model for an empty name.
    ///
    /// # Errors
    /// `adapter_unknown`, `adapter_wrong_type`, `adapter_unsupported`, `adapter_misconfigured` or `model_address_refused`
    /// for good, `resolver_unavailable` for now.
    pub async fn of(&self, tenant: &TenantId, llm: &str) -> Result<Reader, TaskError> {
        if llm.is_empty() {
            return Ok(Reader { model: Arc::clone(&self.own), mark: String::new() });
        }
        let adapter = lookup::adapter(self.resolver.as_ref(), tenant, llm, (LLM, "tool_settings.llm")).await?;
        self.model(&adapter)
    }

    fn model(&self, adapter: &AdapterInstance) -> Result<Reader, TaskError> {
        let config = providers::config(&adapter.adapter_id, &adapter.settings).map_err(|unusable| {
            let code = match &unusable {
                Unusable::Unsupported { .. } => "adapter_unsupported",
                Unusable::Setting { .. } => "adapter_misconfigured",
            };
            TaskError::permanent(code, format!("adapter {:?} cannot be used: {unusable}", adapter.id))
        })?;
        let mark = format!("{:x}", digest(&[&adapter.id, &config.base_url, &config.model]));
        let key: [u8; 32] = digest(&[&adapter.adapter_id, &adapter.settings.to_string()]).into();
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((model, used)) = kept.get_mut(&key) {
            *used = now;
            return Ok(Reader { model: Arc::clone(model), mark });
        }
        let made = OpenAiCompatible::guarded(config, self.way_out.clone()).map_err(|error| {
            let code =
                if matches!(error, Error::AddressRefused { .. }) { error.code() } else { "adapter_misconfigured" };
            TaskError::permanent(code, format!("adapter {:?} cannot be used: {error}", adapter.id))
        })?;
        let model: Arc<dyn Model> = Arc::new(made);
        let idle = kept.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key);
        if let Some(idle) = idle.filter(|_| kept.len() >= MOST_KEPT) {
            kept.remove(&idle);
        }
        kept.insert(key, (Arc::clone(&model), now));
        Ok(Reader { model, mark })
    }
}

/// With their lengths, so that no texts can pass for others.
fn digest(parts: &[&str]) -> sha2::digest::Output<Sha256> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use models::Builtin;
    use protocol::resolved::WebhookEndpoint;
    use protocol::{ErrorClass, TenantId};
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

        async fn adapter(&self, tenant: &TenantId, id: &str) -> Result<Option<AdapterInstance>, Unresolved> {
            if tenant.as_str() == "away" {
                return Err(Unresolved::Away("nobody is there".to_owned()));
            }
            Ok(self.0.iter().find(|one| one.0 == id).map(|(id, adapter_id, adapter_type, settings)| AdapterInstance {
                id: (*id).to_owned(),
                adapter_id: (*adapter_id).to_owned(),
                adapter_type: (*adapter_type).to_owned(),
                settings: settings.clone(),
            }))
        }
    }

    fn readers() -> Readers {
        let at = |base: &str, key: &str| json!({ "api_base": base, "model": "m", "api_key": key });
        let (kind, one) = ("openaicompatible|1", "https://one.example/v1");
        let book = Book(vec![
            ("one", kind, "LLM", at(one, "sk-1")),
            ("same", kind, "LLM", at(one, "sk-1")),
            ("other-key", kind, "LLM", at(one, "sk-2")),
            ("vectors", "qdrant|1", "VECTOR_DB", json!({})),
            ("elsewhere", "bedrock|1", "LLM", json!({})),
            ("nowhere", kind, "LLM", at("not an address", "sk-1")),
            ("inside", kind, "LLM", at("http://10.0.0.7:8000/v1", "sk-1")),
        ]);
        Readers::new(Arc::new(Builtin::new()), Arc::new(book), outbound::Client::new(outbound::Policy::default()))
    }

    async fn refused(tenant: &str, llm: &str) -> TaskError {
        readers().of(&tenant.parse().unwrap(), llm).await.err().unwrap()
    }

    #[tokio::test]
    async fn without_an_adapter_the_model_of_the_deployment_answers() {
        let reader = readers().of(&TenantId::default_tenant(), "").await.unwrap();
        assert_eq!((reader.model.info().name.as_str(), reader.mark.as_str()), ("builtin", ""));
    }

    #[tokio::test]
    async fn models_are_kept_by_the_content_of_their_settings_and_marked_by_their_adapter() {
        let (readers, tenant) = (readers(), TenantId::default_tenant());
        let mut found = Vec::new();
        for id in ["one", "one", "same", "other-key"] {
            found.push(readers.of(&tenant, id).await.unwrap());
        }
        assert!(Arc::ptr_eq(&found[0].model, &found[1].model) && Arc::ptr_eq(&found[0].model, &found[2].model));
        assert!(!Arc::ptr_eq(&found[0].model, &found[3].model));
        assert_eq!(found[0].mark, found[1].mark);
        assert_ne!(found[0].mark, found[2].mark);
    }

    #[tokio::test]
    async fn each_way_in_which_an_adapter_is_of_no_use_has_a_code_and_a_fix() {
        for (llm, code, says) in [
            ("two", "adapter_unknown", "GET /api/v1/adapters"),
            ("..", "adapter_unknown", "GET /api/v1/adapters"),
            ("openai|502ecf49-e47c-445c-9907-6d4b90c5cd17", "adapter_unknown", "POST /api/v1/adapters"),
            ("vectors", "adapter_wrong_type", "VECTOR_DB"),
            ("elsewhere", "adapter_unsupported", "\"bedrock\""),
            ("nowhere", "adapter_misconfigured", "address"),
            ("inside", "model_address_refused", "--outbound-allow 10.0.0.7"),
        ] {
            let error = refused("default", llm).await;
            assert_eq!((error.code.as_str(), error.class), (code, ErrorClass::Permanent), "{llm}: {error}");
            assert!(error.message.contains(says) && !error.message.contains("sk-1"), "{llm}: {error}");
        }
        let away = refused("away", "one").await;
        assert_eq!((away.code.as_str(), away.class), ("resolver_unavailable", ErrorClass::Transient));
    }
}
