//! Adapter instances: how tenants reach their models, embeddings, vector databases and text extractors.
//!
//! A request names an instance by its id, messages carry that id alone, and whoever does the work asks for the settings
//! at the moment of use. Settings are sealed as a whole; what is no secret of them is kept readable beside, for people.

use std::sync::Arc;

use jiff::Timestamp;
use ledger::records::{Expected, Page, Record, Records, Stored};
use ledger::{Error, Ledger};
use protocol::TenantId;
use protocol::resolved::AdapterInstance;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::access::{Sealed, Vault, VaultError};

const KIND: &str = "adapter";

/// What stands for a secret where settings are shown, and what leaves it as it is where they are changed.
pub const HIDDEN: &str = "***";

/// Beginnings and ends of names of settings that hold secrets, in lower case.
const SECRET_WORDS: [&str; 6] = ["key", "token", "secret", "password", "credential", "connection_string"];

/// Keeps adapter instances.
#[derive(Clone)]
pub struct Adapters {
    records: Arc<dyn Records>,
    vault: Vault,
}

/// What an adapter reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AdapterType {
    /// A language model.
    Llm,
    /// An embedding model.
    Embedding,
    /// A vector database.
    VectorDb,
    /// A reader of documents.
    X2text,
    /// A reader of pictures of text.
    Ocr,
}

/// An adapter instance as somebody wants it.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// What people call it.
    #[schema(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,100}$")]
    pub adapter_name: String,
    /// What kind of service it is: `provider|id`, such as `openai|502ecf49-e47c-445c-9907-6d4b90c5cd17`.
    #[schema(pattern = r"^[A-Za-z0-9_-]{1,64}\|[A-Za-z0-9-]{1,64}$")]
    pub adapter_id: String,
    /// What it reaches.
    pub adapter_type: AdapterType,
    /// How to reach it: addresses, models, keys. `***` leaves a secret as it is.
    #[schema(value_type = Object)]
    pub adapter_metadata: Map<String, Value>,
}

/// An adapter instance without its secrets.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Adapter {
    /// What requests name it by.
    pub id: String,
    /// What people call it.
    pub adapter_name: String,
    /// What kind of service it is.
    pub adapter_id: String,
    /// What it reaches.
    pub adapter_type: AdapterType,
    /// How to reach it; secrets are `***`.
    #[schema(value_type = Object)]
    pub adapter_metadata: Map<String, Value>,
    /// Counts its changes from 1.
    pub revision: u64,
    /// When it was set up.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// An adapter instance with its secrets, for whoever does the work. Never shown, never logged.
#[derive(Clone, PartialEq)]
pub struct Opened {
    /// What kind of service it is.
    pub adapter_id: String,
    /// What it reaches.
    pub adapter_type: AdapterType,
    /// How to reach it.
    pub settings: Map<String, Value>,
}

impl AdapterType {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Llm => "LLM",
            Self::Embedding => "EMBEDDING",
            Self::VectorDb => "VECTOR_DB",
            Self::X2text => "X2TEXT",
            Self::Ocr => "OCR",
        }
    }
}

impl Opened {
    /// As whoever works with it needs it.
    #[must_use]
    pub fn resolved(self, id: &str) -> AdapterInstance {
        AdapterInstance {
            id: id.to_owned(),
            adapter_id: self.adapter_id,
            adapter_type: self.adapter_type.as_str().to_owned(),
            settings: Value::Object(self.settings),
        }
    }
}

/// An adapter instance that was not kept or read.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] Error),
    /// Secrets cannot be kept or read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Somebody else changed it in the meantime.
    #[error("somebody else changed it at the same moment; look at it again")]
    Changed,
    /// A secret was left as it is, but there is none.
    #[error("{0} is \"***\", but there is no secret yet that could stay; send the secret itself")]
    NothingHidden(String),
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Body {
    adapter_name: String,
    adapter_id: String,
    adapter_type: AdapterType,
    shown: Map<String, Value>,
    sealed: Sealed,
}

impl Adapters {
    /// Instances as that ledger keeps them, sealed by that vault.
    #[must_use]
    pub fn new(ledger: Arc<dyn Ledger>, vault: Vault) -> Self {
        Self { records: ledger, vault }
    }

    /// Sets an instance up or changes it; says whether it is new.
    ///
    /// # Errors
    /// [`AdapterError`]; then nothing was changed.
    pub async fn put(&self, tenant: &TenantId, id: &str, wanted: Wanted) -> Result<(Adapter, bool), AdapterError> {
        let known = self.records.record_of(KIND, tenant, id).await?;
        let mut settings = wanted.adapter_metadata;
        let before = match &known {
            Some(stored) => self.open(tenant, stored)?.settings,
            None => Map::new(),
        };
        for (name, value) in &mut settings {
            if value == HIDDEN {
                *value = before.get(name).cloned().ok_or_else(|| AdapterError::NothingHidden(name.clone()))?;
            }
        }
        let body = Body {
            adapter_name: wanted.adapter_name,
            adapter_id: wanted.adapter_id,
            adapter_type: wanted.adapter_type,
            shown: without_secrets(&settings),
            sealed: self.vault.seal(&owner(tenant, id), &Value::Object(settings))?,
        };
        let body = serde_json::to_value(&body).map_err(corrupt)?;
        let record = Record { kind: KIND, tenant: tenant.clone(), id: id.to_owned(), lookup: None, body };
        let expected = known.as_ref().map_or(Expected::Nothing, |known| Expected::Revision(known.revision));
        let now = Timestamp::now();
        let revision = self.records.put_record(&record, expected, now).await?.ok_or(AdapterError::Changed)?;
        let created_at = known.as_ref().map_or(now, |known| known.created_at);
        let Record { tenant, id, body, .. } = record;
        let adapter = shown(Stored { tenant, id, body, revision, created_at, updated_at: now })?;
        Ok((adapter, known.is_none()))
    }

    /// One instance.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn show(&self, tenant: &TenantId, id: &str) -> Result<Option<Adapter>, AdapterError> {
        self.records.record_of(KIND, tenant, id).await?.map(shown).transpose()
    }

    /// The instances of a tenant by id.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn list(&self, tenant: &TenantId, page: &Page) -> Result<Vec<Adapter>, AdapterError> {
        self.records.records(KIND, Some(tenant), page).await?.into_iter().map(shown).collect()
    }

    /// Removes one; says whether it was there.
    ///
    /// # Errors
    /// When the ledger is away.
    pub async fn remove(&self, tenant: &TenantId, id: &str) -> Result<bool, AdapterError> {
        Ok(self.records.remove_record(KIND, tenant, id).await?)
    }

    /// One instance with its secrets.
    ///
    /// # Errors
    /// When the ledger is away, or the secrets cannot be read.
    pub async fn opened(&self, tenant: &TenantId, id: &str) -> Result<Option<Opened>, AdapterError> {
        let stored = self.records.record_of(KIND, tenant, id).await?;
        stored.map(|stored| self.open(tenant, &stored)).transpose()
    }

    fn open(&self, tenant: &TenantId, stored: &Stored) -> Result<Opened, AdapterError> {
        let Body { adapter_id, adapter_type, sealed, .. } = Body::deserialize(&stored.body).map_err(corrupt)?;
        match self.vault.open(&owner(tenant, &stored.id), &sealed)? {
            Value::Object(settings) => Ok(Opened { adapter_id, adapter_type, settings }),
            _ => Err(VaultError::Damaged.into()),
        }
    }
}

fn owner(tenant: &TenantId, id: &str) -> String {
    format!("{KIND}/{tenant}/{id}")
}

/// The settings with `***` for whatever may be a secret, at any depth.
fn without_secrets(settings: &Map<String, Value>) -> Map<String, Value> {
    let hidden = |name: &String, value: &Value| match value {
        Value::Null | Value::Bool(_) => value.clone(),
        _ if is_secret(name) => Value::String(HIDDEN.to_owned()),
        Value::Object(inner) => Value::Object(without_secrets(inner)),
        // Lists of objects are no settings of any known adapter.
        Value::Array(parts) if parts.iter().any(Value::is_object) => Value::String(HIDDEN.to_owned()),
        _ => value.clone(),
    };
    settings.iter().map(|(name, value)| (name.clone(), hidden(name, value))).collect()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let counts = ["max_tokens", "context_tokens", "budget_tokens", "max_completion_tokens"];
    !counts.contains(&name.as_str()) && SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn shown(stored: Stored) -> Result<Adapter, AdapterError> {
    let Body { adapter_name, adapter_id, adapter_type, shown, .. } =
        Body::deserialize(&stored.body).map_err(corrupt)?;
    Ok(Adapter {
        id: stored.id,
        adapter_name,
        adapter_id,
        adapter_type,
        adapter_metadata: shown,
        revision: stored.revision,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
    })
}

fn corrupt(error: serde_json::Error) -> AdapterError {
    Error::Corrupt { what: "adapter", detail: error.to_string() }.into()
}

#[cfg(test)]
mod tests {
    use ledger::sqlite::SqliteLedger;
    use serde_json::json;

    use super::*;

    fn wanted(settings: Value) -> Wanted {
        Wanted {
            adapter_name: "ours".to_owned(),
            adapter_id: "openaicompatible|b6d10f33-2c41-49fc-a8c2-58d2b247fc09".to_owned(),
            adapter_type: AdapterType::Llm,
            adapter_metadata: settings.as_object().unwrap().clone(),
        }
    }

    async fn adapters() -> (Arc<SqliteLedger>, Adapters) {
        let ledger = Arc::new(SqliteLedger::in_memory().await.unwrap());
        let vault = Vault::new(&"5e".repeat(32)).unwrap();
        (Arc::clone(&ledger), Adapters::new(ledger, vault))
    }

    #[tokio::test]
    async fn secrets_are_sealed_and_opened_for_their_tenant_alone() {
        let (ledger, adapters) = adapters().await;
        let (acme, other): (TenantId, TenantId) = ("acme".parse().unwrap(), "other".parse().unwrap());
        let settings = json!({
            "api_key": "sk-1", "model": "m", "max_tokens": 100, "nested": { "Auth-Token": "t-2", "region": "eu" }
        });
        let (adapter, created) = adapters.put(&acme, "a", wanted(settings.clone())).await.unwrap();
        assert!(created);
        assert_eq!(
            Value::Object(adapter.adapter_metadata),
            json!({ "api_key": "***", "model": "m", "max_tokens": 100, "nested": { "Auth-Token": "***", "region": "eu" } })
        );
        let kept = format!("{:?}", ledger.records(KIND, None, &Page::first(9)).await.unwrap());
        assert!(!kept.contains("sk-1") && !kept.contains("t-2"), "{kept}");
        assert_eq!(Value::Object(adapters.opened(&acme, "a").await.unwrap().unwrap().settings), settings);
        assert!(adapters.opened(&other, "a").await.unwrap().is_none());
        assert!(adapters.show(&other, "a").await.unwrap().is_none());
        assert!(!adapters.remove(&other, "a").await.unwrap());
    }

    #[tokio::test]
    async fn a_secret_that_is_left_out_of_a_change_stays() {
        let (_, adapters) = adapters().await;
        let acme: TenantId = "acme".parse().unwrap();
        let first = wanted(json!({ "api_key": HIDDEN, "model": "m" }));
        let refused = adapters.put(&acme, "a", first).await;
        assert!(matches!(&refused, Err(AdapterError::NothingHidden(name)) if name == "api_key"), "{refused:?}");

        adapters.put(&acme, "a", wanted(json!({ "api_key": "sk-1", "model": "m" }))).await.unwrap();
        let change = wanted(json!({ "api_key": HIDDEN, "model": "n" }));
        let (adapter, created) = adapters.put(&acme, "a", change).await.unwrap();
        assert_eq!((created, adapter.revision), (false, 2));
        let opened = adapters.opened(&acme, "a").await.unwrap().unwrap();
        assert_eq!(Value::Object(opened.settings), json!({ "api_key": "sk-1", "model": "n" }));
    }
}
