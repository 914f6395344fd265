//! What the dispatcher tells workers about things that tenants set up, secrets included. It answers requests of the fleet's
//! own processes and never stands in a message, a log line or an error.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `GET /internal/v1/webhooks/{tenant}/{id}`: where a tenant is told about its runs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEndpoint {
    /// Where to.
    pub url: String,
    /// What signs the messages: `whsec_…`; several while one is exchanged for another.
    pub secrets: Vec<String>,
    /// Whether its owner wants messages.
    pub enabled: bool,
}

/// `GET /internal/v1/adapters/{tenant}/{id}`: a client for something outside, as a tenant set it up.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterInstance {
    /// What requests name it by.
    pub id: String,
    /// Which adapter: `provider|uuid`.
    pub adapter_id: String,
    /// `LLM`, `EMBEDDING`, `VECTOR_DB`, `X2TEXT` or `OCR`.
    pub adapter_type: String,
    /// How it is set up, secrets included.
    pub settings: Value,
}

impl fmt::Debug for WebhookEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("WebhookEndpoint");
        shown.field("url", &self.url).field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

impl fmt::Debug for AdapterInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AdapterInstance");
        shown.field("id", &self.id).field("adapter_id", &self.adapter_id).field("adapter_type", &self.adapter_type);
        shown.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_never_shown_by_accident() {
        let endpoint =
            WebhookEndpoint { url: "https://a".to_owned(), secrets: vec!["whsec_c2VjcmV0".to_owned()], enabled: true };
        let (id, adapter_id, adapter_type) = ("a".to_owned(), "openai|1".to_owned(), "LLM".to_owned());
        let adapter = AdapterInstance { id, adapter_id, adapter_type, settings: json!({ "api_key": "c2VjcmV0" }) };
        let shown = format!("{endpoint:?} {adapter:?}");
        assert!(!shown.contains("c2VjcmV0") && shown.contains("openai|1"), "{shown}");
    }
}
