//! Where tenants want to be told about their runs. [`telling`] tells them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use backends::fleet::Audience;
use jiff::Timestamp;
use ledger::records::{Expected, Page, Record, Records, Stored};
use outbound::signature::NoRandomness;
use outbound::{Policy, Refusal};
use protocol::TenantId;
use protocol::resolved::WebhookEndpoint;
use protocol::webhooks::EventType;
use protocol::workflow::is_name;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::access::{Sealed, Vault, VaultError};

pub mod deliveries;
mod secrets;
pub mod telling;
#[cfg(test)]
mod tests;

pub use secrets::{MOST_SECRETS, Signing};

/// The kind of the records.
const KIND: &str = "webhook";

/// How many endpoints a tenant may have.
pub const MOST_ENDPOINTS: usize = 50;

/// How long it is believed whether a tenant has endpoints. Runs that are started within this after its first endpoint was
/// put by another process may end untold.
const BELIEVED: Duration = Duration::from_secs(2);

/// How many tenants that is remembered of.
const MOST_REMEMBERED: usize = 10_000;

/// The endpoints of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    records: Arc<dyn Records>,
    vault: Vault,
    policy: Arc<Policy>,
    listening: Arc<Mutex<HashMap<TenantId, (bool, Instant)>>>,
}

/// Where a tenant wants to be told about its runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Unique within the tenant.
    pub id: String,
    /// Where to.
    pub url: String,
    /// What about; empty: everything.
    pub events: Vec<EventType>,
    /// A note of its owner.
    pub description: String,
    /// Whether anything is sent.
    pub enabled: bool,
    /// Why it was switched off, if the fleet did that.
    pub disabled_because: Option<String>,
    /// What signs the messages, the newest first: several while one is exchanged for another.
    pub secrets: Vec<Signing>,
}

/// What an endpoint wants to be told about. It is known without any secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// The endpoint's id.
    pub id: String,
    /// What about; empty: everything.
    events: Vec<EventType>,
    enabled: bool,
}

/// An endpoint as its record has it; the id is the record's.
#[derive(Serialize, Deserialize)]
struct Body {
    url: String,
    #[serde(default)]
    events: Vec<EventType>,
    #[serde(default)]
    description: String,
    enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disabled_because: Option<String>,
    secrets: Sealed,
}

/// An endpoint that was not recorded, or could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its name cannot stand in an address.
    #[error("an endpoint cannot be called {0:?}; use 1 to 64 of a-z, A-Z, 0-9, '-' and '_'")]
    Name(String),
    /// Its address may not be reached.
    #[error("url: {0}")]
    Refused(#[from] Refusal),
    /// It has no secret, or too many.
    #[error("secrets: an endpoint has 1 to {MOST_SECRETS} of them")]
    Secrets,
    /// The tenant has enough of them.
    #[error("a tenant has at most {MOST_ENDPOINTS} endpoints; remove one that is not needed any more")]
    TooMany,
    /// The record makes no sense.
    #[error("the record of endpoint {id:?} cannot be read: {reason}")]
    Unreadable {
        /// The endpoint.
        id: String,
        /// Why; no secret.
        reason: String,
    },
    /// No secret can be made.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Its secrets cannot be kept, or read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store failed.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

impl Subscription {
    /// Whether it is told about that.
    #[must_use]
    pub fn wants(&self, event: EventType) -> bool {
        self.enabled && (self.events.is_empty() || self.events.contains(&event))
    }
}

impl Endpoint {
    /// As whoever delivers to it needs it.
    #[must_use]
    pub fn resolved(&self) -> WebhookEndpoint {
        let now = Timestamp::now();
        let secrets = self.secrets.iter().filter(|one| one.signs_at(now)).map(|one| one.secret.expose()).collect();
        WebhookEndpoint { url: self.url.clone(), secrets, enabled: self.enabled }
    }
}

impl Webhooks {
    /// The endpoints in that store, with their secrets under that vault's key; new ones have to lead where the policy admits.
    #[must_use]
    pub fn new(records: Arc<dyn Records>, vault: Vault, policy: Policy) -> Self {
        Self { records, vault, policy: Arc::new(policy), listening: Arc::default() }
    }

    /// Records an endpoint. Returns its revision, or `None` when something else was there than expected.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn put(&self, tenant: &TenantId, endpoint: &Endpoint, expected: Expected) -> Result<Option<u64>, Error> {
        if !is_name(&endpoint.id) {
            return Err(Error::Name(endpoint.id.clone()));
        }
        self.policy.check(&endpoint.url)?;
        if !(1..=MOST_SECRETS).contains(&endpoint.secrets.len()) {
            return Err(Error::Secrets);
        }
        let known = self.records.records(KIND, Some(tenant), &Page::first(MOST_ENDPOINTS)).await?;
        if known.len() >= MOST_ENDPOINTS && !known.iter().any(|known| known.id == endpoint.id) {
            return Err(Error::TooMany);
        }
        self.write(tenant, endpoint, expected).await
    }

    async fn write(&self, tenant: &TenantId, endpoint: &Endpoint, expected: Expected) -> Result<Option<u64>, Error> {
        let secrets = secrets::written(&endpoint.secrets).map_err(|error| unreadable(&endpoint.id, &error))?;
        let body = Body {
            url: endpoint.url.clone(),
            events: endpoint.events.clone(),
            description: endpoint.description.clone(),
            enabled: endpoint.enabled,
            disabled_because: endpoint.disabled_because.clone(),
            secrets: self.vault.seal(&owner(tenant, &endpoint.id), &secrets)?,
        };
        let body = serde_json::to_value(body).map_err(|error| unreadable(&endpoint.id, &error))?;
        let record = Record { kind: KIND, tenant: tenant.clone(), id: endpoint.id.clone(), lookup: None, body };
        let written = self.records.put_record(&record, expected, Timestamp::now()).await?;
        self.forget(tenant);
        Ok(written)
    }

    /// An endpoint, if that tenant has it, with its revision.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn find(&self, tenant: &TenantId, id: &str) -> Result<Option<(Endpoint, u64)>, Error> {
        let stored = self.records.record_of(KIND, tenant, id).await?;
        stored.map(|stored| Ok((self.read(&stored)?, stored.revision))).transpose()
    }

    /// A tenant's endpoints, by id. One that cannot be read is left out, and the log says so.
    ///
    /// # Errors
    /// When the store fails, or none can be read since there is no master key.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<Endpoint>, Error> {
        let stored = self.records.records(KIND, Some(tenant), &Page::first(MOST_ENDPOINTS)).await?;
        let mut read = Vec::with_capacity(stored.len());
        for stored in &stored {
            match self.read(stored) {
                Ok(endpoint) => read.push(endpoint),
                Err(error @ Error::Vault(VaultError::NoMasterKey)) => return Err(error),
                Err(error) => tracing::error!(tenant = %tenant, error = %error, "an endpoint is left out"),
            }
        }
        Ok(read)
    }

    /// What a tenant's endpoints want to be told about, by id. One that cannot be read is left out, and the log says so.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn subscriptions(&self, tenant: &TenantId) -> Result<Vec<Subscription>, Error> {
        let stored = self.records.records(KIND, Some(tenant), &Page::first(MOST_ENDPOINTS)).await?;
        let read = stored.into_iter().filter_map(|stored| match Body::deserialize(&stored.body) {
            Ok(Body { events, enabled, .. }) => Some(Subscription { id: stored.id, events, enabled }),
            Err(error) => {
                tracing::error!(tenant = %tenant, endpoint = stored.id, error = %error, "an endpoint is left out");
                None
            }
        });
        Ok(read.collect())
    }

    /// Removes an endpoint; says whether it was there. What is on its way to it is given up.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn remove(&self, tenant: &TenantId, id: &str) -> Result<bool, Error> {
        let removed = self.records.remove_record(KIND, tenant, id).await?;
        self.forget(tenant);
        Ok(removed)
    }

    /// Sends nothing more to an endpoint, unless its owner changed it meanwhile; says whether it was there and on.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn switch_off(&self, tenant: &TenantId, id: &str, because: &str) -> Result<bool, Error> {
        let Some((endpoint, revision)) = self.find(tenant, id).await?.filter(|(found, _)| found.enabled) else {
            return Ok(false);
        };
        let off = Endpoint { enabled: false, disabled_because: Some(because.to_owned()), ..endpoint };
        Ok(self.write(tenant, &off, Expected::Revision(revision)).await?.is_some())
    }

    fn read(&self, stored: &Stored) -> Result<Endpoint, Error> {
        let body = Body::deserialize(&stored.body).map_err(|error| unreadable(&stored.id, &error))?;
        let opened = self.vault.open(&owner(&stored.tenant, &stored.id), &body.secrets)?;
        let secrets = secrets::read(opened);
        Ok(Endpoint {
            id: stored.id.clone(),
            url: body.url,
            events: body.events,
            description: body.description,
            enabled: body.enabled,
            disabled_because: body.disabled_because,
            secrets: secrets.map_err(|error| unreadable(&stored.id, &error))?,
        })
    }

    fn forget(&self, tenant: &TenantId) {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }
}

#[async_trait]
impl Audience for Webhooks {
    async fn listens(&self, tenant: &TenantId) -> bool {
        let now = Instant::now();
        let known = self.listening.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied();
        if let Some((listens, until)) = known
            && now < until
        {
            return listens;
        }
        let listens = match self.subscriptions(tenant).await {
            Ok(endpoints) => endpoints.iter().any(|endpoint| endpoint.enabled),
            Err(error) => {
                tracing::debug!(error = %error, "whether a tenant has endpoints could not be asked");
                return true;
            }
        };
        let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if listening.len() >= MOST_REMEMBERED {
            listening.clear();
        }
        listening.insert(tenant.clone(), (listens, now + BELIEVED));
        listens
    }
}

/// What the secrets of an endpoint are sealed for: copied to another record, they do not open.
fn owner(tenant: &TenantId, id: &str) -> String {
    format!("{KIND}/{tenant}/{id}")
}

fn unreadable(id: &str, error: &dyn std::error::Error) -> Error {
    Error::Unreadable { id: id.to_owned(), reason: error.to_string() }
}
