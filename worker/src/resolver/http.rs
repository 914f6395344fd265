//! Asks the dispatcher, and remembers its answers for a while.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use protocol::TenantId;
use protocol::resolved::{AdapterInstance, WebhookEndpoint};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::link::{Link, away};
use super::{Resolver, Unresolved};

/// How long an answer is believed: what a tenant changes is followed within this.
const REMEMBERED: Duration = Duration::from_secs(30);

/// How many answers are remembered at most.
const MOST_REMEMBERED: usize = 10_000;

/// The dispatcher as a worker asks it.
#[derive(Clone)]
pub struct HttpResolver {
    link: Link,
    webhooks: Memory<WebhookEndpoint>,
    adapters: Memory<AdapterInstance>,
}

/// Answers by tenant and id, until when they are believed.
type Memory<T> = Arc<Mutex<HashMap<(TenantId, String), (T, Instant)>>>;

impl HttpResolver {
    /// Asks the dispatcher at that address, such as `http://dispatcher:8080`, with the key that the fleet shares.
    ///
    /// # Errors
    /// A sentence that names the flag when the address cannot be used.
    pub fn new(dispatcher: &str, key: &str) -> Result<Self, String> {
        let link = Link::new(dispatcher, key)?;
        Ok(Self { link, webhooks: Memory::default(), adapters: Memory::default() })
    }

    async fn resolve<T: DeserializeOwned + Clone>(
        &self,
        memory: &Memory<T>,
        kind: &str,
        tenant: &TenantId,
        id: &str,
    ) -> Result<Option<T>, Unresolved> {
        let name = (tenant.clone(), id.to_owned());
        let now = Instant::now();
        let known = memory.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if let Some((answer, until)) = known
            && now < until
        {
            return Ok(Some(answer));
        }
        let response = self.link.ask(Method::GET, &[kind, tenant.as_str(), id]).await?;
        if response.status() == StatusCode::NOT_FOUND {
            let problem: Value = response.json().await.unwrap_or_default();
            // Anything else that is not found is the address: another server, or an older dispatcher.
            return if problem["code"] == "not_set_up" {
                Ok(None)
            } else {
                Err(Unresolved::Away("it is no dispatcher of this version".to_owned()))
            };
        }
        let answer: T = response.json().await.map_err(away)?;
        let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.len() >= MOST_REMEMBERED {
            memory.retain(|_, (_, until)| now < *until);
        }
        if memory.len() < MOST_REMEMBERED {
            memory.insert(name, (answer.clone(), now + REMEMBERED));
        }
        Ok(Some(answer))
    }
}

#[async_trait]
impl Resolver for HttpResolver {
    async fn webhook(&self, tenant: &TenantId, id: &str) -> Result<Option<WebhookEndpoint>, Unresolved> {
        self.resolve(&self.webhooks, "webhooks", tenant, id).await
    }

    async fn webhook_gone(&self, tenant: &TenantId, id: &str) -> Result<(), Unresolved> {
        self.webhooks.lock().unwrap_or_else(PoisonError::into_inner).remove(&(tenant.clone(), id.to_owned()));
        self.link.ask(Method::POST, &["webhooks", tenant.as_str(), id, "gone"]).await.map(drop)
    }

    async fn adapter(&self, tenant: &TenantId, id: &str) -> Result<Option<AdapterInstance>, Unresolved> {
        self.resolve(&self.adapters, "adapters", tenant, id).await
    }
}

impl fmt::Debug for HttpResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResolver").field("base", &self.link.base()).finish_non_exhaustive()
    }
}
