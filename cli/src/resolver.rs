//! What tenants set up, looked up in this process.

use async_trait::async_trait;
use dispatcher::adapters::Adapters;
use dispatcher::webhooks::Webhooks;
use protocol::TenantId;
use protocol::resolved::{AdapterInstance, WebhookEndpoint};
use worker::Resolver;
use worker::resolver::Unresolved;

/// Answers from the books of the same process.
pub(crate) struct InProcessResolver {
    webhooks: Webhooks,
    adapters: Adapters,
}

impl InProcessResolver {
    /// A resolver over these endpoints and adapters.
    pub(crate) fn new(webhooks: Webhooks, adapters: Adapters) -> Self {
        Self { webhooks, adapters }
    }
}

#[async_trait]
impl Resolver for InProcessResolver {
    async fn webhook(&self, tenant: &TenantId, id: &str) -> Result<Option<WebhookEndpoint>, Unresolved> {
        Ok(self.webhooks.find(tenant, id).await.map_err(away)?.map(|(endpoint, _)| endpoint.resolved()))
    }

    async fn webhook_gone(&self, tenant: &TenantId, id: &str) -> Result<(), Unresolved> {
        self.webhooks.switch_off(tenant, id, "it answered 410 Gone").await.map_err(away).map(drop)
    }

    async fn adapter(&self, tenant: &TenantId, id: &str) -> Result<Option<AdapterInstance>, Unresolved> {
        Ok(self.adapters.opened(tenant, id).await.map_err(away)?.map(|opened| opened.resolved(id)))
    }
}

fn away(error: impl std::fmt::Display) -> Unresolved {
    Unresolved::Away(error.to_string())
}
